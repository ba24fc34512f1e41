"""`gatekeeper setup` on a machine of its own: planned, killed at every action, run again, two gates, taken back."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from enforced import serving
from gatehouse import PM2, free_ports

from gatekeeper.config import standing
from gatekeeper.home import Home

from .machine import PATH, Machine, build

SITES = """
[pm2]
command = ["{pm2}"]

[sites.docs]
path = "sites/docs"
mode = "static"

[sites.shop]
path = "sites/shop"
script = "server.js"
user = "{user}"

[agents.codex-1]
owner = "kim"
unix_user = "{agent}"
ssh_key = "{key}"
"""
_ALL = ("gatekeeper", "site-shop", "agent-a")


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with build() as made:
        yield made


@pytest.fixture(scope="module")
def key(machine: Machine) -> str:
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(machine.root / "key")]
    subprocess.run(argv, check=True)
    return (machine.root / "key.pub").read_text().strip()


@pytest.fixture(scope="module")
def first(machine: Machine, key: str) -> Path:
    toml = SITES.format(pm2=PM2, user="site-shop", agent="agent-a", key=key)
    return machine.make_gate("one", toml)


@pytest.fixture(scope="module")
def made(machine: Machine, first: Path) -> Path:
    """The first gate, set up by as many runs as it takes when each is killed one action later than the one before."""
    daemon = _old_daemon(machine, first / "var" / "pm2")
    after = 1
    while machine.dying(after, first, "setup", "--apply"):
        after += 1
    assert after > 5
    assert _ended(daemon), "the pm2 that ran the sites as root"
    return first


def _old_daemon(machine: Machine, pm2_home: Path, user: str | None = None) -> int:
    """Start what ran the sites before: somebody's pm2, root's when nobody is named."""
    machine.run("env", f"PM2_HOME={pm2_home}", f"HOME={pm2_home}", str(PM2), "ping", user=user)
    return int((pm2_home / "pm2.pid").read_text())


def _ended(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def _json(machine: Machine, home: Path, *args: str) -> dict[str, object]:
    return dict(json.loads(machine.gate(home, "setup", *args, "--json").stdout))


def _seen(path: Path) -> tuple[int, int]:
    seen = path.stat()
    return seen.st_uid, seen.st_mode & 0o7777


def _uid(machine: Machine, user: str) -> int:
    return int(machine.run("id", "-u", user).stdout)


def test_a_plan_names_every_command_and_changes_nothing(machine: Machine, first: Path) -> None:
    before = (machine.lines("/etc/passwd"), sorted(first.iterdir()))
    said = machine.gate(first, "setup").stdout
    for words in (
        "useradd --system --no-create-home --user-group --home-dir",
        "usermod --add-subuids",
        f"install -d -o site-shop -g site-shop -m 0700 {first}/data/shop",
        f"chown -R -h gatekeeper:gatekeeper {first}/repo.git",
        "write /etc/ssh/sshd_config.d/gatekeeper-gate.conf (root, 0644):",
        "|     PermitTTY no",
        f"--gate {first} steward shop   # site shop",
        f"Carry it out: sudo gatekeeper --gate {first} setup --apply",
    ):
        assert words in said
    plan = _json(machine, first)
    assert plan["blockers"] == []
    assert plan["applied"] is False
    assert (machine.lines("/etc/passwd"), sorted(first.iterdir())) == before


def test_only_root_can_carry_it_out(machine: Machine, first: Path) -> None:
    first.joinpath("var").chmod(0o755)  # so that somebody else gets as far as being refused
    done = machine.gate(first, "setup", "--apply", user="daemon", ok=False)
    first.joinpath("var").chmod(0o700)
    assert done.returncode == 1
    assert "hint: sudo " in done.stderr
    assert "setup --apply" in done.stderr


def test_everything_belongs_to_whom_it_should(machine: Machine, made: Path) -> None:
    librarian, site, agent = (_uid(machine, user) for user in _ALL)
    assert len({librarian, site, agent, 0}) == 4
    for name, mode in (
        ("", 0o711),
        ("repo.git", 0o700),
        ("var", 0o700),
        ("keys", 0o700),
        ("live", 0o755),
        ("doors", 0o755),
        ("sites", 0o711),
        ("data", 0o711),
    ):
        assert _seen(made / name) == (librarian, mode), name
    for name, mode in (("sites/shop", 0o711), ("sites/shop/pm2", 0o700), ("data/shop", 0o700)):
        assert _seen(made / name) == (site, mode), name
    strangers = machine.run("find", str(made), "!", "-user", "gatekeeper", "!", "-user", "site-shop").stdout
    assert strangers == ""
    assert _seen(Path(f"{machine.root}/home/agent-a"))[1] == 0o700
    for table in ("/etc/subuid", "/etc/subgid"):
        assert any(line.startswith("gatekeeper:") for line in machine.lines(table))


def test_run_again_it_has_nothing_to_do(machine: Machine, made: Path) -> None:
    before = (made / "var" / "setup.json").read_bytes()
    assert machine.gate(made, "setup", "--apply").stdout.startswith("nothing to do: all of it holds\n")
    assert (made / "var" / "setup.json").read_bytes() == before
    record = json.loads(before)
    assert (record["v"], record["name"], set(record["users"])) == (1, "gate", set(_ALL))


def test_the_gate_is_enforced_then_and_works(machine: Machine, made: Path) -> None:
    assert standing.shortfalls(Home(made), uid=_uid(machine, "gatekeeper")) == ()
    machine.gate(made, "tick", user="gatekeeper")  # shop is absent from the tree, docs is static
    status = json.loads(machine.gate(made, "status", "--json", user="gatekeeper").stdout)
    assert status["enforcement"] == "enforced"
    assert status["release"]["version"] == "v0.1.0"
    assert machine.run("ls", f"{made}/var", user="agent-a", ok=False).returncode != 0
    assert machine.run("ls", f"{made}/data/shop", user="gatekeeper", ok=False).returncode != 0


def test_the_doctor_names_the_set_up_and_what_does_not_run_yet(machine: Machine, made: Path) -> None:
    done = machine.gate(made, "doctor", "--json", user="gatekeeper", ok=False)
    said = json.loads(done.stdout)
    assert (done.returncode, said["enforcement"]) == (1, "enforced")
    wrong = {
        one["text"].split(":")[0] for one in said["findings"] if one["level"] == "wrong" and one["about"] != "kernel"
    }
    assert wrong == {
        "No Librarian runs",
        'The steward of site "shop" cannot be reached',
        "Nobody opens the local door",
    }
    machine.run("usermod", "--append", "--groups", "adm", "agent-a")
    machine.run("chmod", "0755", f"{made}/var")
    told = machine.gate(made, "doctor", ok=False).stdout
    machine.run("chmod", "0700", f"{made}/var")
    machine.run("gpasswd", "--delete", "agent-a", "adm")
    assert "wrong  It was set up as enforced and is advisory now." in told
    assert f"Not as setup made it: all of {made}/var: gatekeeper, 0700." in told
    assert "Agent codex-1 (agent-a) is in the group adm" in told


def test_what_it_says_to_start_starts(machine: Machine, made: Path) -> None:
    starts = {str(start["what"]): start for start in _json(machine, made)["start"]}  # type: ignore[attr-defined]
    assert list(starts) == ["site shop", "the local door", "the Librarian"]
    printed = machine.gate(made, "setup").stdout.splitlines()
    line = next(line for line in printed if line.endswith("# the local door"))
    argv = line.partition("#")[0].split()
    with serving(machine.command(argv), {"PATH": PATH}, "is open at"):
        said = machine.run("git", "ls-remote", f"ext::false {made}", user="agent-a", ok=False)  # a door, no path
        assert said.returncode != 0
        helper = ("env", f"PATH={Path(__file__).parents[2]}:{PATH}", "git", "ls-remote", f"gate::{made}")
        assert "refs/heads/release" in machine.run(*helper, user="agent-a").stdout


def test_the_ssh_door_lets_in_the_key_and_nothing_else(machine: Machine, made: Path) -> None:
    machine.gate(made, "tick", user="gatekeeper")  # writes authorized_keys
    port = free_ports(1)[0]
    server = machine.command(
        ("/usr/sbin/sshd", "-D", "-e", "-p", str(port), "-o", "ListenAddress=127.0.0.1", "-o", "PidFile=none")
    )
    with serving(server, {"PATH": PATH}, "Server listening on"):
        there: tuple[str, ...] = ("-F", "none", "-p", str(port), "-o", "StrictHostKeyChecking=no")
        there += ("-o", "UserKnownHostsFile=/dev/null")
        there += ("-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-i", str(machine.root / "key"))
        said = machine.run("ssh", *there, "gatekeeper@127.0.0.1", "status", "--json")
        assert json.loads(said.stdout)["enforcement"] == "enforced"
        for options, words in (((), ("id",)), (("-t",), ()), (("-W", f"127.0.0.1:{port}"), ()), (("-s",), ("sftp",))):
            said = machine.run("ssh", *there, *options, "gatekeeper@127.0.0.1", *words, ok=False)
            assert said.returncode != 0, (options, words)
        stranger = machine.root / "stranger"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(stranger)], check=True)
        said = machine.run("ssh", *there[:-1], str(stranger), "gatekeeper@127.0.0.1", "status", ok=False)
        assert "Permission denied (publickey)" in said.stderr


def test_a_drop_in_that_sshd_refuses_is_taken_away_again(machine: Machine, made: Path) -> None:
    config = Path(machine.root, "etc/ssh/sshd_config")
    drop_in = Path(machine.root, "etc/ssh/sshd_config.d/gatekeeper-gate.conf")
    before, text = config.read_text(), drop_in.read_text()
    config.write_text(before + "NoSuchOption yes\n")
    drop_in.write_text("# changed by hand\n")
    done = machine.gate(made, "setup", "--apply", ok=False)
    assert done.returncode == 1
    assert "`sshd -t` failed" in done.stderr
    assert not drop_in.exists()
    config.write_text(before)
    machine.gate(made, "setup", "--apply")
    assert drop_in.read_text() == text


def test_a_second_gate_has_names_of_its_own_and_leaves_the_first_alone(machine: Machine, made: Path, key: str) -> None:
    toml = SITES.format(pm2=PM2, user="site-shop", agent="agent-b", key=key)
    two = machine.make_gate("two", toml)
    refused = machine.gate(two, "setup", "--apply", ok=False)
    assert f"its home is {made}" in refused.stderr
    assert "setup --name two" in refused.stderr
    refused = machine.gate(two, "setup", "--name", "two", "--apply", ok=False)
    assert "The user site-shop is of something else: Gatekeeper gate (site shop)" in refused.stderr
    (two / "sites.toml").write_text(toml.replace('user = "site-shop"', 'user = "two-shop"'))
    machine.gate(two, "setup", "--name", "two", "--apply")
    assert _seen(two)[0] == _uid(machine, "gatekeeper-two")
    assert machine.gate(two, "setup", "--apply").stdout.startswith("nothing to do")  # the name is remembered
    assert machine.gate(made, "setup", "--apply").stdout.startswith("nothing to do")
    machine.gate(two, "tick", user="gatekeeper-two")
    assert standing.shortfalls(Home(two), uid=_uid(machine, "gatekeeper-two")) == ()
    ranges = [line for line in machine.lines("/etc/subuid") if line.startswith("gatekeeper")]
    firsts = sorted(int(line.split(":")[1]) for line in ranges)
    assert firsts[1] - firsts[0] >= 65536
    assert machine.run("ls", f"{two}/var", user="gatekeeper", ok=False).returncode != 0

    machine.gate(two, "setup", "--undo", "--apply")
    left = {line.split(":")[0] for line in machine.lines("/etc/passwd")}
    assert left & {"gatekeeper-two", "two-shop", "agent-b"} == set()
    assert left >= set(_ALL)
    assert machine.gate(made, "setup", "--apply").stdout.startswith("nothing to do")
    assert machine.gate(two, "setup", "--undo").stdout.startswith("Nothing to undo")


def test_agents_are_added_to_sites_toml_and_get_users(machine: Machine, made: Path) -> None:
    before = (made / "sites.toml").read_text()
    said = machine.gate(made, "setup", "--agents", "codex-7").stdout
    assert '         | [agents.codex-7]\n         | owner = "' in said
    assert (made / "sites.toml").read_text() == before
    machine.gate(made, "setup", "--agents", "codex-1,codex-7", "--apply")
    added = (made / "sites.toml").read_text().removeprefix(before)
    assert added.strip().splitlines()[0] == "[agents.codex-7]"
    assert "codex-1" not in added
    assert _seen(made / "sites.toml")[0] == _uid(machine, "gatekeeper")
    assert _uid(machine, "codex-7") > 0
    assert machine.gate(made, "setup", "--agents", "codex-7", "--apply").stdout.startswith("nothing to do")
    refused = machine.gate(made, "setup", "--agents", "Kim;rm", ok=False)
    assert refused.returncode == 22


def test_a_site_gets_another_user_with_all_that_it_keeps(machine: Machine, made: Path) -> None:
    kept, toml = made / "data" / "shop", (made / "sites.toml").read_text()
    machine.run("sh", "-c", f"mkdir {kept}/uploads && echo kept > {kept}/uploads/a", user="site-shop")
    daemon = _old_daemon(machine, made / "sites" / "shop" / "pm2", "site-shop")
    (made / "sites.toml").write_text(toml.replace('user = "site-shop"', 'user = "shop-2"'))
    assert f"PM2_HOME={made}/sites/shop/pm2 HOME=" in machine.gate(made, "setup").stdout
    machine.gate(made, "setup", "--apply")
    assert _ended(daemon)
    assert {_seen(path)[0] for path in (kept, *kept.rglob("*"))} == {_uid(machine, "shop-2")}
    assert {_seen(path)[0] for path in (made / "sites" / "shop").rglob("*")} == {_uid(machine, "shop-2")}
    assert machine.gate(made, "setup", "--apply").stdout.startswith("nothing to do")
    (made / "sites.toml").write_text(toml)
    machine.gate(made, "setup", "--apply")
    assert _seen(kept / "uploads" / "a")[0] == _uid(machine, "site-shop")


def test_undo_takes_back_what_setup_made_and_no_more(machine: Machine, made: Path) -> None:
    # what comes after it finds what it left; killed one action later each time, as the setup was
    machine.run("useradd", "--system", "--comment", "of somebody else", "bystander")
    record = json.loads((made / "var" / "setup.json").read_text())
    record["users"].append("bystander")  # what lies with the Librarian names whom it likes
    (made / "var" / "setup.json").write_text(json.dumps(record))
    said = machine.gate(made, "setup", "--undo").stdout
    assert "userdel site-shop" in said
    assert "stays  user bystander" in said
    assert _uid(machine, "site-shop")
    after = 1
    while machine.dying(after, made, "setup", "--undo", "--apply"):
        after += 1
    left = {line.split(":")[0] for line in machine.lines("/etc/passwd")}
    assert left & {*_ALL, "codex-7"} == set()
    assert "bystander" in left
    assert not Path(machine.root, "etc/ssh/sshd_config.d/gatekeeper-gate.conf").exists()
    assert not any(line.startswith("gatekeeper:") for line in machine.lines("/etc/subuid"))
    assert {_seen(path)[0] for path in (made, made / "repo.git", made / "data" / "shop")} == {0}
    assert _seen(Path(f"{machine.root}/home/agent-a"))[0] == 0
    machine.gate(made, "tick")
    status = json.loads(machine.gate(made, "status", "--json").stdout)
    assert (status["enforcement"], status["release"]["version"]) == ("advisory", "v0.1.0")
    assert _json(machine, made)["blockers"] == []


def test_a_home_that_an_undo_left_is_handed_over_though_setup_was_killed_before(machine: Machine, made: Path) -> None:
    """It needs the test before it."""
    home = Path(f"{machine.root}/home/agent-a")
    before = 0
    for step in _json(machine, made)["steps"]:  # type: ignore[attr-defined]
        if step["what"] == "home /home/agent-a: agent-a":
            break
        before += 0 if step["holds"] else len(step["actions"])
    assert machine.dying(before, made, "setup", "--apply")
    assert (_uid(machine, "agent-a") > 0, _seen(home)[0]) == (True, 0)
    machine.gate(made, "setup", "--apply")
    assert _seen(home) == (_uid(machine, "agent-a"), 0o700)
