"""What the tag of a version says, which is for `watch` and `audit` to prove."""

from msgspec import Struct

from gatekeeper.model import Oid
from gatekeeper.repo.git import Git
from gatekeeper.repo.once import Once
from gatekeeper.repo.sign import EMAIL

_LOG = "Gate-Log: "


class Tag(Struct, frozen=True):
    """A tag object: the commit that it names (None for another kind of object), and the record that it was made on."""

    commit: Oid | None
    tagger: str
    log: Oid | None

    @property
    def ours(self) -> bool:
        """Whether it carries the Librarian's name."""
        return self.tagger == EMAIL


def read(git: Git, oid: Oid) -> Tag | None:
    """Read a tag; None when its ref names something else."""
    return _READ.those(git, (oid,)).get(oid)


def _decode(content: bytes) -> Tag:
    head, _, message = content.decode("utf-8", "replace").partition("\n\n")
    fields = dict(line.split(" ", 1) for line in head.splitlines() if " " in line)
    return Tag(
        commit=Oid(fields["object"]) if fields.get("type") == "commit" else None,
        tagger=fields.get("tagger", "").partition("<")[2].partition(">")[0],
        log=next((Oid(line.removeprefix(_LOG)) for line in message.splitlines() if line.startswith(_LOG)), None),
    )


_READ = Once("tag", _decode)
