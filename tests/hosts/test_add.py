"""`gatekeeper host add`: what it prints, what it does over the operator's own SSH, and that a ship follows."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import pytest
from enforced import retried, serving
from gatehouse import PM2, Gatehouse, build, free_ports

from gatekeeper.hosts import line, parcel
from hosts.machines import SSHD


@dataclass
class Desk:
    """A gate, and a machine that its operator can log in to, and the gate cannot yet."""

    gate: Gatehouse
    far: Path
    user: str
    port: int
    keys: Path
    fingerprint: str

    def host(self, *args: str) -> "subprocess.CompletedProcess[str]":
        return self.gate.cli("host", *args)

    def known(self, *lines: str) -> None:
        """Write what the operator's ssh knows of hosts."""
        ssh = self.gate.root / ".ssh"
        ssh.mkdir(mode=0o700, exist_ok=True)
        (ssh / "known_hosts").write_text("".join(f"{one}\n" for one in lines))


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """A user of the machine is made for it, with a home of their own, as `useradd --create-home` makes it."""
    if os.geteuid() != 0 or not Path(SSHD).exists():
        pytest.skip("it needs root and sshd, to make a user to log in as")
    user, port = f"gk-{token_hex(3)}", free_ports(1)[0]
    with build(("one",)) as gate:
        far = gate.root / "far"
        gate.root.chmod(0o755)
        subprocess.run(
            ["useradd", "--system", "--create-home", "-d", str(far), "-p", "*", "-s", "/bin/sh", user], check=True
        )
        try:
            for name in ("host_key", "id_ed25519"):
                subprocess.run(
                    ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(gate.root / name)], check=True
                )
            ssh = gate.root / ".ssh"
            ssh.mkdir(mode=0o700, exist_ok=True)
            for part in ("id_ed25519", "id_ed25519.pub"):
                shutil.move(gate.root / part, ssh / part)
            keys = far / ".ssh" / "authorized_keys"
            keys.parent.mkdir(mode=0o700)
            keys.write_text((ssh / "id_ed25519.pub").read_text())
            for place in (keys.parent, keys):
                shutil.chown(place, user, user)
            config = gate.root / "sshd_config"
            config.write_text(
                f"ListenAddress 127.0.0.1:{port}\nHostKey {gate.root}/host_key\nPidFile none\nUsePAM no\n"
                "StrictModes yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
                f"SetEnv PATH={PM2.parent}:{os.environ['PATH']}\n"
            )
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
            with serving([SSHD, "-D", "-e", "-f", str(config)], {"PATH": os.environ["PATH"]}, "Server listening on"):
                gate.toml = gate.configure(
                    f'[hosts.web2]\nssh = "{user}@127.0.0.1:{port}"\nhome = "{far}/gate"\n',
                    sites={"one": 'host = "web2"'},
                )
                said = subprocess.run(
                    ["ssh-keygen", "-lf", str(gate.root / "host_key")], capture_output=True, text=True, check=True
                )
                yield Desk(gate, far, user, port, keys, said.stdout.split()[1])
                line.close_all()
        finally:
            subprocess.run(["pkill", "-KILL", "-u", user], check=False)
            retried("userdel", user)


def test_a_host_is_made_ready_step_by_step(desk: Desk) -> None:
    """First nobody knows the host; then it is looked at, made ready, and shipped to."""
    gate = desk.gate
    unknown = desk.host("add", "web2")
    assert unknown.returncode == 1
    assert f"is not known: {desk.fingerprint}" in unknown.stderr
    assert f"--host-key {desk.fingerprint}" in unknown.stderr
    assert not gate.home.known_hosts.exists()

    looked = desk.host("add", "web2", "--host-key", desk.fingerprint)
    assert looked.returncode == 0, looked.stderr
    assert f"\ndo       the folder {desk.far}/gate\n" in looked.stdout
    assert "\ndo       a key of the gate's that runs it, and opens nothing else\n" in looked.stdout
    assert "Nothing was changed. To do it: gatekeeper host add web2 --apply" in looked.stdout
    assert not (desk.far / "gate").exists()
    assert desk.keys.read_text().count("\n") == 1

    wrong = desk.host("add", "web2", "--host-key", "SHA256:other", "--apply")
    assert wrong.returncode == 1
    assert not (desk.far / "gate").exists()

    applied = desk.host("add", "web2", "--host-key", desk.fingerprint, "--apply", "--json")
    assert applied.returncode == 0, applied.stderr
    told = json.loads(applied.stdout)
    assert told["applied"] is True
    assert {step["state"] for step in told["steps"]} == {"done"}
    first, second = desk.keys.read_text().splitlines()
    assert first.strip() == (gate.root / ".ssh" / "id_ed25519.pub").read_text().strip()
    assert second.startswith(f'restrict,command="python3 -I {desk.far}/gate/program/run.py" ssh-ed25519 ')
    assert (desk.far / "gate" / "program" / "digest").read_text().strip() == parcel.packed()[1]
    assert (desk.far / "gate").stat().st_uid != 0
    assert f"[127.0.0.1]:{desk.port} ssh-ed25519 " in gate.home.known_hosts.read_text()

    gate.tick()
    assert gate.version == "v0.1.0", gate.told
    assert gate.ask("one")["version"] == "v0.1.0"
    healthy = {site["name"]: (site["host"], site["healthy"]) for site in gate.json("status")["sites"]}
    assert healthy == {"one": ("web2", True)}
    doctor = gate.cli("doctor")
    assert "Every host answers, with this gatekeeper." in doctor.stdout


def test_again_changes_nothing_and_an_old_program_is_replaced(desk: Desk) -> None:
    again = desk.host("add", "web2", "--host-key", desk.fingerprint, "--apply")
    assert again.returncode == 0, again.stderr
    assert len(desk.keys.read_text().splitlines()) == 2
    (desk.far / "gate" / "program" / "digest").write_text("of another version\n")
    looked = desk.host("add", "web2", "--host-key", desk.fingerprint)
    assert "do       this gatekeeper in" in looked.stdout
    desk.host("add", "web2", "--host-key", desk.fingerprint, "--apply")
    assert (desk.far / "gate" / "program" / "digest").read_text().strip() == parcel.packed()[1]


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [("web3", 3, 'Did you mean "web2"?'), ("x", 3, "[hosts.x]"), ("", 3, "names no host")],
)
def test_a_name_that_is_none(desk: Desk, name: str, status: int, words: str) -> None:
    done = desk.host("add", name)
    assert (done.returncode, words in done.stderr) == (status, True), done.stderr


def test_a_host_that_runs_sites_is_not_let_go(desk: Desk) -> None:
    refused = desk.host("remove", "web2", "--host-key", desk.fingerprint, "--apply")
    assert refused.returncode == 1
    assert "web2 runs one." in refused.stderr
    assert (desk.far / "gate" / "program").is_dir()
    gate = desk.gate
    here = gate.toml.replace('host = "web2"', "").replace(str(gate.ports["one"]), str(free_ports(1)[0]))  # one network
    gate.home.sites_toml.write_text(here)
    gate.tick()
    gone = desk.host("remove", "web2", "--host-key", desk.fingerprint, "--apply")
    assert gone.returncode == 0, gone.stderr
    assert not (desk.far / "gate" / "program").exists()
    assert len(desk.keys.read_text().splitlines()) == 1
    assert (desk.far / "gate" / "live" / "releases").is_dir()
