"""What refs/gate/frozen and refs/gate/sealed point at: a parentless commit that says why. Read here alone."""

from msgspec import Struct

from gatekeeper.model import Oid
from gatekeeper.repo.git import Git
from gatekeeper.repo.ledger import EMPTY_TREE, utc
from gatekeeper.repo.once import Once
from gatekeeper.repo.sign import Signer


class Freeze(Struct, frozen=True):
    """Why, since when, and when it ends by itself; `stopped` (by `abort`): nothing is verified either."""

    reason: str
    since: str = ""
    until: str | None = None
    stopped: bool = False


def write(signer: Signer, freeze: Freeze, *, at: float, head: str = "frozen") -> Oid:
    """Write the commit; its ref is the caller's to move. `since` is its time."""
    pairs = (("Until", freeze.until), ("Stopped", "yes" if freeze.stopped else None))
    told = "".join(f"{key}: {value}\n" for key, value in pairs if value)
    message = f"{head}\n\n{' '.join(freeze.reason.split())}\n\n{told}"
    return signer.commit(tree=EMPTY_TREE, parents=(), message=message, at=at, signed=False)


def read(git: Git, oid: Oid) -> Freeze:
    """Read a freeze back."""
    return _READ.one(git, oid)


def _decode(commit: bytes) -> Freeze:
    head, _, reason, told, *_ = (*commit.decode("utf-8", "replace").split("\n\n", 3), "", "")
    since = next(line for line in head.splitlines() if line.startswith("committer ")).split()[-2]
    pairs = dict(line.split(": ", 1) for line in told.splitlines() if ": " in line)
    return Freeze(" ".join(reason.split()), utc(float(since)), pairs.get("Until"), "Stopped" in pairs)


_READ = Once("commit", _decode)
