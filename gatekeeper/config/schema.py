"""What `sites.toml` may say, as frozen values: every option, its type, its default and its one line of help.

The text below an option is its line in `docs/reference/sites.toml.md`. Durations are seconds and sizes are
bytes once loaded; in the file they are texts such as "15m" and "512M". Nothing here reads a file.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

SECOND = 1.0
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

Delay = Annotated[float, Meta(ge=0, le=36_500 * DAY, extra={"written": "duration"})]
"""Seconds, also none; "1h30m" in the file."""

Duration = Annotated[float, Meta(ge=0.001, le=36_500 * DAY, extra={"written": "duration"})]
"""Seconds, more than none."""

Size = Annotated[int, Meta(ge=1, le=GIB * GIB, extra={"written": "size"})]
"""Bytes; "512M" in the file."""

Count = Annotated[int, Meta(ge=1, le=GIB)]
Texts = tuple[str, ...]
Paths = Annotated[Texts, Meta(min_length=1)]
Command = Annotated[Texts, Meta(min_length=1)]
"""A program and its arguments, never a shell line."""

Status = Annotated[int, Meta(ge=100, le=599)]


class Gate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the Librarian works, and what it keeps."""

    heartbeat: Annotated[float, Meta(ge=SECOND, le=DAY, extra={"written": "duration"})] = 15 * MINUTE
    """Time between two heartbeats; a request that lands starts one at once."""
    settle: Delay = 0.0
    """How long an autorun waits for more requests before it starts."""
    max_train: Count = 8
    """How many requests are merged and shipped as one version; 1: a version a request."""
    keep_releases: Count = 10
    """How many release folders stay on each host; one in use is never pruned."""
    keep_logs: Duration = 400 * DAY
    """How long check logs and the tips of requests that did not land are kept."""
    request_ttl: Duration = 14 * DAY
    """When a blocked or held request expires (GATE-410)."""
    ship_windows: Texts = ()
    """When the gate may ship, such as "Mon-Fri 07:00-16:30"; none: always.

    Outside them requests are merged and verified, and wait (GATE-408).
    """
    timezone: str = "UTC"
    """The IANA time zone of `ship_windows` and of the times people are shown."""
    reload: Literal["always", "changed"] = "always"
    """With "changed" a site whose inputs are identical keeps its process and counts as on the version."""
    protected: Texts = (".github",)
    """Paths that no request may touch (GATE-207)."""
    alerts_file: str = "var/alerts"
    """The file of alert addresses, one a line, relative to the gate; mode 0600, as they hold tokens."""
    ship: Literal["pm2", "external"] = "pm2"
    """Who runs the sites: pm2, or an engine elsewhere that follows a mirror, as `[external]` says."""
    escalate_after: Delay = 30 * MINUTE
    """How long an agent has to repair what is its own (GATE-402, GATE-403, 2xx, 302 to 304) before a person is told."""


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a request and a check may use."""

    request_bytes: Size = GIB
    """Bytes of a request's tree when it is expanded to files (GATE-205)."""
    request_paths: Count = 200_000
    """Paths in a request's expanded tree (GATE-205)."""
    request_depth: Count = 64
    """Folders that a path may lie in (GATE-205)."""
    message_bytes: Size = 64 * KIB
    """Bytes of the commit message of a request's tip (GATE-205)."""
    open_requests: Count = 10
    """Open requests of one agent that has no `max_open`; blocked ones do not count (GATE-304)."""
    stuck_after: Duration = 2 * HOUR
    """A request without a change of state for so long alerts (GATE-506)."""
    free_disk: Size = GIB
    """Room that must be left on the gate's disk, or nothing is shipped (GATE-503)."""
    max_disk: Size = 20 * GIB
    """Room that releases, builds and logs may take; the oldest go first, never what is in use or the way back."""
    memory: Size = 2 * GIB
    """Memory of one build or check."""
    processes: Count = 512
    """Processes and threads of one build or check."""
    disk: Size = 2 * GIB
    """Bytes that one build or check may write."""
    output: Size = MIB
    """Bytes kept of what a build or check prints; the rest is dropped."""


class Verify(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How candidates are verified."""

    sandbox: Literal["bubblewrap", "none"] = "bubblewrap"
    """With "none" checks run unprotected: every verdict records it."""
    jobs: Count = 2
    """How many builds and checks run side by side."""
    executor: str = "local"
    """Where checks run: "local", or the address of a Dask scheduler, such as "tls://10.0.0.5:8786", for its workers."""
    executor_away: Literal["wait", "local"] = "wait"
    """What checks do when no worker can be asked (GATE-504): "wait", or run on this machine meanwhile."""
    tls_ca: str | None = None
    """For a tls:// executor: the file of the authority that signed all certificates there, relative to the gate."""
    tls_cert: str | None = None
    """The gate's own certificate for it, relative to the gate."""
    tls_key: str | None = None
    """The key of that certificate, relative to the gate; mode 0600."""
    read_only: Texts = ()
    """Absolute paths of this machine that checks may read, besides the system's own, as a user of their own."""
    toolchain: tuple[Command, ...] = (("node", "--version"),)
    """Commands whose output is part of every verdict's key: a new Node, new verdicts."""


class Build(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command that runs first, in the sandbox; what it leaves in `outputs` is checked, and ships."""

    name: str
    """Its name in verdicts and messages."""
    run: Command
    """The command as a list of words, never a shell line."""
    per_site: bool = False
    """Run it once in each site's path; otherwise give `paths`."""
    paths: Texts = ()
    """The only paths it sees, when it is not `per_site`."""
    cwd: str = "."
    """Where it runs: relative to the tree, or to each site's path."""
    outputs: Texts = ()
    """What is kept of what it leaves, relative to `cwd`."""
    network: bool = False
    """Give it a network of its own: never this machine's loopback or sockets."""
    timeout: Duration = 10 * MINUTE
    """It is ended after this time (GATE-403)."""
    env: dict[str, str] = {}
    """Its environment besides PATH and HOME."""


class Check(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command that must succeed on a candidate before it ships."""

    name: str
    """Its name in verdicts and messages; "boot" is built in."""
    run: Command
    """The command as a list of words, never a shell line."""
    per_site: bool = False
    """Run it once for each site; otherwise give `paths`."""
    paths: Texts = ()
    """The only paths it sees, so that its verdict is a fact about those subtrees."""
    cwd: str = "."
    """Where it runs: relative to the tree, or to each site's path."""
    timeout: Duration = 5 * MINUTE
    """It is ended after this time (GATE-403)."""
    env: dict[str, str] = {}
    """Its environment besides PATH and HOME."""


class Mirror(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Repositories elsewhere that each release is pushed to, with its tag, the log and the results."""

    urls: Texts = ()
    """Where to, such as "git@backup:gate.git" or "/mnt/backup/gate.git"; one that fails alerts (GATE-504)."""
    timeout: Duration = 2 * MINUTE
    """How long a push may take; a running Librarian does not wait for it."""


class External(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """With `ship = "external"`: what the engine follows, and how it is asked whether it is healthy on a version."""

    health: Texts = ()
    """A command that ends with status 0 once the engine is healthy on GATE_COMMIT (GATE_VERSION); or give `url`."""
    url: str | None = None
    """An address that answers 2xx and, in JSON, the `commit` or `version` that it speaks of; or give `health`."""
    branch: str = "rollout"
    """The branch of the mirrors that the engine follows; it is forced back when a version does not become healthy."""
    mirrors: Texts = ()
    """Those of `mirror.urls` that the engine reads: none ships while one is unreachable (GATE-504); none: all."""
    timeout: Duration = 10 * MINUTE
    """How long the engine may take until it is healthy on a version, and as long to be back on the one before."""
    interval: Duration = 5.0
    """Time between two questions."""


class Pm2(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The pm2 that runs the sites."""

    command: Command = ("pm2",)
    """How pm2 is called; 7.0.4 or newer."""
    home: str = "var/pm2"
    """PM2_HOME of the gate's own daemon, relative to the gate."""


class Host(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A machine besides this one that runs sites."""

    ssh: str
    """Where `ssh` connects to, such as "gate@web2"."""
    home: str
    """The absolute path of the gate's folder there."""


class Health(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a site is asked whether it is well; a plain address stands for `url` alone."""

    url: str
    """The address, http or https, asked from the site's own machine."""
    host: str | None = None
    """The Host header, when it is not the address's."""
    status: Annotated[tuple[Status, ...], Meta(extra={"written": "one or a list"})] = ()
    """The statuses that count as well, one or a list; none: every 2xx."""
    contains: str | None = None
    """A text that the answer must hold."""


class Site(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One pm2 application, or static files; its name is also the name of its surface."""

    path: str
    """Where it lives in the tree; two sites may share one path."""
    host: str | None = None
    """The `[hosts.*]` it runs on; none: this machine."""
    uses: Texts = ()
    """Paths that its builds, checks and boot see too; a change there is a change of it."""
    script: str | None = None
    """What pm2 starts, relative to `path`."""
    args: Texts = ()
    """Arguments of the script."""
    node_args: Texts = ()
    """Arguments of the interpreter."""
    interpreter: str | None = None
    """What runs the script; none: Node; "none": it runs itself."""
    mode: Literal["cluster", "fork", "static"] = "cluster"
    """pm2's exec mode; "fork" is down for a moment at each ship; "static" has no process."""
    instances: Count = 1
    """How many processes serve it."""
    wait_ready: bool = False
    """The site says `process.send("ready")` when it can serve."""
    kill_timeout: Duration = 1.6
    """How long a process may take to end after SIGINT before it is killed."""
    listen_timeout: Duration = 3.0
    """How long pm2 waits for a new process to listen or to say that it is ready."""
    max_memory_restart: Size | None = None
    """pm2 restarts a process that uses more; none: never."""
    env: dict[str, str] = {}
    """Its environment; GATE_VERSION, GATE_COMMIT and GATE_SITE are added."""
    env_file: str | None = None
    """A file of its secrets, mode 0600, relative to the gate."""
    data: Texts = ()
    """Folders in `path` that it keeps: links to `data/<site>/`, never rolled back."""
    writable: Texts = ()
    """Scratch folders in `path`, empty in each release."""
    user: str | None = None
    """Enforced set-up: the Unix user that runs it, with a pm2 of its own; `gatekeeper setup` makes it."""
    health: Annotated[Health, Meta(extra={"written": "url or a table"})] | None = None
    """Its health address, or a table of `url`, `host`, `status`, `contains`."""
    health_timeout: Duration = 10.0
    """How long a ship waits for it to be well before it is rolled back.

    The outgoing processes have their `kill_timeout` besides.
    """
    soak: Delay = 1.0
    """How long it must then stay up."""
    boot_check: bool = True
    """Start it in the sandbox, before it ships, whenever its inputs changed."""
    boot_env: dict[str, str] = {}
    """Environment for that start, in place of its secrets."""
    migrate: Texts = ()
    """A command run once, before the switch, when `migrate_paths` changed.

    It must be repeatable, and the version before must work with what it leaves.
    """
    migrate_paths: Texts = ()
    """Paths whose change calls for `migrate`."""


class Surface(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A named set of paths besides the sites; the longest path wins."""

    paths: Paths
    """The paths it holds, each with all that is below it."""


class Hold(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes that wait for a person's approval (GATE-406)."""

    paths: Paths
    """Patterns: `*` within a name, `**` across folders, such as "**/*.test.*"."""
    reason: str = "the operator asked to see it"
    """What the person is told."""


class Agent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may push requests; its name is how records and answers call it."""

    owner: str
    """The person who answers for it."""
    unix_user: str | None = None
    """The local door: its Unix user, told by the kernel."""
    ssh_key: str | None = None
    """The SSH door: its public key, "type base64", without options."""
    surfaces: Texts = ()
    """The surfaces it may change; none: all (GATE-303)."""
    max_open: Count | None = None
    """Its open requests (GATE-304); none: `limits.open_requests`."""
    role: Literal["agent", "operator"] = "agent"
    """An "operator" may also decide, and update any request."""


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. Tables with names are dictionaries in the order of the file; lists are tuples."""

    gate: Gate = Gate()
    limits: Limits = Limits()
    verify: Verify = Verify()
    builds: tuple[Build, ...] = ()
    checks: tuple[Check, ...] = ()
    mirror: Mirror = Mirror()
    external: External = External()
    pm2: Pm2 = Pm2()
    hosts: dict[str, Host] = {}
    sites: dict[str, Site] = {}
    surfaces: dict[str, Surface] = {}
    hold: tuple[Hold, ...] = ()
    agents: dict[str, Agent] = {}

    def surface_paths(self) -> dict[str, Texts]:
        """Return every surface with its paths, sites included, as `policy.surfaces` takes them."""
        sites = {name: (site.path,) for name, site in self.sites.items()}
        return sites | {name: surface.paths for name, surface in self.surfaces.items()}
