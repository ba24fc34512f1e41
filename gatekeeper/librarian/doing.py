"""What the Librarian does at the moment, in a file for whoever looks at the gate. It may be lost at any time."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from gatekeeper import progress
from gatekeeper.home import Home
from gatekeeper.progress import Doing
from gatekeeper.repo import lock


@contextmanager
def kept(home: Home) -> Iterator[None]:
    """Write it down at every change; a disk that takes nothing is for others to notice."""
    pid, draft = os.getpid(), home.var / f".{home.doing.name}.new"

    def write(doing: Doing) -> None:
        told = {"pid": pid, "what": doing.what, "since": doing.since, "jobs": dict(doing.jobs)}
        with suppress(OSError):
            draft.write_text(json.dumps(told), "utf-8")
            draft.rename(home.doing)

    with progress.watched(write):
        yield
    with suppress(OSError):
        home.doing.unlink(missing_ok=True)


def at(home: Home) -> Doing | None:
    """Return what whoever holds the lock does at this moment."""
    return read(home, lock.holder(home.path))


def read(home: Home, librarian: int | None) -> Doing | None:
    """Return what the Librarian of this process id does; None when none runs, or when it is at rest."""
    if librarian is None:
        return None
    try:
        said = json.loads(home.doing.read_bytes())
        jobs = {str(name): float(since) for name, since in said["jobs"].items()}
        found = Doing(str(said["what"]), float(said["since"]), jobs)
        return found if said["pid"] == librarian and (found.what or jobs) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
