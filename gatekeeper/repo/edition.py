"""Which gatekeeper wrote a gate's home last, and in which format: an older one leaves a newer home alone.

`var/edition.json` says it, with digests of what was written, so that an upgrade can be told from tampering.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from gatekeeper import __version__
from gatekeeper.errors import Exit, GateError
from gatekeeper.home import Home

FORMAT = 1
"""Of the whole home: raised with the format of policy, spool, plan, record or whatever else lies there.

Whoever raises it brings what makes the old form the new one (librarian/upgrading.py), and a home to try it on.
"""


class Edition(Struct, frozen=True):
    """What one gatekeeper makes of a home."""

    format: int
    gatekeeper: str
    hooks: str
    """The digest of the hooks that it installs."""
    settings: tuple[tuple[str, str], ...]
    """The repository's settings that it writes."""
    found: str = ""
    """The digest of the hooks folder as it lay when they had been installed, compiled files included."""
    becoming: str = ""
    """The digest of the hooks that are being installed over these."""


def own() -> Edition:
    """Return what this gatekeeper makes of a home."""
    from gatekeeper.repo import hooks  # noqa: PLC0415 - every command asks for the format, and few for more
    from gatekeeper.repo.create import SETTINGS  # noqa: PLC0415

    return Edition(FORMAT, __version__, hooks.digest(), SETTINGS)


def read(home: Home) -> Edition | None:
    """Return who wrote the home last; None for a home from before this was noted, or whose note is gone."""
    said = _said(home)
    try:
        pairs = tuple((str(name), str(value)) for name, value in said["settings"])
        return Edition(
            int(said["format"]),
            str(said["gatekeeper"]),
            str(said["hooks"]),
            pairs,
            str(said["found"]),
            str(said.get("becoming", "")),
        )
    except (KeyError, TypeError, ValueError):
        return None


def write(home: Home) -> Edition:
    """Note that this gatekeeper has written hooks and settings, as they lie now."""
    edition = replace(own(), found=on_disk(home))
    _put(home, edition)
    return edition


def begin(home: Home, was: Edition) -> None:
    """Note that other hooks are about to be installed: until `write` they may lie there half and half."""
    from gatekeeper.repo import hooks  # noqa: PLC0415

    _put(home, replace(was, becoming=hooks.digest()))


def on_disk(home: Home) -> str:
    """Return a digest of every file in the repository's hooks folder: its path, mode and bytes."""
    folder = home.repo / "hooks"
    total = hashlib.sha256()
    for path in _files(folder):
        kind = b"link" if path.is_symlink() else b"%o" % (path.stat().st_mode & 0o777)
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        total.update(b"%s\0%s\0%d\0%s" % (str(path.relative_to(folder)).encode(), kind, len(content), content))
    return total.hexdigest()


def refuse_newer(home: Home) -> None:
    """Raise GateError (exit 22) when a gatekeeper of a format that this one does not know has served this home."""
    refuse(_said(home), f"The gate in {home.path}")


def refuse(said: Mapping[str, Any], what: str) -> None:
    """Raise GateError (exit 22) for something whose note says that it is of a newer format than this gatekeeper's."""
    number = said.get("format")
    if isinstance(number, int) and number > FORMAT:
        raise GateError(
            f"{what} was written by gatekeeper {said.get('gatekeeper')}, in format {number}; this is gatekeeper"
            f" {__version__}, which knows {FORMAT}. Nothing was changed.",
            code="GATE-501",
            hints=(f"pip install 'git-gatekeeper>={said.get('gatekeeper')}'   (whence this one came)",),
            exit=Exit.CONFIG,
        )


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir())


def _said(home: Home) -> dict[str, Any]:
    try:
        said = json.loads(home.edition.read_bytes())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _put(home: Home, edition: Edition) -> None:
    from gatekeeper.repo.export import write_file  # noqa: PLC0415

    write_file(home.edition, json.dumps(asdict(edition), indent=1).encode() + b"\n", mode=0o600)
