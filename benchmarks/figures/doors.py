"""A push at the doors of the enforced set-up, beside plain ssh and gitolite, all by one sshd of ours on loopback."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

from enforced import Enforced, User, build, serving, user
from gatehouse import free_ports

from benchmarks import doors as ways_in
from benchmarks.figure import Figure, absent, at_most, faster

ROUNDS = 15


def figures(*, full: bool) -> Iterator[Figure]:  # noqa: ARG001 - one size
    """Yield the ratios; without gitolite it says so."""
    with build(keys=True) as gate, gate.sshd() as port, _peer(gate) as (plain, lite):
        clone = gate.clone("codex-1")
        key = gate.ssh("codex-1", port)
        ways = {
            "path": (str(ways_in._copy(gate, "bare", hooks=False)), ""),  # noqa: SLF001 - the same benchmark by itself
            "socket": (gate.address, ""),
            "ssh": (ways_in._over_ssh(gate, port), key),  # noqa: SLF001
            "plain": plain,
            **({"gitolite": lite} if lite else {}),
        }
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(-1, ROUNDS):
            clone.commit({"sites/docs/index.html": f"{number}\n"}, f"Round {number}")
            for way, (address, ssh) in ways.items():
                seconds = ways_in._push(clone, address, ssh)  # noqa: SLF001
                taken[way] += [seconds] if number >= 0 else []
    yield at_most("push, local socket", "a bare path, no hook", taken["socket"], taken["path"], None)
    yield at_most("push, SSH", "plain ssh and receive-pack, no hook", taken["ssh"], taken["plain"], 1.4)
    if "gitolite" not in taken:
        yield absent("push, socket and SSH against gitolite", "gitolite3 is not installed: benchmarks/peers")
        return
    yield faster("push, local socket", "gitolite over SSH", taken["socket"], taken["gitolite"], 2.5)
    yield faster("push, SSH", "gitolite over SSH", taken["ssh"], taken["gitolite"], 1)


@contextmanager
def _peer(gate: Enforced) -> Iterator[tuple[tuple[str, str], tuple[str, str] | None]]:
    """Yield address and ssh command of a bare repository over ssh, and of gitolite's: one Unix user, one sshd each."""
    home = gate.root / "peer"
    home.mkdir(mode=0o755)
    with user("peer", home) as peer:
        subprocess.run(["chown", f"{peer.uid}:{peer.gid}", str(home)], check=True)
        bare = home / "plain.git"
        shutil.copytree(ways_in._copy(gate, "source", hooks=False), bare, symlinks=True)  # noqa: SLF001
        subprocess.run(["chown", "-R", f"{peer.uid}:{peer.gid}", str(bare)], check=True)
        public = gate.root / "ssh-codex-1.pub"
        lite = _gitolite(gate, peer, home, public) if which("gitolite") else None
        keys = {
            "plain": public.read_text(),
            **({"lite": (home / ".ssh" / "authorized_keys").read_text()} if lite else {}),
        }
        with (
            _sshd(gate, peer, keys["plain"], "plain") as first,
            _sshd(gate, peer, keys.get("lite", ""), "lite") as second,
        ):
            there = (f"ssh://{peer.name}@127.0.0.1:{second}/app", gate.ssh("codex-1", second)) if lite else None
            yield (f"ssh://{peer.name}@127.0.0.1:{first}{bare}", gate.ssh("codex-1", first)), there


def _gitolite(gate: Enforced, peer: User, home: Path, public: Path) -> bool:
    """Set gitolite up as its manual says: the admin repository, one rule for one agent's requests."""
    (home / "codex-1.pub").write_text(public.read_text())
    _as(gate, peer, home, "gitolite", "setup", "-pk", str(home / "codex-1.pub"))
    _as(gate, peer, home, "git", "clone", "-q", str(home / "repositories" / "gitolite-admin.git"), str(home / "admin"))
    rule = "\nrepo app\n    RW+ refs/heads/request/ = codex-1\n    R = @all\n"
    with (home / "admin" / "conf" / "gitolite.conf").open("a") as file:
        file.write(rule)
    who = ("-c", "user.name=kim", "-c", "user.email=kim@agents.example")
    _as(gate, peer, home, "git", "-C", str(home / "admin"), *who, "commit", "-qam", "Add app")
    _as(gate, peer, home / "admin", "gitolite", "push", "-q")
    return True


def _as(gate: Enforced, peer: User, folder: Path, *argv: str) -> None:
    env = {**gate.env, "HOME": str(gate.root / "peer"), "USER": peer.name, "LOGNAME": peer.name}
    env.pop("PYTHONPATH", None)
    safe = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    done = subprocess.run(
        peer.command(argv), cwd=folder, env={**env, **safe}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{argv}: {done.stdout} {done.stderr}")


@contextmanager
def _sshd(gate: Enforced, peer: User, keys: str, name: str) -> Iterator[int]:
    port = free_ports(1)[0]
    listed = gate.root / f"keys-{name}"
    listed.write_text(keys)
    config = gate.root / f"sshd-{name}"
    config.write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {gate.root}/ssh_host_key\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"PasswordAuthentication no\nKbdInteractiveAuthentication no\nAuthorizedKeysFile {listed}\n"
        f"AllowUsers {peer.name}\nPermitTTY no\nDisableForwarding yes\n"
    )
    with serving(
        ["/usr/sbin/sshd", "-D", "-e", "-f", str(config)], {"PATH": "/usr/bin:/bin:/usr/sbin"}, "Server listening on"
    ):
        yield port
