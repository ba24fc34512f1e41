"""What pm2 is told about one site, as frozen values. Reads nothing; every path is absolute, through `current`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct, field

from gatekeeper.model import Oid, SiteName, Version

Mode = Literal["cluster", "fork", "static"]


class Stamp(Struct, frozen=True):
    """What a site is told it runs: GATE_VERSION and GATE_COMMIT."""

    version: Version
    commit: Oid


class HealthCheck(Struct, frozen=True):
    """How one address is judged; `status` None means every 2xx."""

    url: str
    host: str | None = None
    status: frozenset[int] | None = None
    contains: str | None = None

    @property
    def local_port(self) -> int | None:
        """The port, when the address is this machine's loopback: then the listener must be ours."""
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        if host not in ("localhost", "::1") and not host.startswith("127."):
            return None
        return parts.port or (443 if parts.scheme == "https" else 80)


class Machine(Struct, frozen=True):
    """A machine besides the gate's own: its name in sites.toml, where `ssh` connects to, the gate's folder there."""

    name: str
    ssh: str
    home: Path


class SiteRun(Struct, frozen=True):
    """One site as it should run; times in seconds, memory in bytes. `env` never holds a GATE_ name."""

    name: SiteName
    cwd: Path
    script: Path
    args: tuple[str, ...] = ()
    node_args: tuple[str, ...] = ()
    interpreter: str | None = None
    mode: Mode = "cluster"
    instances: int = 1
    wait_ready: bool = False
    kill_timeout: float = 1.6
    listen_timeout: float = 3.0
    max_memory_restart: int | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    health: HealthCheck | None = None
    health_timeout: float = 10.0
    soak: float = 1.0
    user: str | None = None
    """The Unix user whose steward runs it; None: the gate's own."""
    host: Machine | None = None
    """Where it runs, and what its paths are paths of; None: the gate's own machine."""

    @property
    def ports(self) -> frozenset[int]:
        """The ports that only this site may hold; none for a static one, which some web server serves."""
        if self.mode == "static":
            return frozenset()
        told = self.env.get("PORT", "")
        asked = self.health.local_port if self.health else None
        return frozenset(({int(told)} if told.isdecimal() else set()) | ({asked} if asked else set()))
