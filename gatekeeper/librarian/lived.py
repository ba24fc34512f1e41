"""Which versions were live here, and which of them a rollback goes to."""

from gatekeeper.gate import Gate
from gatekeeper.model import RELEASE, TAGS, Oid, Release, Version
from gatekeeper.policy import versions
from gatekeeper.repo.sign import EMAIL

_NAMED = 5


def lived(gate: Gate) -> tuple[tuple[Version, Oid], ...]:
    """Return every version that the Librarian tagged on `release`, newest first; imported tags never were live here."""
    form = "--format=%(taggeremail:trim) %(refname:strip=2) %(*objectname)"
    found = (line.split(" ") for line in gate.git.text("for-each-ref", form, f"{TAGS}v*").splitlines())
    ours = {Oid(commit): Version(name) for email, name, commit in found if email == EMAIL and versions.parse(name)}
    chain = gate.git.text("rev-list", "--first-parent", RELEASE).splitlines()
    return tuple((ours[Oid(commit)], Oid(commit)) for commit in chain if commit in ours)


def target(gate: Gate, release: Release, wanted: str) -> tuple[Version, Oid] | str:
    """Find the version to go back to: the one named, or the last with another content; or return why there is none."""
    known = lived(gate)
    if wanted:
        named = Version(wanted if wanted.startswith("v") else f"v{wanted}")
        last = ", ".join(name for name, _ in known[:_NAMED])
        missing = f"{named} was never live here. The last versions: {last}."
        return next((one for one in known if one[0] == named), missing)
    other = (one for one in known if gate.git.tree_of(one[1]) != release.tree)
    return next(other, "There is no older version with another content to go back to.")
