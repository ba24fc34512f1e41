"""Sets the stage: a folder, the commands on its PATH, the six sites of demo/app, free ports, a sandbox or none."""

import os
import re
import shlex
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from gatekeeper import assets, process
from gatekeeper.config.starter import annotated
from gatekeeper.demo.stage import Stage, Tell
from gatekeeper.demo.witness import Witness
from gatekeeper.errors import GateError
from gatekeeper.process import Cancel
from gatekeeper.verify import sandbox
from gatekeeper.verify.box import Box
from gatekeeper.verify.selftest import self_test

_PORT = re.compile(r'^\[sites\.([^]]+)](?:(?!^\[).)*?PORT = "([0-9]+)"', re.MULTILINE | re.DOTALL)
_AGENTS = """
[agents.codex-1]
owner = "kim"

[agents.claude-2]
owner = "kim"

[agents.kim]
owner = "kim"
role = "operator"
"""


@contextmanager
def staged(tell: Tell, cancel: Cancel, *, keep: bool) -> Iterator[Stage]:
    """Yield the stage, all set; take it away in the end unless `keep`, and always when the story broke off.

    Raises GateError when pm2 or Node is missing.
    """
    pm2 = _require("pm2", "npm install --global pm2@7.0.4")
    _require("node", "apt-get install nodejs npm")
    text, ports = _configuration(tell, cancel)
    root = Path(tempfile.mkdtemp(prefix="gatekeeper-demo-"))
    stage = Stage(root, ports, tell, cancel, _environment(root), Witness(ports))
    done = False
    try:
        _furnish(stage, text, pm2)
        yield stage
        done = True
    finally:
        if not (keep and done):
            stage.close()


def _require(program: str, remedy: str) -> Path:
    """Find a program on PATH, or among the pinned ones of the checkout that we run from."""
    pinned = Path(assets.__file__).parents[1] / "node_modules" / ".bin"
    found = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:{pinned}")
    if found is None:
        raise GateError(f"The demo needs {program}, and there is none on PATH.", code="GATE-504", hints=(remedy,))
    return Path(found)


def _environment(root: Path) -> dict[str, str]:
    path = f"{root / 'bin'}:{os.environ.get('PATH', os.defpath)}"
    return process.clean_environment({"PATH": path, "GATEKEEPER_HOME": str(root / "gate"), "GIT_PAGER": "cat"})


def _configuration(tell: Tell, cancel: Cancel) -> tuple[str, dict[str, int]]:
    """Return the sites.toml of the demo: the annotated one, changed only where this machine asks for it, and said."""
    text = annotated()
    ports = {site: int(port) for site, port in _PORT.findall(text)}
    taken = {site: port for site, port in ports.items() if not _free(port)}
    for site, port in taken.items():
        ports[site] = _another(ports.values())
        text = text.replace(f'"{port}"', f'"{ports[site]}"').replace(f":{port}/", f":{ports[site]}/")
        tell(f"note: port {port} is taken on this machine, so {site} gets {ports[site]}.")
    lacking = _lacking_sandbox(cancel)
    if lacking:
        text = text.replace('sandbox = "bubblewrap"', 'sandbox = "none"')
        text = text.replace("wait_ready = true", "wait_ready = true\nboot_check = false")
        tell(f"note: {lacking}")
        tell(
            'note: The demo goes on with sandbox = "none": its checks run unguarded, and no site is booted beforehand.'
        )
        tell("note: For the sandbox: apt-get install bubblewrap slirp4netns iproute2")
    return text + _AGENTS, ports


def _lacking_sandbox(cancel: Cancel) -> str | None:
    """Return why the sandbox cannot be used here, as a sentence; None when it holds, and reaches the network."""
    try:
        found = self_test()
        with tempfile.TemporaryDirectory(prefix="gatekeeper-demo-") as folder:
            sandbox.run(Box(tree=Path(folder), network=True), ("true",), timeout=30, cancel=cancel)
    except GateError as problem:
        return f"{problem.text.split('. ')[0].rstrip('.')}."
    return found


def _furnish(stage: Stage, text: str, pm2: Path) -> None:
    """Write the commands, the repository that the gate begins with, and the configuration."""
    programs = stage.root / "bin"
    programs.mkdir()
    called = "import sys; sys.argv[0] = 'gatekeeper'; from gatekeeper.cli import main; main()"
    launcher = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c "{called}" "$@"\n'
    (programs / "gatekeeper").write_text(launcher, "utf-8")
    (programs / "gatekeeper").chmod(0o755)
    (programs / "pm2").symlink_to(pm2.absolute())  # a gate that is kept finds it whoever looks at it
    (programs / "request-deploy").symlink_to(assets.file("request-deploy"))
    shutil.copytree(assets.folder("demo/app"), stage.root / "app", ignore=shutil.ignore_patterns("node_modules"))
    (stage.root / "sites.toml").write_text(text, "utf-8")
    as_kim = ("-c", "user.name=kim", "-c", "user.email=kim@example.invalid")
    for argv in (("init", "-q", "-b", "main"), ("add", "."), (*as_kim, "commit", "-qm", "Six small sites")):
        stage.quietly("git", *argv, cwd="app")


def clone(stage: Stage, who: str) -> None:
    """Give somebody a clone of the gate's repository, and a name there."""
    stage.type(who, f"git clone -q gate/repo.git {who}")
    stage.quietly("git", "config", "user.name", who, cwd=who)
    stage.quietly("git", "config", "user.email", f"{who}@example.invalid", cwd=who)


def _free(port: int) -> bool:
    with suppress(OSError), closing(socket.create_server(("127.0.0.1", port))):
        return True
    return False


def _another(taken: Iterable[int]) -> int:
    """Return a free port outside the range that the system hands out by itself."""
    return next(port for port in range(4200, 32768) if port not in taken and _free(port))
