"""Pushes through the door: what Git itself sends, and what only a client of somebody's own would."""

import json
import os
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest
from hooks.doorway import Clone

from doors.conftest import AGENTS, SITES, Behind
from gatekeeper.config.force import in_force
from gatekeeper.doors import commands, places, serve
from gatekeeper.doors.wire import FLUSH, Wire, packet
from gatekeeper.model import Actor, Assurance

ZERO, OID = b"0" * 40, b"1" * 40
ABILITIES = b"\0report-status side-band-64k push-options"
CODEX = Actor("codex-1", Assurance.KEY)


def said(behind: Behind, sent: bytes) -> str:
    """Send raw bytes, hang up, and return what the door said."""
    client, server = os.pipe(), os.pipe()
    os.write(client[1], sent)
    os.close(client[1])
    serve.push(behind.home, CODEX, Wire(client[0], server[1]))
    os.close(server[1])
    with os.fdopen(server[0], "rb") as answer:
        text = answer.read().decode("utf-8", "replace")
    os.close(client[0])
    return text


def command(ref: bytes, old: bytes = ZERO, new: bytes = OID, more: bytes = ABILITIES) -> bytes:
    return packet(old + b" " + new + b" " + ref + more)


def test_a_request_from_filing_to_withdrawal(behind: Behind) -> None:
    assert behind.file("fix-1").machine["event"] == "filed"
    assert behind.door.spool("pushing")[0]["agent"]["name"] == "codex-1"
    reflog = (behind.home.repo / "logs" / "refs" / "heads" / "request" / "fix-1").read_text()
    assert " codex-1 <codex-1@agents.invalid> " in reflog
    assert behind.push(":request/fix-1", agent="codex-2").code == "GATE-302"
    gone = behind.push(":request/fix-1")
    assert (gone.status, gone.machine["event"]) == (0, "withdrawn")
    assert "refs/heads/request/fix-1" not in behind.door.refs()
    assert behind.door.spool("withdraw")[0]["agent"]["name"] == "codex-1"
    assert behind.push(":request/fix-1").status == 1, "it is not there any more"


def test_a_push_that_no_pipe_holds_at_once(behind: Behind) -> None:
    (behind.clone.folder / "sites" / "shop").mkdir(parents=True, exist_ok=True)
    (behind.clone.folder / "sites" / "shop" / "big").write_bytes(os.urandom(3 << 20))
    assert behind.file("fix-1").machine["event"] == "filed"
    behind.door.repo.git("fsck", "--connectivity-only")


def test_a_packed_request_is_updated_and_withdrawn(behind: Behind) -> None:
    behind.file("fix-1")
    behind.door.repo.git("pack-refs", "--all", "--prune")
    assert behind.file("fix-1").machine["event"] == "updated"
    behind.door.repo.git("pack-refs", "--all", "--prune")
    assert behind.push(":request/fix-1").machine["event"] == "withdrawn"


def test_a_withdrawal_of_what_has_moved_on_leaves_it(behind: Behind) -> None:
    behind.file("fix-1")
    tip = behind.door.repo.git("rev-parse", "refs/heads/request/fix-1").encode()
    behind.file("fix-1")
    answer = said(behind, command(b"refs/heads/request/fix-1", tip, ZERO) + FLUSH + FLUSH)
    assert "ng refs/heads/request/fix-1 the request has moved on" in answer
    assert "refs/heads/request/fix-1" in behind.door.refs()


@pytest.mark.parametrize("ref", ["refs/heads/release", "refs/tags/v1.4.1"])
def test_deletions_that_are_nobodys(behind: Behind, ref: str) -> None:
    before = behind.door.refs()
    answer = behind.push(f":{ref}")
    assert (answer.status, answer.code) == (1, "GATE-101" if ref.endswith("release") else "GATE-102")
    assert behind.door.refs() == before


def test_a_deletion_in_company_is_refused(behind: Behind) -> None:
    behind.file("fix-1")
    assert behind.push("HEAD:request/fix-2", ":request/fix-1").code == "GATE-105"
    assert behind.door.refs().count("refs/heads/request/fix-1") == 1
    assert "refs/heads/request/fix-2" not in behind.door.refs()


def test_push_options_are_refused_whatever_their_length(behind: Behind) -> None:
    behind.clone.commit()
    for option in ("intent=x", "x" * 60_000):
        assert behind.push("-o", option, "HEAD:request/fix-1").code == "GATE-210"
    assert "refs/heads/request/fix-1" not in behind.door.refs()


def test_a_shallow_clone_may_push(behind: Behind, tmp_path: Path) -> None:
    shallow = Clone(tmp_path / "shallow", behind.clone.env)
    behind.clone.git("clone", "-q", "--depth", "1", "-b", "release", behind.home.repo.as_uri(), str(shallow.folder))
    shallow.commit("From a shallow clone")
    assert behind.push("HEAD:request/fix-1", clone=shallow).machine["event"] == "filed"


def test_fetching_through_the_door(behind: Behind, tmp_path: Path) -> None:
    program = behind.program("upload-pack", "codex-2")
    env = {**behind.clone.env, "GIT_PROTOCOL": "version=2:x=y"}
    Clone(tmp_path, env).git("clone", "-q", f"--upload-pack={program}", str(behind.home.repo), "copy")
    assert (tmp_path / "copy" / "sites" / "shop" / "cart.js").read_text() == "1\n"


@pytest.mark.parametrize(
    "sent",
    [
        command(b"HEAD"),
        command(b"refs/heads/request/x\n" + ZERO + b" " + OID + b" refs/heads/request/y"),
        command(b"refs/heads/request/x") + packet(OID + b" " + ZERO + b" refs/heads/release\0"),
        command(b"refs/heads/request/../release"),
        command(b"refs/heads/request/\x1b[31m"),
        command(b"refs/heads/request/\xe2\x80\xaegpj"),
        command(b"refs/heads/request/x", new=b"1" * 39),
        command(b"refs/heads/request/x", new=b"G" * 40),
        packet(b"push-cert" + ABILITIES) + packet(b"certificate version 0.1\n"),
        packet(b"hello" + ABILITIES),
        packet(b""),
        command(b"refs/heads/release", OID, ZERO),
        command(b"refs/heads/request/x") * 2,
    ],
)
def test_what_only_a_client_of_somebodys_own_sends(behind: Behind, sent: bytes) -> None:
    before = behind.door.refs()
    answer = said(behind, sent + FLUSH + FLUSH)
    assert "ok refs" not in answer
    assert behind.door.refs() == before
    assert behind.door.spool("pushing") == []
    assert behind.door.spool("withdraw") == []


@pytest.mark.parametrize("sent", [b"", b"zzzz", b"0001", b"fff", b"00ff12", FLUSH, packet(b"shallow " + OID) + FLUSH])
def test_a_client_that_says_nothing_of_use(behind: Behind, sent: bytes) -> None:
    before = behind.door.refs()
    said(behind, sent)
    assert behind.door.refs() == before


def test_push_options_with_a_line_break_or_nul(behind: Behind) -> None:
    for option in (b"intent=ok\nAgent: root", b"intent=ok\0hidden"):
        answer = said(behind, command(b"refs/heads/release") + FLUSH + packet(option) + FLUSH)
        assert "ok refs" not in answer


def test_a_saved_sites_toml_counts_at_the_next_push(behind: Behind) -> None:
    behind.home.applied_toml.write_text(AGENTS + SITES)
    assert behind.file("fix-1").code is None
    behind.configure(AGENTS.replace("codex-1", "codex-9"))
    answer = behind.file("fix-1")
    assert (answer.status, answer.lines) == (128, [])
    assert "GATE-301" in answer.raw
    behind.home.sites_toml.write_text("[agents")
    assert "GATE-301" in behind.file("fix-1").raw, "an invalid file changes nothing"
    assert set(in_force(behind.home).config.agents) == {"codex-2", "kim"}, "for the Librarian neither"
    behind.configure()
    assert behind.file("fix-1").code is None
    keys = json.loads((behind.home.var / "policy.json").read_text())["agents"]
    assert set(keys) == {"codex-1", "codex-2", "kim"}


def test_more_visits_of_one_agent_over_ssh_than_there_are_places(behind: Behind) -> None:
    with ExitStack() as stack:
        assert [stack.enter_context(places.place(behind.home, "codex-1")) for _ in range(9)] == [True] * 8 + [False]
        assert "GATE-304 8 connections of yours" in behind.file("fix-1").raw
        assert behind.file("fix-1", agent="codex-2").code is None
    assert behind.push(":request/fix-1", agent="codex-2").code is None


def test_without_a_policy_nothing_is_taken(behind: Behind) -> None:
    behind.file("fix-1")
    (behind.home.var / "policy.json").write_text("[]")
    tip = behind.door.repo.git("rev-parse", "refs/heads/request/fix-1").encode()
    answer = said(behind, command(b"refs/heads/request/fix-1", tip, ZERO) + FLUSH + FLUSH)
    assert "GATE-501" in answer
    assert "refs/heads/request/fix-1" in behind.door.refs()


def test_the_folders_that_git_prunes_are_there_again(behind: Behind) -> None:
    for place in ("refs/heads/request", "logs/refs/heads/request"):
        shutil.rmtree(behind.home.repo / place, ignore_errors=True)
    assert behind.file("fix-1").code is None


@pytest.mark.parametrize(
    ("sent", "sound"),
    [
        (command(b"refs/heads/request/x"), True),
        (packet(b"shallow " + OID) + command(b"refs/heads/request/x") + command(b"refs/tags/y", more=b"\n"), True),
        (command(b"refs/heads/request/x\nforged"), False),
        (command(b"refs/heads/request/x") + command(b"refs/heads/request/y", more=b"\0z"), False),
        (command(b"refs/heads/request/x", new=b"1" * 41), False),
        (command(b""), False),
        (packet(b"push-cert" + ABILITIES), False),
    ],
)
def test_what_receive_pack_gets_to_see(sent: bytes, *, sound: bool) -> None:
    reader, writer = os.pipe()
    os.write(writer, sent + FLUSH + FLUSH)
    os.close(writer)
    push = commands.read(Wire(reader, -1))
    os.close(reader)
    assert push.sound is sound
    assert push.deletion is None
    assert push.raw == sent + FLUSH + FLUSH
    assert bool(push.lines) is sound
