"""The opened gate: everything that whoever holds its lock works with during one heartbeat."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from gatekeeper.config.schema import Config
from gatekeeper.home import Home
from gatekeeper.repo.git import Git
from gatekeeper.repo.ledger import Clock, Ledger
from gatekeeper.repo.sign import Signer

if TYPE_CHECKING:
    from gatekeeper.ship.target import Target


class Gate(Struct, frozen=True):
    """One gate, opened for writing; `config` is the one in force, `policy` what the hooks judge by."""

    home: Home
    config: Config
    policy: Mapping[str, Any]
    git: Git
    trial: Git
    """The same repository, with what trial merges made: it sees them, and writes nothing but such."""
    signer: Signer
    ledger: Ledger
    target: "Target"
    clock: Clock
