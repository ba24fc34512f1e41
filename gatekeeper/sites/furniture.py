"""The folders of a site that lie outside its releases: what it keeps, and its scratch. Never deletes what is kept."""

import shutil
from collections.abc import Collection
from pathlib import Path

from gatekeeper import fault
from gatekeeper.repo.export import remove, sync_folder

SCRATCH = "scratch"
"""Beside a steward's socket: a folder a release, pruned with it."""


def seed(place: Path, home: Path) -> None:
    """At the first ship what the tree has at a kept path is where it starts from; later it is passed over."""
    if home.exists() or home.is_symlink():
        return
    draft = home.with_name(f".new-{home.name}")
    home.parent.mkdir(parents=True, exist_ok=True)
    remove(draft)
    if place.is_dir():
        shutil.copytree(place, draft, symlinks=True)
    elif place.is_file() and not place.is_symlink():
        shutil.copy2(place, draft)
    else:
        draft.mkdir()
    with fault.step("seed data"):
        draft.rename(home)
        sync_folder(home.parent)


def scratch(folders: Collection[str], home: Path) -> None:
    """Make empty folders in `home`, which is one release's; what an earlier try left there goes."""
    remove(home)
    for folder in folders:
        (home / folder).mkdir(parents=True)


def prune(homes: Path, releases: Path) -> None:
    """Delete the scratch of releases that are gone; drafts of `stage` are releases under way."""
    for home in homes.iterdir() if homes.is_dir() else ():
        if not any((releases / name).exists() for name in (home.name, f".new-{home.name}")):
            remove(home)
