"""A new signing key in the place of the old one, so that a kill at any instant leaves one key that counts.

The record `rotated`, signed by the old key and holding a proof made by the new one, is the point from which it goes on:
`keys/next` is then made the key, by whoever holds the gate's lock next.
"""

from contextlib import suppress
from pathlib import Path

from gatekeeper import fault, process
from gatekeeper.errors import GateError
from gatekeeper.home import Home
from gatekeeper.model import LOG
from gatekeeper.repo import records, sign, signers
from gatekeeper.repo.export import sync_folder, write_file
from gatekeeper.repo.git import Git
from gatekeeper.repo.records import Record
from gatekeeper.repo.sign import Signer

EVENT = "rotated"
_GRACE = 60.0
"""Seconds for which the old key counts on: its last record must not be too late for itself."""


def statement(old: str, new: str) -> bytes:
    """Return what the new key signs, to show that whoever brings it in holds it."""
    return f"The key {new} signs for this gate from now on, in the place of {old}.\n".encode()


def prepare(home: Home, git: Git, *, now: float) -> dict[str, str]:
    """Make the new key beside the old one, and return what the record of the change must say. Nothing counts yet."""
    fresh = _next(home)
    _drop(fresh)
    with fault.step("make a key"):
        new = _bare(sign.new_key(fresh))
    old = public_of(home.key)
    proof = Signer(git, fresh).detached(statement(old, new)).decode()
    until = max(now, _newest(git)) + _GRACE
    return {"old": old, "new": new, "until": records.moment(until), "proof": proof}


def pending(home: Home) -> bool:
    """Tell whether a change of keys was begun and is not done: until `settle` nothing should be signed."""
    return _next(home).exists()


def settle(home: Home, git: Git) -> bool:
    """Finish the change that is on record, or forget a key that is not; return whether there is a new key now."""
    fresh = _next(home)
    if not fresh.exists():
        fresh.with_suffix(".pub").unlink(missing_ok=True)
        return False
    new, record = _public(fresh), newest(git)
    if new is None or record is None or record.data.get("new") != new or public_of(home.key) == new:
        _drop(fresh)
        return False
    data = record.data
    text = signers.handed_over(home.allowed_signers.read_text("utf-8"), data["old"], new, compact(data["until"]))
    write_file(home.allowed_signers, text.encode())
    write_file(home.key.with_suffix(".pub"), f"{new} {sign.EMAIL}\n".encode())
    with fault.step("adopt the key"):
        fresh.replace(home.key)
        sync_folder(home.key.parent)
    fresh.with_suffix(".pub").unlink(missing_ok=True)
    return True


def newest(git: Git) -> Record | None:
    """Return the record of the last change of keys, or None."""
    if git.resolve(LOG) is None:
        return None
    output = git.run("log", "-z", "--first-parent", f"--grep=^{EVENT}: ", "--format=%B", LOG).output
    for message in output.decode("utf-8", "replace").split("\0"):
        with suppress(KeyError, ValueError, IndexError):
            if (record := records.decode(message)).event == EVENT:
                return record
    return None


def public_of(key: Path) -> str:
    """Return a key's public half, type and base64. Raises GateError for a file that is no private key."""
    if (found := _public(key)) is None:
        raise GateError(f"{key} is no key that ssh-keygen can read.", code="GATE-501")
    return found


def fingerprint(public: str) -> str:
    """Return a public key as people compare it."""
    return process.run(("ssh-keygen", "-l", "-f", "-"), stdin=f"{public}\n".encode()).text.split(" ")[1]


def compact(moment: str) -> str:
    """Return an instant of a record as a file of allowed signers has it."""
    return moment.replace("-", "").replace(":", "").replace("T", "")


def _next(home: Home) -> Path:
    return home.key.with_name("next")


def _public(key: Path) -> str | None:
    done = process.run(("ssh-keygen", "-y", "-P", "", "-f", str(key)))
    return _bare(done.text) if done.ok else None


def _bare(public: str) -> str:
    return " ".join(public.split()[:2])


def _drop(fresh: Path) -> None:
    for path in (fresh, fresh.with_suffix(".pub")):
        path.unlink(missing_ok=True)


def _newest(git: Git) -> float:
    """Return when the newest of what the key has signed is from: the clock may have been set back since."""
    dates = git.text("log", "--format=%ct", LOG).splitlines()
    dates += git.text("for-each-ref", "--format=%(taggerdate:unix)", "refs/tags/").splitlines()
    return max((float(date) for date in dates if date), default=0.0)
