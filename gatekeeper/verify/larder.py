"""What a worker has of trees and builds, on its own disk, each proved there by the name that the gate has for it.

It belongs to one process and goes with it. A name counts only once all that it stands for was read and reckoned here.
"""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gatekeeper import process
from gatekeeper.errors import GateError
from gatekeeper.model import Oid
from gatekeeper.repo.export import export, export_entry, remove
from gatekeeper.repo.git import Entry, Git
from gatekeeper.verify import store
from gatekeeper.verify.run import put_builds
from gatekeeper.verify.wire import Inputs, Piece

_LOOSE = 1 << 20
"""Bytes of a pack below which its objects are written one by one, so that packs stay few."""


class Larder:
    """The store below `folder`. Past `room` bytes it is emptied, as soon as nobody reads it."""

    def __init__(self, folder: Path, *, room: int) -> None:
        self.work = folder / "work"
        self._folder, self._room = folder, room
        self._repo, self._builds, self._parcels = (folder / name for name in ("objects.git", "builds", "parcels"))
        self._whole, self._taken, self._readers = set[str](), 0, 0
        self._guard = threading.Lock()
        self._begin()

    def lacking(self, names: frozenset[str]) -> tuple[str, ...]:
        """Return which of them are not here whole."""
        with self._guard:
            if self._taken > self._room and not self._readers:
                self._begin()
            return tuple(sorted(names - self._whole))

    def take(self, piece: Piece) -> None:
        """Add a piece to its parcel; open the parcel after the last. GateError when it is not what it says."""
        parcel = self._parcels / f"{piece.parcel}-{piece.kind}"
        with parcel.open("r+b" if piece.at else "wb") as file:
            file.seek(piece.at)
            file.write(piece.data)
        if piece.last:
            try:
                self._open_objects(parcel, piece) if piece.kind == "objects" else self._open_build(parcel, piece)
                with self._guard:
                    self._taken += parcel.stat().st_size
                    self._whole.update(piece.names)
            finally:
                parcel.unlink()

    @contextmanager
    def read(self, inputs: Inputs, folder: Path) -> Iterator[tuple[str, ...]]:
        """Write the inputs to `folder` and keep them here meanwhile; yield those that are lacking, all or nothing."""
        with self._guard:
            self._readers += 1
            lacking = tuple(sorted(inputs.names - self._whole))
        try:
            if not lacking:
                self._lay_out(inputs, folder)
            yield lacking
        except (GateError, OSError, ValueError) as problem:
            with self._guard:
                self._whole -= inputs.names  # whatever ails this disk: next time they are sent, and proved, again
            raise GateError(f"What it was sent cannot be read any more: {problem}") from problem
        finally:
            with self._guard:
                self._readers -= 1

    def _begin(self) -> None:
        remove(self._folder)
        for place in (self._builds, self._parcels, self.work):
            place.mkdir(parents=True)
        made = process.run(("git", "init", "--quiet", "--bare", str(self._repo)))
        if not made.ok:
            said = made.errors.decode("utf-8", "replace").strip() or f"status {made.status}"
            raise GateError(f"git init failed in {self._folder}: {said}")
        self._whole.clear()
        self._taken = 0

    def _open_objects(self, parcel: Path, piece: Piece) -> None:
        """Git reckons each object's oid from its content; then all that the named ones lead to must be there."""
        loose = parcel.stat().st_size < _LOOSE
        unpack = ("unpack-objects", "-q") if loose else ("index-pack", "--stdin", "--fix-thin")
        argv, env = ("git", f"--git-dir={self._repo}", *unpack), process.clean_environment()
        with parcel.open("rb") as pack, Path(os.devnull).open("wb") as nowhere:
            child = process.attach(argv, env=env, stdin=pack.fileno(), stdout=nowhere.fileno())
        if child.wait():
            raise GateError(f"git {unpack[0]} failed on what came: status {child.returncode}")
        with Git(self._repo) as git:
            git.run("rev-list", "--objects", "--verify-objects", "--quiet", "--end-of-options", *piece.names)

    def _open_build(self, parcel: Path, piece: Piece) -> None:
        (name,) = piece.names
        draft, final = self._builds / f".{piece.parcel}", self._builds / name
        with parcel.open("rb") as file:
            store.unpack(file, draft, name)
        with self._guard:
            shutil.rmtree(draft) if final.exists() else draft.rename(final)

    def _lay_out(self, inputs: Inputs, folder: Path) -> None:
        with Git(self._repo) as git:
            for part in inputs.parts:
                if part.path:
                    export_entry(git, Entry(part.path, part.mode, part.type, Oid(part.oid)), folder)
                else:
                    export(git, Oid(part.oid), folder)
        put_builds(folder, ((mount.output, self._builds / mount.digest) for mount in inputs.mounts))
