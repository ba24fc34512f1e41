"""Verifies SSH signatures against a file of allowed signers. ssh-keygen judges; a plain yes may come without it."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from gatekeeper import process
from gatekeeper.audit import sshsig
from gatekeeper.audit.sshsig import Seal
from gatekeeper.audit.stored import Stored
from gatekeeper.errors import Exit, GateError
from gatekeeper.model import Oid
from gatekeeper.repo.sign import EMAIL, NAMESPACE

_PURPOSE = "git"
"""The namespace in which Git signs."""


def refused(signers: Path, signed: Iterable[Stored]) -> dict[Oid, str]:
    """Return what is wrong with each signature that does not count; GateError without ssh-keygen."""
    once = {item.oid: item for item in signed}
    with tempfile.TemporaryDirectory(prefix="audit-") as folder, ThreadPoolExecutor(os.cpu_count()) as pool:

        def objection(item: Stored) -> tuple[Oid, str | None]:
            return item.oid, _objection(signers, item, Path(folder, item.oid))

        good = set(_surely_good(signers, once.values(), objection)) if sshsig.able() else set[Oid]()
        said = pool.map(objection, (item for oid, item in once.items() if oid not in good))
        return {oid: text for oid, text in said if text}


def _surely_good(
    signers: Path, signed: Iterable[Stored], ask: Callable[[Stored], tuple[Oid, str | None]]
) -> Iterator[Oid]:
    """Yield what needs no program of its own: the key is asked about at both ends of its time, the rest is arithmetic.

    A key that stands in one line of the file counts for one span of time. So what ssh-keygen says of the oldest and of
    the newest signature of a key, it says of the key at every moment between.
    """
    listed = signers.read_text("utf-8", "replace")
    by_key: dict[str, list[tuple[Stored, Seal]]] = {}
    for item in signed:
        seal = sshsig.parse(item.signature)
        if seal is not None and listed.count(seal.key) == 1:
            by_key.setdefault(seal.key, []).append((item, seal))
    for sealed in by_key.values():
        sealed.sort(key=lambda one: _moment(one[0]))
        if len(sealed) > 2 and not any(ask(item)[1] for item, _ in (sealed[0], sealed[-1])):
            yield from (item.oid for item, seal in sealed if sshsig.holds(seal, item.payload, _PURPOSE.encode()))


def require(signers: Path) -> None:
    """Raise GateError (exit 2) where there is no file of allowed signers."""
    if not signers.is_file():
        raise GateError(
            f"There is no file of allowed signers at {signers}.",
            hints=("gatekeeper audit verify --signers keys/allowed_signers",),
            exit=Exit.USAGE,
        )


def holds(signers: Path, content: bytes, signature: bytes, scratch: Path) -> bool:
    """Tell whether a detached signature, of the gate's own namespace, is by one of `signers`."""
    return _asked(signers, content, signature, scratch, NAMESPACE).ok


def _objection(signers: Path, item: Stored, scratch: Path) -> str | None:
    """Check one signature as of the moment that the object names, so that a key that was rotated still counts."""
    if not item.signature:
        return "it is not signed"
    done = _asked(signers, item.payload, item.signature, scratch, _PURPOSE, f"-Overify-time={_moment(item)}")
    if done.ok:
        return None
    said = done.errors.decode("utf-8", "replace")
    if "incorrect signature" in said or "invalid format" in said:
        return "its signature was made for other content"
    return "it is signed by a key that is not allowed to"


def _asked(signers: Path, content: bytes, signature: bytes, scratch: Path, namespace: str, *more: str) -> process.Done:
    scratch.write_bytes(signature)
    argv = ("ssh-keygen", "-Y", "verify", "-n", namespace, "-I", EMAIL, "-f", str(signers), "-s", str(scratch), *more)
    try:
        return process.run(argv, stdin=content, env={**process.clean_environment(), "TZ": "UTC"})
    except FileNotFoundError as missing:
        raise GateError("ssh-keygen is not installed.", hints=("apt-get install openssh-client",)) from missing
    finally:
        scratch.unlink()


def _moment(item: Stored) -> str:
    person = item.header("tagger" if item.kind == "tag" else "committer")
    seconds = person.rsplit(" ", 2)[-2:][0]
    sound = seconds.isdigit() and len(seconds) < 12
    return f"{datetime.fromtimestamp(int(seconds) if sound else 0, UTC):%Y%m%d%H%M%S}"
