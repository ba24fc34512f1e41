"""Three refusals of a write to `release`, tags and refs/gate, each with the two others taken away."""

import pytest
from hooks.doorway import Answer

from doors.conftest import Behind

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
