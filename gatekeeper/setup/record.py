"""`var/setup.json`: what the set-up of a gate has made, written before it is made, so that all of it can be undone."""

import json
import os
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict, replace

from gatekeeper.errors import GateError
from gatekeeper.home import Home
from gatekeeper.repo.export import write_file

_FORMAT = 1


class Made(Struct, frozen=True):
    """Under which name a gate is set up, whose its folder was before, and what was not there before.

    It lies with the Librarian, so root takes nothing from it but names, and looks at whose they are.
    """

    name: str
    user: str
    owner_before: tuple[int, int]
    users: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    sshd: bool = False

    def with_user(self, name: str) -> "Made":
        """Return the record with one more user."""
        return replace(self, users=tuple(dict.fromkeys((*self.users, name))))

    def with_service(self, name: str) -> "Made":
        """Return the record with one more unit."""
        return replace(self, services=tuple(dict.fromkeys((*self.services, name))))


def read(home: Home) -> Made | None:
    """Return the record of a gate; None for one that was never set up. Raises GateError for one it cannot read."""
    try:
        said = json.loads(home.setup_record.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as problem:
        raise GateError(
            f"{home.setup_record} cannot be read: {problem}.", hints=(f"ls -l {home.setup_record}",)
        ) from problem
    if not isinstance(said, dict) or said.get("v") != _FORMAT:
        raise GateError(f"{home.setup_record} was written by another version of gatekeeper, or by hand.")
    uid, gid = (said.get("owner_before") or (0, 0))[:2]
    lists = {key: tuple(str(name) for name in said.get(key, ())) for key in ("users", "services")}
    return Made(
        str(said.get("name")), str(said.get("user")), (int(uid), int(gid)), **lists, sshd=bool(said.get("sshd"))
    )


def write(home: Home, made: Made) -> None:
    """Put the record down, readable for the gate's owner alone."""
    write_file(home.setup_record, json.dumps({"v": _FORMAT, **asdict(made)}, indent=1).encode() + b"\n", mode=0o600)
    keep = home.var.stat()
    os.chown(home.setup_record, keep.st_uid, keep.st_gid)


def owner_of(path: Path) -> tuple[int, int]:
    """Return whose a folder is, as user and group."""
    found = path.stat()
    return found.st_uid, found.st_gid
