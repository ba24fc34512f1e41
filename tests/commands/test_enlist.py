"""`agents add` and `agents remove`: who may push, from the next push or heartbeat on."""

from pathlib import Path

import pytest
from gatehouse import Clone, Gatehouse

from gatekeeper.config.load import load

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"


@pytest.fixture
def named(gate: Gatehouse) -> Gatehouse:
    """The gate, with one agent that answers to kim."""
    gate.configure('# who may push\n[agents.codex-1]\nowner = "kim"\n')
    return gate


def claiming(gate: Gatehouse, agent: str) -> Clone:
    clone = gate.clone(agent)
    return Clone(clone.folder, agent, clone.env | {"GATE_AGENT": agent})


def test_an_agent_that_is_added_may_push_and_one_that_is_removed_may_not(named: Gatehouse) -> None:
    named.tick()
    newcomer = claiming(named, "codex-2")
    newcomer.commit({"sites/shop/page.txt": "by codex-2\n"}, "Come in")
    assert newcomer.push("HEAD:request/mine").code == "GATE-301"

    before = named.home.sites_toml.read_text()
    said = named.cli(
        "agents", "add", "codex-2", "--owner", "lee", "--surface", "shop", "--max-open", "2", ok=True
    ).stdout
    assert said.startswith("added    codex-2, agent of lee, to ")
    assert "in force with the next heartbeat: gatekeeper tick" in said
    assert named.home.sites_toml.read_text().startswith(before.rstrip())
    named.tick()
    assert newcomer.push("HEAD:request/mine").status == 0

    said = named.cli("agents", "remove", "codex-2", ok=True).stdout
    assert "wait for a person (GATE-301): mine" in said
    assert "gatekeeper reject mine -m …" in said
    assert named.home.sites_toml.read_text() == before
    named.tick()
    assert newcomer.push("HEAD:request/more").code == "GATE-301"


def test_what_is_asked_wrongly_changes_nothing(named: Gatehouse, tmp_path: Path) -> None:
    before = named.home.sites_toml.read_text()
    for asked, status, said in [
        (("add", "codex-1"), 1, "names the agent codex-1 already"),
        (("add", "codex-2", "--surface", "sho"), 22, 'Did you mean "shop"?'),
        (("add", "codex-2", "--ssh-key", str(tmp_path / "none.pub")), 1, "neither a public key"),
        (("add", "Librarian"), 22, "choose another name"),
        (("remove", "codex-11"), 3, 'Did you mean "codex-1"?'),
        (("remove", "codex-1"), 1, "is the only agent that sites.toml names"),
    ]:
        done = named.cli("agents", *asked)
        assert (done.returncode, said in done.stderr) == (status, True), (asked, done.stderr)
        assert named.home.sites_toml.read_text() == before


def test_a_key_is_read_from_its_file_and_the_mode_of_sites_toml_stays(named: Gatehouse, tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(f"{KEY} codex@laptop\n")
    named.home.sites_toml.chmod(0o640)
    said = named.cli("agents", "add", "codex-2", "--ssh-key", str(tmp_path / "key.pub"), "--role", "operator", ok=True)
    added = load(named.home.sites_toml).agents["codex-2"]
    assert (added.ssh_key, added.role) == (KEY, "operator")
    assert "setup --apply" in said.stdout
    assert named.home.sites_toml.stat().st_mode & 0o777 == 0o640


def test_the_first_agent_closes_the_door_to_all_others(gate: Gatehouse) -> None:
    gate.configure()
    said = gate.cli("agents", "add", "codex-1", ok=True).stdout
    assert "From now on only agents that sites.toml names may push." in said
    assert "known by its claim only" in said
