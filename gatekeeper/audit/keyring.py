"""Whose signatures count in a log: the keys that the reader trusts, and those that these handed over to.

A key is believed on the word of the one before it: on a record that this one signed, with a proof by the new one.
"""

import tempfile
from pathlib import Path

from gatekeeper.audit import chain, signatures, stored
from gatekeeper.audit.stored import Stored
from gatekeeper.model import LOG
from gatekeeper.repo import rotation, signers
from gatekeeper.repo.git import Git
from gatekeeper.repo.records import Record


def known(git: Git, trusted: Path, folder: Path) -> Path:
    """Write, into `folder`, the file of allowed signers with all that follows from `trusted`; return its path."""
    ring = folder / "allowed_signers"
    ring.write_bytes(trusted.read_bytes())
    if git.resolve(LOG) is None:
        return ring
    for commit in stored.saying(git, LOG, rotation.EVENT):
        record = chain.decoded(commit)
        if record is not None and record.event == rotation.EVENT and _vouched(ring, commit, record):
            old, new, until = (str(record.data[name]) for name in ("old", "new", "until"))
            text = signers.handed_over(ring.read_text("utf-8"), old, new, rotation.compact(until))
            ring.write_text(text, "utf-8")
    return ring


def _vouched(ring: Path, commit: Stored, record: Record) -> bool:
    """Tell whether a key that counts signed the record, and the new key what it takes to be one."""
    old, new, proof = (str(record.data.get(name, "")) for name in ("old", "new", "proof"))
    if not commit.intact or signatures.refused(ring, [commit]):
        return False
    if any(not part.isprintable() or len(part.split()) != 2 for part in (old, new)):
        return False
    with tempfile.TemporaryDirectory(prefix="proof-") as folder:
        alone = Path(folder, "signers")
        alone.write_text(signers.line(new), "utf-8")
        return signatures.holds(alone, rotation.statement(old, new), proof.encode(), Path(folder, "sig"))
