"""Verifies SSH signatures with ssh-keygen, several at once, against a file of allowed signers."""

import os
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from gatekeeper import process
from gatekeeper.audit.stored import Stored
from gatekeeper.errors import Exit, GateError
from gatekeeper.model import Oid
from gatekeeper.repo.sign import EMAIL, NAMESPACE


def refused(signers: Path, signed: Iterable[Stored]) -> dict[Oid, str]:
    """Return what is wrong with each signature that does not count; GateError without ssh-keygen."""
    once = {item.oid: item for item in signed}.values()
    with tempfile.TemporaryDirectory(prefix="audit-") as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        said = pool.map(lambda item: (item.oid, _objection(signers, item, Path(folder, item.oid))), once)
        return {oid: objection for oid, objection in said if objection}


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
    done = _asked(signers, item.payload, item.signature, scratch, "git", f"-Overify-time={_moment(item)}")
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
    return f"{datetime.fromtimestamp(int(seconds) if seconds.isdigit() else 0, UTC):%Y%m%d%H%M%S}"
