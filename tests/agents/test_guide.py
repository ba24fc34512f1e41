"""The guide: an agent that has read nothing else gets its work live with plain Git."""

import re
from pathlib import Path

import pytest
from gatehouse import Clone, Gatehouse

from gatekeeper.commands.agents import BEGIN, END


def commands(gate: Gatehouse) -> list[str]:
    """Return the Git commands of the printed guide, in their order, for a request called `mine`."""
    text = gate.cli("agents", "guide", ok=True).stdout
    return [found.replace("<name>", "mine") for found in re.findall(r"`(git [^`]*)`", text)]


def test_a_fresh_clone_with_only_the_guide(gate: Gatehouse) -> None:
    """First request, refusal, repair, wait, shipped: each command is one that the agent was shown."""
    fetch, rebase, ask, look, read, _withdraw = commands(gate)
    clone = gate.clone("newcomer")
    clone.commit({"sites/shop/page.txt": "shop guided\n"}, "Guide the newcomer\n\nSurface: sho")
    for line in (fetch, rebase):
        clone.run(*line.split())
    refused = clone.run(*ask.split(), ok=False)
    assert "GATE-202" in refused.stderr
    hints = re.findall(r"hint:   (git .*)", refused.stderr)
    assert hints, refused.stderr
    for line in hints:
        clone.run("sh", "-c", line.strip())
    filed = clone.run(*ask.split(), ok=False)
    assert filed.returncode == 0, filed.stderr
    assert "success:" in filed.stderr
    assert clone.run(*look.split(), ok=False).returncode != 0  # the gate has not seen it yet
    gate.tick()
    clone.run(*look.split())
    told = clone.run(*read.split()).stdout
    assert "State: shipped" in told
    assert f"Version: {gate.version}" in told
    assert gate.answers()["shop"]["text"] == "shop guided"


def test_a_blocked_request_is_read_repaired_and_taken_back_with_plain_git(gate: Gatehouse) -> None:
    *_, ask, look, read, withdraw = commands(gate)
    clone = gate.clone("newcomer")
    clone.commit({"sites/shop/page.txt": "BROKEN\n"}, "Break it")
    clone.run(*ask.split())
    gate.tick()
    clone.run(*look.split())
    told = clone.run(*read.split()).stdout
    assert "State: blocked" in told
    assert "Code: GATE-402" in told
    clone.run(*withdraw.split())
    gate.tick()
    clone.run(*look.split())
    assert "State: withdrawn" in clone.run(*read.split()).stdout


def test_the_guide_is_short_and_names_the_surfaces(gate: Gatehouse) -> None:
    text = gate.cli("agents", "guide", ok=True).stdout
    assert len(text.splitlines()) <= 25
    assert "`shop`, `shop-admin`, `web`" in text
    assert "No request may change `.github`." in text
    assert "git push hub HEAD:request/<name>" in gate.cli("agents", "guide", "--remote", "hub", ok=True).stdout


def test_writing_keeps_what_stands_around_the_marks(gate: Gatehouse, tmp_path: Path) -> None:
    page = tmp_path / "AGENTS.md"
    page.write_text("# Ours\n\nUse tabs.\n")
    gate.cli("agents", "guide", "--write", str(tmp_path), ok=True)
    first = page.read_text()
    assert first.startswith(f"# Ours\n\nUse tabs.\n\n{BEGIN}\n## Going live")
    assert first.endswith(f"{END}\n")
    skill = (tmp_path / ".agents" / "skills" / "request-deploy" / "SKILL.md").read_text()
    assert skill.startswith("---\nname: request-deploy\n")
    assert "HEAD:request/<name>" in skill
    page.write_text(first.replace("Going live", "An old text") + "\nThe end.\n")
    gate.cli("agents", "guide", "--write", str(page), ok=True)
    assert page.read_text() == first + "\nThe end.\n"
    assert "unchanged" in gate.cli("agents", "guide", "--write", str(tmp_path), ok=True).stdout


@pytest.mark.parametrize("marks", [f"{BEGIN}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{END}\n{BEGIN}\n{END}\n"])
def test_half_a_mark_is_left_to_a_person(gate: Gatehouse, tmp_path: Path, marks: str) -> None:
    page = tmp_path / "CLAUDE.md"
    page.write_text(marks)
    done = gate.cli("agents", "guide", "--write", str(page))
    assert done.returncode == 1
    assert "not one pair of them" in done.stderr
    assert page.read_text() == marks


def test_the_list_says_who_answers_and_how_each_is_known(gate: Gatehouse) -> None:
    text = gate.configure('[agents.codex-1]\nowner = "kim"\nsurfaces = ["shop"]\nmax_open = 3\n')
    gate.home.sites_toml.write_text(text)
    Clone(gate.clone("codex-1").folder, "codex-1", gate.clone("codex-1").env).request(
        "one", {"sites/shop/page.txt": "one\n"}
    )
    told = gate.json("agents", "list")["agents"]
    assert [(agent["name"], agent["owner"], agent["open"]) for agent in told] == [("codex-1", "kim", 1)]
    assert gate.cli("agents", "list").stdout == "codex-1  agent of kim  by its claim only  shop  1 open\n"
