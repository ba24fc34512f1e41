"""What a heartbeat leaves, as a value."""

from msgspec import Struct, field

from gatekeeper.model import Reason
from gatekeeper.policy.alerting import Sight


class Beat(Struct, frozen=True):
    """What a heartbeat left: why it stopped, and what a person must be told."""

    rest: str
    alarms: tuple[Reason, ...]
    wake: float | None = None
    """When a freeze ends, a ship window opens, a lost host or a cluster is looked for: the next comes then."""
    sight: Sight = field(default_factory=Sight)
    """The alarms as causes."""
    whole: bool = False
    """It came to rest by itself."""
