"""The links below live/: `current`, which all sites run through, and `published`, which may start at boot."""

from pathlib import Path

from gatekeeper import fault
from gatekeeper.repo.export import sync_folder


def point(link: Path, folder: str) -> None:
    """Point a link at a release: one rename, durable when this returns."""
    draft = link.with_name(f".{link.name}.new")
    draft.unlink(missing_ok=True)
    draft.symlink_to(Path("releases") / folder)
    with fault.step(f"switch: {link.name}"):
        draft.replace(link)
        sync_folder(link.parent)
