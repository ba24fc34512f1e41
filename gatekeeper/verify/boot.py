"""The built-in check `boot`: starts one site as pm2 will, in a box, at the path it will have, and asks it how it is.

It has its real port in a network of its own, and no secrets; nothing that runs on this machine notices.
"""

import json
import select
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

import msgspec
from msgspec import Struct

import gatekeeper
from gatekeeper import process
from gatekeeper.sites.ecosystem import App, render
from gatekeeper.sites.run import SiteRun, Stamp
from gatekeeper.verify.box import GIB, MIB, Box, broken
from gatekeeper.verify.network import Inside, namespaces
from gatekeeper.verify.prober import Answer
from gatekeeper.verify.sandbox import Ran, run

_FOUND_IN = [str(Path(one.__path__[0]).parent) for one in (gatekeeper, msgspec)]
_PROBER = f"import sys; sys.path += {_FOUND_IN}; from gatekeeper.verify.prober import main; main()"
_MARGIN = 10.0
"""Seconds beyond the site's own, for the box and the prober: reached only when one of them hangs."""
PATIENCE = 2 * _MARGIN
"""Seconds beyond the site's own after which a boot is ended."""
_WITH_CHANNEL = frozenset({"node", "nodejs", "bun"})


class BootSpec(Struct, frozen=True, kw_only=True):
    """One site to start: as pm2 would, but `site.env` holds `boot_env` in place of secrets.

    `tree` is a throw-away folder with what the site may see; it is mounted read-only at `at`, the release folder
    that `site.cwd` and `site.script` lie in. `scratch` are its data and writable folders, absolute, empty here.
    """

    site: SiteRun
    stamp: Stamp
    tree: Path
    at: str
    scratch: tuple[str, ...] = ()
    read_only: tuple[str, ...] = ()
    memory: int = 2 * GIB
    processes: int = 512
    disk: int = 2 * GIB


class Booted(Struct, frozen=True):
    """Whether the site came up; if not, `reason` says why in one sentence. `ran.cancelled`: it says nothing."""

    passed: bool
    reason: str
    ran: Ran


def boot(spec: BootSpec, *, cancel: process.Cancel | None = None, output_limit: int = MIB) -> Booted:
    """Start the site, wait until it is well (without a health address: until it has stayed up for its soak), end it.

    GateError 505 without bubblewrap: there is no other way to give it its port.
    """
    site, answers = spec.site, list[Answer]()

    def beside(inside: Inside, switch: process.Cancel | None) -> None:
        answer = _probe(inside, switch, spec) if site.health else _stay_up(inside, switch, site.soak)
        answers.extend((answer,) if answer else ())

    app = render((site,), spec.stamp, base={"NODE_APP_INSTANCE": "0"}, logs=Path("/"))["apps"][0]
    with _channel(app) as (fd, env):
        ran = run(
            _box(spec, {**app["env"], **env}),
            _argv(app),
            timeout=site.health_timeout + site.soak + PATIENCE,
            cancel=cancel,
            output_limit=output_limit,
            beside=beside,
            pass_fds=(fd,),
        )
    wrong = "It was interrupted" if ran.cancelled else _wrong(site, ran, answers)
    return Booted(wrong is None, f"{wrong}." if wrong else "", ran)


def _box(spec: BootSpec, env: dict[str, str]) -> Box:
    return Box(
        tree=spec.tree,
        at=spec.at,
        cwd=str(spec.site.cwd.relative_to(spec.at)),
        env=env,
        read_only=spec.read_only,
        scratch=spec.scratch,
        frozen=True,
        memory=spec.memory,
        processes=spec.processes,
        file_size=spec.disk,
        disk=spec.disk,
    )


def _argv(app: App) -> tuple[str, ...]:
    interpreter = () if app["interpreter"] == "none" else (app["interpreter"], *app["node_args"])
    return (*interpreter, app["script"], *app["args"])


@contextmanager
def _channel(app: App) -> Iterator[tuple[int, dict[str, str]]]:
    """Give a Node site the channel that pm2 gives it, so that `process.send("ready")` works; nobody reads it."""
    ours, its = socket.socketpair()
    with ours, its:
        node = PurePath(app["interpreter"]).name in _WITH_CHANNEL
        told = {"NODE_CHANNEL_FD": str(its.fileno()), "NODE_CHANNEL_SERIALIZATION_MODE": "json"}
        yield its.fileno(), told if node else {}


def _stay_up(inside: Inside, cancel: process.Cancel | None, soak: float) -> Answer | None:
    """Wait for the end of the soak, or of the site; None when it was cancelled."""
    switches = [inside.ended, *([cancel.fileno()] if cancel else [])]
    first = select.select(switches, [], [], soak)[0]
    return Answer(None, ended=inside.ended in first) if not first or inside.ended in first else None


def _probe(inside: Inside, cancel: process.Cancel | None, spec: BootSpec) -> Answer | None:
    """Ask from inside the box's network; None when it was cancelled."""
    check, timeout = spec.site.health, spec.site.health_timeout
    assert check is not None  # noqa: S101 - asked for by the caller
    question = {
        "url": check.url,
        "host": check.host,
        "status": check.status and sorted(check.status),
        "contains": check.contains,
        "version": spec.stamp.version,
        "timeout": timeout,
        "ended": inside.ended,
    }
    with namespaces(inside) as (user, net):
        told = json.dumps({**question, "namespaces": [user, net]})
        prober = (sys.executable, "-I", "-S", "-c", _PROBER, told)
        done = process.run(prober, timeout=timeout + _MARGIN, cancel=cancel, pass_fds=(user, net, inside.ended))
    if done.cancelled:
        return None
    if not done.ok:
        raise broken(f"the prober failed: {done.errors.decode('utf-8', 'replace').strip()}")
    return Answer(**json.loads(done.output))


def _wrong(site: SiteRun, ran: Ran, answers: list[Answer]) -> str | None:
    """Return what is wrong, as a sentence without its full stop."""
    if ran.stopped:
        return ran.stopped.removesuffix(".")
    if ran.timed_out:
        return "It neither answered nor ended in time"
    if not answers or answers[0].ended:
        what = "it answered" if site.health else f"{site.soak:g} s were over"
        return f"It ended with status {ran.status} before {what}"
    wrong = answers[0].wrong
    return None if wrong is None else f"It was not well within {site.health_timeout:g} s: {wrong}"
