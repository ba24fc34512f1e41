"""Judges the wishes of a set-up by the facts: which hold, and what makes the others. Pure."""

from pathlib import Path
from typing import assert_never

from msgspec import Struct

from gatekeeper.model import Argv
from gatekeeper.setup.facts import Account, Facts
from gatekeeper.setup.wishes import (
    File,
    Folder,
    HomeOf,
    Hooks,
    NoDaemon,
    Service,
    Sshd,
    SubIds,
    Tree,
    User,
    Wish,
)

_IDS = 65_536
_FIRST_ID = 200_000
_WRITE_HOOKS = "import sys, pathlib; from gatekeeper.repo import hooks; hooks.install(pathlib.Path(sys.argv[1]))"
_SSHD_RUNS_IN = Path("/run/sshd")


class Write(Struct, frozen=True):
    """A file of root's, written whole or not at all; `proof` must succeed, or the file goes again."""

    file: File
    proof: Argv | None = None


class Remove(Struct, frozen=True):
    """A file of root's that goes, when it is there."""

    path: Path


Action = Argv | Write | Remove


def holds(wish: Wish, facts: Facts) -> bool:  # noqa: C901, PLR0911 - one line a kind
    """Return whether nothing needs to be done for a wish."""
    match wish:
        case User():
            return wish.name in facts.users
        case HomeOf(path, name, comment):
            account, home = facts.users.get(name), facts.homes.get(path)
            return account is not None and (account.comment != comment or home in (None, account.uid))
        case SubIds():
            return all(_range_of(wish.user, text) for text in (facts.subuid, facts.subgid))
        case Folder():
            seen, owner = facts.seen.get(wish.path), facts.users.get(wish.owner)
            return (
                seen is not None and owner is not None and (seen.uid, seen.gid, seen.mode) == (*_ids(owner), wish.mode)
            )
        case Tree():
            owner, owners, seen = facts.users.get(wish.owner), facts.strays.get(wish.path), facts.seen.get(wish.path)
            if owners is None or seen is None:
                return wish.mode is None
            return owner is not None and owners == frozenset({_ids(owner)}) and wish.mode in (None, seen.mode)
        case Hooks():
            return not facts.hooks_differ
        case Sshd():
            return _written(wish.file, facts)
        case NoDaemon():
            running, owner = facts.daemons.get(wish.home), facts.users.get(wish.owner)
            return running is None or (owner is not None and running.uid == owner.uid)
        case Service():
            return _written(wish.file, facts) and wish.name in facts.services
    assert_never(wish)


def actions(wish: Wish, facts: Facts) -> tuple[Action, ...]:  # noqa: PLR0911 - one line a kind
    """Return what makes a wish hold; each may be done twice."""
    match wish:
        case User():
            return (_useradd(wish),)
        case HomeOf(path, owner):
            return (("chown", "-R", "-h", f"{owner}:{owner}", str(path)),)
        case SubIds():
            ids = _free_range(facts)
            return (("usermod", "--add-subuids", ids, "--add-subgids", ids, wish.user),)
        case Folder(path, owner, mode):
            return (_install(path, owner, mode),)
        case Tree(path, owner, mode):
            made = () if mode is None else (_install(path, owner, mode),)
            return (*made, ("chown", "-R", "-h", f"{owner}:{owner}", str(path)))
        case Hooks(home, python, owner):
            theirs = ("chown", "-R", "-h", f"{owner}:{owner}", str(home / "repo.git" / "hooks"))
            return ((python, "-c", _WRITE_HOOKS, str(home)), theirs)
        case Sshd(file, told):
            own_folder = ("install", "-d", "-m", "0755", str(_SSHD_RUNS_IN))
            return (own_folder, Write(file, proof=("sshd", "-t")), *((told,) if told else ()))
        case NoDaemon():
            running = facts.daemons.get(wish.home)
            return (end_daemon(wish, running.uid),) if running else ()
        case Service(name, file):
            verbs = (("daemon-reload",), ("enable", name), ("restart", name))
            return (Write(file), *(("systemctl", *words) for words in verbs))
    assert_never(wish)


def end_daemon(wish: NoDaemon, uid: int) -> Argv:
    """Return what ends a pm2 daemon and all that it runs, as its own user."""
    as_user = ("setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "--")
    return (*as_user, "env", f"PM2_HOME={wish.home}", f"HOME={wish.home}", *wish.command, "kill")


def what(wish: Wish) -> str:  # noqa: PLR0911 - one line a kind
    """Return what a wish is about, as a person reads it."""
    match wish:
        case User():
            return f"user {wish.name}: {wish.role}"
        case HomeOf():
            return f"home {wish.path}: {wish.owner}"
        case SubIds():
            return f"sub-ids of {wish.user}: every check runs as a user of its own"
        case Folder():
            return f"folder {wish.path}: {wish.owner}, {wish.mode:04o}"
        case Tree():
            mode = "" if wish.mode is None else f", {wish.mode:04o}"
            return f"all of {wish.path}: {wish.owner}{mode}"
        case Hooks():
            return "the hooks of repo.git: they name the Python of this installation"
        case Sshd():
            return f"{wish.file.path}: {wish.file.what}"
        case NoDaemon():
            return f"no other user's pm2 in {wish.home}: what it runs is down until its own user starts it"
        case Service():
            return f"{wish.name}: {wish.file.what}, now and at every boot"
    assert_never(wish)


def _install(path: Path, owner: str, mode: int) -> Argv:
    return ("install", "-d", "-o", owner, "-g", owner, "-m", f"{mode:04o}", str(path))


def _ids(account: Account) -> tuple[int, int]:
    return account.uid, account.gid


def _written(file: File, facts: Facts) -> bool:
    seen = facts.seen.get(file.path)
    return facts.texts.get(file.path) == file.content and seen is not None and (seen.uid, seen.mode) == (0, file.mode)


def _useradd(user: User) -> Argv:
    kind = ("--create-home", "--key", "HOME_MODE=0700") if user.person else ("--system", "--no-create-home")
    names = ("--home-dir", str(user.home), "--shell", user.shell, "--comment", user.comment)
    # no password fits "*", and unlike the usual "!" sshd does not take it for a locked account
    return ("useradd", *kind, "--user-group", *names, "--password", "*", user.name)


def _range_of(user: str, text: str) -> bool:
    lines = (line.split(":") for line in text.splitlines())
    return any(len(line) == 3 and line[0] == user and line[2].isdecimal() and int(line[2]) >= _IDS for line in lines)


def _free_range(facts: Facts) -> str:
    """Return the first range behind all that are given away."""
    taken = [_FIRST_ID]
    for line in (*facts.subuid.splitlines(), *facts.subgid.splitlines()):
        _, _, numbers = line.partition(":")
        first, _, count = numbers.partition(":")
        if first.isdecimal() and count.isdecimal():
            taken.append(int(first) + int(count))
    start = max(taken)
    return f"{start}-{start + _IDS - 1}"
