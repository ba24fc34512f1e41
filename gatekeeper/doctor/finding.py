"""What the doctor finds, as values, and the facts that it finds it in."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from gatekeeper.config.schema import Config
from gatekeeper.home import Home
from gatekeeper.librarian.space import Space
from gatekeeper.setup.facts import Account, Running, Seen


class Level(StrEnum):
    """How bad it is; only `wrong` is a failure."""

    WRONG = "wrong"
    NOTE = "note"
    FINE = "fine"


class Finding(Struct, frozen=True):
    """One sentence, and the command or line that puts it right (none for what is fine)."""

    level: Level
    about: str
    text: str
    fix: str = ""


class Reach(Struct, frozen=True):
    """A socket of pm2, with all that lies on the way to it, the socket itself last."""

    path: Path
    chain: tuple[Seen, ...]


class Programs(Struct, frozen=True):
    """What is installed: each program's version, or None, and what is wrong with pm2 and the sandbox."""

    versions: Mapping[str, str | None]
    missing: tuple[str, ...]
    sandbox: str | None
    """What the sandbox's self-test found, as a sentence; None: it holds, or is switched off."""
    own_users: bool
    """Whether the Librarian can run each check as a Unix user of its own."""


class Facts(Struct, frozen=True):
    """One look at a gate and its machine; texts are whole sentences where they come from another part."""

    home: Home
    config: Config
    now: float
    config_problem: str | None
    set_up: str | None
    """The name under which `setup --apply` was run."""
    shortfalls: tuple[str, ...]
    """Why the gate is not in the enforced set-up."""
    todo: tuple[str, ...]
    """What of the set-up does not hold any more."""
    programs: Programs
    hooks: tuple[str, ...]
    settings: tuple[str, ...]
    seen: Mapping[Path, Seen]
    owner: Account | None
    """The Librarian's user."""
    owner_uid: int
    above: Mapping[Path, Seen]
    """The folders that the gate lies in."""
    addressees: int
    """How many people's addresses the file of alert addresses has."""
    alert_problems: tuple[str, ...]
    """Its lines that are left out, a sentence each."""
    free: int
    space: Space | None
    """How much the gate took when it was measured last."""
    librarian: Running | None
    last_beat: float | None
    next_beat: float | None
    stewards: Mapping[str, str | None]
    """Sites with a user of their own: why their steward cannot be reached."""
    hosts: Mapping[str, str | None]
    """Hosts that run sites: why they cannot be reached."""
    door: str | None
    """Why nobody opens the local door."""
    systemd: bool
    kernel: Mapping[str, str]
    users: Mapping[str, Account]
    groups: Mapping[str, frozenset[str]]
    """Agents' Unix users with the groups that they are in."""
    gids: Mapping[str, frozenset[int]]
    reaches: tuple[Reach, ...]
    keys_differ: bool
    engine: str | None = None
    """What the engine that runs the sites elsewhere said last, when that was not that it is healthy."""
    extra: str | None = None
    """Why checks cannot run on workers as this is installed."""
    cluster: tuple[str, ...] = ()
    """What the last heartbeat found wrong with the workers, a sentence each."""

    @property
    def enforced(self) -> bool:
        """Whether the gate is in the enforced set-up."""
        return not self.shortfalls

    def command(self, words: str) -> str:
        """Return a gatekeeper command for this gate."""
        return f"gatekeeper --gate {self.home.path} {words}"
