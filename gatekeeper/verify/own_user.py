"""A Unix user of its own for each job, so that what runs in a box is not the Librarian, for this machine either.

Root may become any user; another Librarian has sub-uids (/etc/subuid), which exist in a user namespace of its own.
"""

import os
import pwd
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path

from msgspec import Struct

from gatekeeper import process
from gatekeeper.verify.box import PROGRAMS, Box, broken

_AMONG_SUB_UIDS = ("unshare", "--user", "--map-root-user", "--map-auto")
"""The Librarian is user 0 there, its sub-uids are 1 and up."""
_NOBODYS = ((65536, 34464), (61184, 4336))
"""Uids that Debian and systemd give to nobody; the second, of services that come and go, for small containers."""
_MEETING_PLACES = ("/mnt", "/media", "/srv", "/opt", "/home")
_STAGE = (
    'set -e; user="$1"; mount -t tmpfs -o mode=755,size=64k gate "$2"; cd "$2"; shift 2; n=0; '
    'while test "$1" != --; do test -e "$1" || { echo "there is no $1"; exit 1; }; '
    'if test -d "$1"; then mkdir $n; else : >$n; fi; '
    'mount --rbind "$1" $n; n=$((n+1)); shift; done; '
    'chown "$user" /proc/self/fd/1 /proc/self/fd/2; cd /; shift; exec "$@"'
)
"""Mount what a box is lent where another user gets at it: the gate's folders are closed to everybody else.

The pipes that it prints to are given to it as well, or `echo x >/dev/stderr` would be refused.
"""
_turns = count(secrets.randbelow(1 << 16))


class Users(Struct, frozen=True):
    """The uids that this process has to give away, and the command that enters the namespace where they exist."""

    enter: tuple[str, ...]
    first: int
    number: int

    def next(self) -> int:
        """Return another uid than the jobs have that run beside this one, and one that no account has."""
        while True:
            uid = self.first + next(_turns) % self.number
            if self.enter or not _is_somebody(uid):
                return uid


class OwnUser(Struct, frozen=True):
    """The user of one job, who owns its tree for as long as it runs."""

    users: Users
    uid: int

    def stage(self, box: Box) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """Return what makes a mount namespace in front of a command, and where what the box is lent lies in it."""
        paths = (str(box.tree), *box.read_only)
        place = next(each for each in _MEETING_PLACES if Path(each).is_dir() and not _holds(each, paths))
        script = ("sh", "-c", _STAGE, "gate", str(self.uid), place, *paths, "--")
        lent = {path: f"{place}/{number}" for number, path in enumerate(paths)}
        return (*(self.users.enter or ("unshare",)), "--mount", *script), lent

    @property
    def become(self) -> tuple[str, ...]:
        """The options of setpriv."""
        return ("--reuid", str(self.uid), "--regid", str(self.uid), "--clear-groups")


@contextmanager
def lent(tree: Path) -> Iterator[OwnUser | None]:
    """Give `tree` to a user that no other job has, and take it back; None where this process cannot.

    It is given before the job starts, so that what its files say of their last change is the job's doing.
    """
    users = available()
    if users is None:
        yield None
        return
    own = OwnUser(users, users.next())
    _give(users, own.uid, tree)
    try:
        yield own
    finally:
        take_back(tree)


def take_back(tree: Path) -> None:
    """Make everything below `tree` the Librarian's own again, also what jobs of a killed one have left."""
    users = available()
    if users is not None and tree.exists():
        _give(users, 0, tree)


def as_owner(command: tuple[str, ...]) -> tuple[str, ...]:
    """Return the argv that runs `command` as one who may look into every folder of every job."""
    users = available()
    return (*users.enter, *command) if users else command


@cache
def available() -> Users | None:
    """Try once in this process whether jobs can have users of their own here."""
    if os.geteuid() == 0:
        ranges = [Users((), first, number) for first, number in _NOBODYS]
    else:
        ranges = [Users(_AMONG_SUB_UIDS, 1, number) for number in (_sub_uids(),) if number > 1]
    return next((users for users in ranges if _works(users)), None)


def _works(users: Users) -> bool:
    try:
        argv, _ = OwnUser(users, users.first).stage(Box(tree=Path("/usr")))
        become = ("setpriv", *OwnUser(users, users.first).become, "--", "true")
        return process.run((*argv, *become), env={"PATH": PROGRAMS}, merge=True).ok
    except (OSError, StopIteration):
        return False


def _sub_uids() -> int:
    """Return how many sub-uids this user has: what a namespace with all of them maps beside the user itself."""
    try:
        done = process.run((*_AMONG_SUB_UIDS, "cat", "/proc/self/uid_map"), env={"PATH": PROGRAMS})
    except OSError:
        return 0
    mapped = [int(line.split()[2]) for line in done.text.splitlines() if line.split()[0] == "1"] if done.ok else []
    return sum(mapped)


def _is_somebody(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _holds(place: str, paths: tuple[str, ...]) -> bool:
    return any(Path(path).is_relative_to(place) for path in paths)


def _give(users: Users, uid: int, tree: Path) -> None:
    """Change the owner of all below `tree`; links are changed themselves, never followed."""
    owner = f"{uid}:{uid}" if uid or users.enter else f"0:{os.getegid()}"
    done = process.run((*users.enter, "chown", "-hR", owner, str(tree)), env={"PATH": PROGRAMS}, merge=True)
    if not done.ok:
        raise broken(f"the owner of its tree cannot be changed: {done.text.rpartition(chr(10))[2]}")
