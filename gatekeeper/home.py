"""Where things lie in a gate's home: the one list of its paths. Touches no disk."""

from pathlib import Path

from msgspec import Struct

from gatekeeper.model import Oid, Version


class Home(Struct, frozen=True):
    """The folder that `gatekeeper init` made; `path` is absolute."""

    path: Path

    @property
    def sites_toml(self) -> Path:
        """The operator's configuration."""
        return self.path / "sites.toml"

    @property
    def repo(self) -> Path:
        """The bare repository."""
        return self.path / "repo.git"

    @property
    def releases(self) -> Path:
        """One folder a version, read-only."""
        return self.path / "live" / "releases"

    @property
    def current(self) -> Path:
        """The link that switches all sites."""
        return self.path / "live" / "current"

    @property
    def published(self) -> Path:
        """The link to what was published last: what may start at boot without the Librarian."""
        return self.path / "live" / "published"

    @property
    def sites(self) -> Path:
        """A folder for each site that has a user: its steward's socket, its pm2, its scratch."""
        return self.path / "sites"

    @property
    def engine(self) -> Path:
        """What the engine that runs the sites elsewhere said last, and where the mirrors' branch stood before."""
        return self.var / "engine.json"

    @property
    def data(self) -> Path:
        """What sites keep: a folder a site."""
        return self.path / "data"

    @property
    def www(self) -> Path:
        """What a web server may show."""
        return self.path / "www"

    @property
    def var(self) -> Path:
        """The Librarian's own state; mode 0700."""
        return self.path / "var"

    @property
    def spool(self) -> Path:
        """What hooks and people wrote down for the Librarian, a file each."""
        return self.var / "spool"

    @property
    def decided(self) -> Path:
        """What people decided, a file each; nothing that serves a push gets there."""
        return self.spool / "decided"

    @property
    def door(self) -> Path:
        """The socket that a running Librarian takes decisions on."""
        return self.var / "door.sock"

    @property
    def bell(self) -> Path:
        """The socket that wakes a running Librarian and can do nothing else: all that a push gets to."""
        return self.var / "bell.sock"

    @property
    def doors(self) -> Path:
        """The sockets that other users connect to."""
        return self.path / "doors"

    @property
    def gate_socket(self) -> Path:
        """The local door: whoever connects is told by the kernel."""
        return self.doors / "gate.sock"

    @property
    def own_doors(self) -> Path:
        """A folder an agent, with a socket of its own; only the Librarian's user gets in."""
        return self.doors / "own"

    @property
    def visits(self) -> Path:
        """The places of visits over SSH: an empty file each, locked while it is taken."""
        return self.var / "visits"

    @property
    def authorized_keys(self) -> Path:
        """The agents' SSH keys, each with its forced command."""
        return self.var / "authorized_keys"

    @property
    def setup_record(self) -> Path:
        """What `gatekeeper setup --apply` made."""
        return self.var / "setup.json"

    @property
    def space(self) -> Path:
        """How much of the disk the gate took when it was measured last."""
        return self.var / "space.json"

    @property
    def edition(self) -> Path:
        """Which gatekeeper wrote this home last, and in which format."""
        return self.var / "edition.json"

    @property
    def beat(self) -> Path:
        """When the last heartbeat was and the next is due."""
        return self.var / "heartbeat.json"

    @property
    def doing(self) -> Path:
        """What the Librarian does at this moment; there while one works."""
        return self.var / "doing.json"

    @property
    def looks(self) -> Path:
        """How far each person has looked, a file a person: what `status` calls new."""
        return self.var / "looks"

    @property
    def alerts(self) -> Path:
        """What people were told, and how far the mirrors are."""
        return self.var / "alerts.json"

    @property
    def live_plan(self) -> Path:
        """How the sites were last told to run: the way back of a ship."""
        return self.var / "live.json"

    @property
    def next_plan(self) -> Path:
        """How the ship under way tells them to run; it becomes `live_plan` when that ship is published."""
        return self.var / "next.json"

    @property
    def adoption(self) -> Path:
        """Which sites of sites.toml still run under the pm2 that they are being taken from."""
        return self.var / "adoption.json"

    @property
    def applied_toml(self) -> Path:
        """The last valid sites.toml: what counts while the one above is not."""
        return self.var / "applied.toml"

    @property
    def builds(self) -> Path:
        """Build outputs, a folder a key."""
        return self.var / "builds"

    @property
    def work(self) -> Path:
        """Throw-away trees of jobs; emptied at each start."""
        return self.var / "work"

    @property
    def trial(self) -> Path:
        """The objects of trial merges; emptied at each start, and no part of the repository."""
        return self.var / "trial"

    @property
    def logs(self) -> Path:
        """What builds and checks printed."""
        return self.var / "logs"

    @property
    def key(self) -> Path:
        """The Librarian's private signing key."""
        return self.path / "keys" / "librarian"

    @property
    def host_key(self) -> Path:
        """The private SSH key that opens the program of each host."""
        return self.path / "keys" / "hosts"

    @property
    def known_hosts(self) -> Path:
        """The hosts' own keys, as they were when each was added."""
        return self.path / "keys" / "known_hosts"

    @property
    def allowed_signers(self) -> Path:
        """Whose signatures count, in the form of ssh-keygen."""
        return self.path / "keys" / "allowed_signers"

    def release(self, version: Version, commit: Oid) -> Path:
        """Return the folder of a version."""
        return self.releases / f"{version}-{commit[:12]}"
