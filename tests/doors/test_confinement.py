"""Three refusals of a write to `release`, tags and refs/gate, each with the two others taken away."""

import json
import os
from pathlib import Path

import pytest
from hooks.doorway import Answer

from doors.conftest import Behind
from gatekeeper.repo import posted, report, spool

FORBIDDEN = ("refs/heads/release", "refs/tags/v9.9.9", "refs/gate/x", "refs/replace/{oid}", "refs/heads/main")
forbidden = pytest.mark.parametrize("ref", FORBIDDEN, ids=lambda ref: ref.split("/")[1])


def without_hooks(behind: Behind) -> None:
    for name in ("pre-receive", "post-receive"):
        (behind.home.repo / "hooks" / name).unlink()


def without_hidden_refs(behind: Behind) -> None:
    behind.door.repo.git("config", "--unset-all", "receive.hideRefs")


def refused(behind: Behind, answer: Answer, ref: str, before: str) -> None:
    assert answer.status == 1, answer.raw
    assert behind.door.repo.git("for-each-ref", ref) == before


def attempt(behind: Behind, ref: str, *, boxed: bool) -> None:
    oid = behind.clone.commit("Slip in")
    name = ref.format(oid=oid)
    before = behind.door.repo.git("for-each-ref", name)
    push = behind.push if boxed else behind.clone.push
    refused(behind, push("--force", f"HEAD:{name}"), name, before)


@forbidden
def test_by_the_box_alone(behind: Behind, ref: str) -> None:
    without_hooks(behind)
    without_hidden_refs(behind)
    attempt(behind, ref, boxed=True)
    assert behind.push("HEAD:request/fine").status == 0, "without any rule the box still takes a request"


@forbidden
def test_by_hide_refs_alone(behind: Behind, ref: str) -> None:
    without_hooks(behind)
    attempt(behind, ref, boxed=False)


@forbidden
def test_by_the_hook_alone(behind: Behind, ref: str) -> None:
    without_hidden_refs(behind)
    attempt(behind, ref, boxed=False)


def test_a_deletion_in_company_by_the_box_alone(behind: Behind) -> None:
    without_hooks(behind)
    without_hidden_refs(behind)
    behind.door.repo.git("pack-refs", "--all")
    behind.clone.commit("Slip out")
    assert behind.push("HEAD:request/fine", ":refs/tags/v1.4.1").status == 1
    assert behind.door.repo.git("tag") == "v1.4.1"


@pytest.mark.parametrize(
    "place", ["hooks/pre-receive", "config", "HEAD", "objects/info/alternates", "refs/heads/release"]
)
def test_what_a_taken_over_hook_could_write(behind: Behind, place: str) -> None:
    """Whatever runs in the box: the hook, replaced by an attacker's."""
    hook = behind.home.repo / "hooks" / "pre-receive"
    before = (behind.home.repo / place).read_bytes() if place != "hooks/pre-receive" else None
    target = behind.home.repo / place
    hook.write_text(
        f"#!/bin/sh\necho bad >'{target}' && echo WRITTEN\nls {behind.home.path} /proc /root /home 2>&1\nexit 1\n"
    )
    answer = behind.push("HEAD:request/x") if behind.clone.commit("Try") else None
    assert answer is not None
    assert "WRITTEN" not in answer.raw, answer.raw
    assert before is None or target.read_bytes() == before
    assert "keys" not in answer.raw.split(), "neither the signing key nor sites.toml is in the box"


def test_a_taken_over_hook_decides_nothing(behind: Behind) -> None:
    """Neither at the Librarian's door, which is not there, nor by a file among those that people's decisions are."""
    home, hook = behind.home, behind.home.repo / "hooks" / "pre-receive"
    home.door.touch()
    forged = '{"v":1,"event":"decision","verb":"rollback","id":null,"message":"","args":{},"at":""}'
    hook.write_text(
        f"#!/bin/sh\ncd {home.var} && ls\necho '{forged}' >spool/1-1.json\n"
        f"mkdir -p spool/decided; echo '{forged}' >spool/decided/1-1.json && echo WRITTEN\n"
        "mv spool/decided spool/other && echo MOVED\nexit 1\n"
    )
    behind.clone.commit("Try")
    said = behind.push("HEAD:request/x").raw
    assert "policy.json" in said, "it ran"
    assert not {"door.sock", "WRITTEN", "MOVED"} & set(said.split()), said
    assert [entry.event for entry in spool.read(home.spool)] == ["broken"]


def test_what_a_taken_over_hook_leaves_in_the_answers_leads_nowhere(tmp_path: Path) -> None:
    """The door reads and writes there too, as the Librarian, outside the box."""
    answers, secret = tmp_path / "var" / "answers", tmp_path / "key"
    answers.mkdir(parents=True)
    secret.write_text("secret")
    link, pipe = (answers / posted.answer_key(new, "x") for new in "01")
    link.symlink_to(secret)
    os.mkfifo(pipe)
    assert "secret" not in posted.answer_to(str(tmp_path), "0", "x")
    for place in (link, pipe):
        with pytest.raises(OSError, match=r"symbolic links|No such device"):
            report.leave_answer(str(tmp_path), place.name, "words")
    assert "filed" in posted.answer_to(str(tmp_path), "1", "x")
    assert secret.read_text() == "secret"


def test_what_a_taken_over_hook_leaves_in_the_spool_hangs_and_shows_nothing(tmp_path: Path) -> None:
    folder, secret = tmp_path / "var" / "spool", tmp_path / "secret.json"
    folder.mkdir(parents=True)
    secret.write_text(json.dumps({"event": "pushing", "id": "x", "new": "y", "agent": {"name": "kim"}}))
    (folder / "1.json").symlink_to(secret)
    os.mkfifo(folder / "2.json")
    (folder / "3.json").mkdir()
    (folder / "4.json").write_text('{"event":"refused","agent":["kim"]}')
    (folder / "5.json").write_text("[" * 60_000)
    os.mkfifo(folder / report.COUNTER)
    assert {entry.event for entry in spool.read(folder)} == {"broken"}
    assert report.pushes(str(tmp_path)) == []
    assert (report.dropped(str(tmp_path)), spool.only_counted(folder)) == (0, 0)
    spool.drop(folder, ("1.json", "2.json", "3.json", "4.json", "5.json", report.COUNTER))
    assert list(folder.iterdir()) == []
    assert secret.exists()


def test_a_request_that_is_a_link_to_release_takes_nothing_along(behind: Behind) -> None:
    """Who took over what serves a push could make one: request refs can be written in the box."""
    repo, ref = behind.door.repo, "refs/heads/request/x"
    repo.git("symbolic-ref", ref, "refs/heads/release")
    tip = repo.git("rev-parse", "refs/heads/release")
    behind.push(":request/x", agent="kim")
    assert repo.git("rev-parse", "refs/heads/release") == tip
