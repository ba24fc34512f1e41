"""Three hosts on one machine: a network namespace each, with an sshd, a gate's folder and a pm2 of its own.

A host is lost by taking its link down: what runs in it goes on, as on a machine whose cable was pulled.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from enforced import serving
from gatehouse import PM2, ROOT, Gatehouse, build

from gatekeeper.home import Home
from gatekeeper.hosts import line
from gatekeeper.sites import procfs

SSHD = "/usr/sbin/sshd"
_LONGEST = 3600.0
_RUN = """import sys
sys.path[:0] = {path!r}
from pathlib import Path
from gatekeeper.home import Home
from gatekeeper.hosts.program import main
main(Home(Path({home!r})))
"""
_ASK = """import json, sys, urllib.request
try:
    with urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/", timeout=3) as reply:
        print(json.dumps(json.load(reply)))
except OSError as problem:
    print(json.dumps({"problem": str(problem), "version": None}))
"""


@dataclass
class Machine:
    """One host; `address` is where the gate reaches it."""

    name: str
    root: Path
    space: str
    link: str
    address: str

    @property
    def home(self) -> Home:
        """The gate's folder there."""
        return Home(self.root / "gate")

    @property
    def ssh(self) -> str:
        return f"root@{self.address}"

    def inside(self, *argv: str) -> list[str]:
        """Return a command as it runs in the host's network."""
        return ["ip", "netns", "exec", self.space, *argv]

    def cut(self) -> None:
        """Pull the cable."""
        _ip("link", "set", self.link, "down")

    def mend(self) -> None:
        """Put it back."""
        _ip("link", "set", self.link, "up")

    def ask(self, port: int) -> dict[str, Any]:
        """Ask a site from within the host, whatever its cable does."""
        argv = self.inside(sys.executable, "-S", "-c", _ASK, str(port))
        said = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said
        return dict(json.loads(said.stdout))

    def sessions(self) -> set[int]:
        """Return the processes of the host program that runs."""
        return {
            int(place.name)
            for place in Path("/proc").glob("[0-9]*")
            if str(self.home.path / "program") in procfs.title(int(place.name)) and _is_python(int(place.name))
        }

    def pm2_family(self) -> set[int]:
        with suppress(OSError, ValueError):
            pid = int((self.home.var / "pm2" / "pm2.pid").read_text())
            if "God Daemon" in procfs.title(pid):
                return procfs.family(pid, procfs.parents())
        return set()

    def end(self) -> None:
        """End everything that has the host's network, its sshd too: one that was cut off never ends."""
        listed = subprocess.run(["ip", "netns", "pids", self.space], capture_output=True, text=True, check=True).stdout
        for pid in map(int, listed.split()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def reboot(self) -> None:
        """End all that runs there, as a power cut does; sshd comes up again by itself."""
        for pid in (*self.sessions(), *self.pm2_family()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@dataclass
class Farm:
    """A gate, and the hosts that its sites run on."""

    gate: Gatehouse
    machines: Mapping[str, Machine]
    where: Mapping[str, str] = field(default_factory=dict)
    """The host of each site; the others run on the gate's own machine."""

    def on(self, host: str) -> set[str | None]:
        """Return the versions that a host's own sites say they run."""
        return {self.gate.ask(site)["version"] for site in self.where if self.where[site] == host}

    def mood(self, site: str, mood: str) -> None:
        """Write what only the live site sees, as `Gatehouse.mood` does, on the site's own host."""
        folder = self.machines[self.where[site]].home.data / site / "data"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "mood").write_text(mood)

    def until(self, host: str, version: str | None) -> None:
        """Wait until a host's sites all run that version, or fail after a minute."""
        deadline = time.monotonic() + 60
        while (seen := self.on(host)) != {version}:
            assert time.monotonic() < deadline, seen

    def whole(self) -> list[str]:
        """Return what on the hosts is not as `release` says: links, what is undecided, processes."""
        wrong, release = [], self.gate.home.current.resolve().name
        for host, one in self.machines.items():
            links = (link for link in (one.home.current, one.home.published) if link.resolve().name != release)
            wrong += [f"{link} of {host} leads to {link.resolve().name}, not to {release}" for link in links]
            if one.home.next_plan.exists():
                wrong.append(f"{host} has not heard the end of a ship")
            sites = [site for site, its in self.where.items() if its == host]
            expected = sorted(str(one.home.releases / release / "sites" / site) for site in sites)
            found = sorted(str(procfs.cwd(pid)) for pid in one.pm2_family() if "God Daemon" not in procfs.title(pid))
            if found != expected:
                wrong.append(f"{host} runs {found}, not {expected}")
        return wrong

    def settle(self) -> None:
        """Mend every link, empty the queue, and come to rest."""
        for one in self.machines.values():
            one.mend()
            for site in self.where:
                self.mood(site, "good")
        line.close_all()
        self.gate.tidy()
        assert self.gate.versions() == {self.gate.version}


@contextmanager
def farm(
    where: Mapping[str, str],
    *,
    names: Sequence[str] | None = None,
    program: str = _RUN,
    more: str = "",
    toml: Callable[[Gatehouse], str] | None = None,
) -> Iterator[Farm]:
    """Make a gate whose sites run where `where` says, live on v0.1.0. It needs root, to make networks."""
    if os.geteuid() != 0 or shutil.which("ip") is None or not Path(SSHD).exists():
        pytest.skip("it needs root, ip and sshd, to make hosts")
    with ExitStack() as stack:
        gate = stack.enter_context(build(names or tuple(where)))
        key = gate.home.host_key
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)], check=True)
        machines = {name: stack.enter_context(_machine(gate, name, program)) for name in sorted({*where.values()})}
        stack.callback(line.close_all)
        known = (f"{one.address} {_public(one.root / 'host_key')}\n" for one in machines.values())
        gate.home.known_hosts.write_text("".join(known))
        gate.asks |= {site: machines[host].ask for site, host in where.items()}
        gate.toml = configure(gate, machines, where, more) if toml is None else toml(gate) + tables(machines)
        gate.home.sites_toml.write_text(gate.toml)
        gate.tick()
        yield Farm(gate, machines, where)


def configure(gate: Gatehouse, machines: Mapping[str, Machine], where: Mapping[str, str], more: str = "") -> str:
    """Write sites.toml."""
    sites = {site: f'host = "{host}"\nlisten_timeout = "5s"\n' for site, host in where.items()}
    return gate.configure(tables(machines), more, sites=sites)


def tables(machines: Mapping[str, Machine]) -> str:
    """Return the hosts as sites.toml names them."""
    return "".join(f'[hosts.{one.name}]\nssh = "{one.ssh}"\nhome = "{one.home.path}"\n' for one in machines.values())


@contextmanager
def _machine(gate: Gatehouse, name: str, program: str) -> Iterator[Machine]:
    token, octet = token_hex(3), _free_net()
    root = Path(tempfile.mkdtemp(prefix="gk-host-", dir="/tmp"))
    one = Machine(name, root, f"gk-{token}", f"gk{token}a", f"10.231.{octet}.2")
    (one.home.path / "program").mkdir(parents=True)
    run = one.home.path / "program" / "run.py"
    run.write_text(
        program.format(path=[str(ROOT), *(p for p in sys.path if "site-packages" in p)], home=str(one.home.path))
    )
    _ip("netns", "add", one.space)
    try:
        _ip("link", "add", one.link, "type", "veth", "peer", "name", "eth0", "netns", one.space)
        _ip("addr", "add", f"10.231.{octet}.1/30", "dev", one.link)
        _ip("link", "set", one.link, "up")
        for words in (
            ("addr", "add", f"{one.address}/30", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("link", "set", "lo", "up"),
        ):
            _ip("-n", one.space, *words)
        config = _sshd_config(gate, one, run)
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        argv = one.inside(SSHD, "-D", "-e", "-f", str(config))
        with serving(argv, {"PATH": os.environ["PATH"]}, "Server listening on", longest=_LONGEST):
            try:
                yield one
            finally:
                one.end()
    finally:
        subprocess.run(["ip", "link", "del", one.link], capture_output=True, check=False)
        _ip("netns", "del", one.space)
        subprocess.run(["chmod", "-R", "u+w", str(root)], check=False)
        shutil.rmtree(root, ignore_errors=True)


def _sshd_config(gate: Gatehouse, one: Machine, run: Path) -> Path:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(one.root / "host_key")], check=True
    )
    keys = one.root / "authorized_keys"
    keys.write_text(f'restrict,command="{sys.executable} -I {run}" {_public(gate.home.host_key)}\n')
    config = one.root / "sshd_config"
    path = f"{PM2.parent}:{os.environ['PATH']}"
    config.write_text(
        f"ListenAddress {one.address}:22\nHostKey {one.root}/host_key\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin forced-commands-only\n"
        f"AuthorizedKeysFile {keys}\nSetEnv PATH={path} HOME={one.root}\n"
    )
    return config


def _public(key: Path) -> str:
    return " ".join(key.with_suffix(".pub").read_text().split()[:2])


def _free_net() -> int:
    taken = subprocess.run(["ip", "-o", "-4", "addr"], capture_output=True, text=True, check=True).stdout
    return next(octet for octet in range(1, 250) if f"10.231.{octet}." not in taken)


def _is_python(pid: int) -> bool:
    return Path(procfs.title(pid).split(" ")[0]).name.startswith("python")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
