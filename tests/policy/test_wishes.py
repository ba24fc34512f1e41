"""Trailers: every value is accepted as the contract says, and noise is refused, never guessed."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper import messages
from gatekeeper.model import Ask
from gatekeeper.policy import admission, wishes
from gatekeeper.policy.pushed import Change, Claim, Commit, Entry, Facts, Other, Refusal
from gatekeeper.policy.texts import hidden, is_request_id, nearest_id
from gatekeeper.policy.wishes import Wish

OID = "1" * 40
POLICY: dict[str, Any] = {
    "surfaces": {"shop": ["sites/shop"], "shop-admin": ["sites/shop-admin"], "web": ["sites/web"]},
    "agents": {},
    "protected": [],
    "taken_out": [],
    "limits": {
        "request_paths": 10,
        "request_depth": 10,
        "request_bytes": 10,
        "message_bytes": 10,
        "open_requests": 2,
    },
}


def facts(*trailers: tuple[str, str], subject: str = "Fix it", paths: tuple[str, ...] = ("sites/shop/a",)) -> Facts:
    tip = Commit(OID, OID, "codex-1", "a@b", "codex-1", "a@b", subject, trailers)
    change = Change(tuple(Entry(path, "100644", OID, 1) for path in paths), len(paths), 1, 1)
    return Facts("fix-1", OID, "commit", 5, OID, False, False, OID, (tip,), change, None, None, ())


def asked(*trailers: tuple[str, str], **more: Any) -> Wish | Refusal:
    return admission.judge(facts(*trailers, **more), POLICY, Claim("codex-1"))


def test_the_defaults() -> None:
    wish = asked(paths=("sites/shop/a", "sites/web/b", "lib/c"))
    assert wish == Wish(("root", "shop", "web"), "Fix it", OID, "patch", None, None, try_only=False)


def test_the_librarians_own_value() -> None:
    wish = asked(("SURFACE", "shop , web"), ("Bump", "minor"), ("Try", "yes"), ("Depends-On", "a"), ("urgency", "now"))
    assert isinstance(wish, Wish)
    assert wish.ask() == Ask(
        surfaces=("shop", "web"),  # type: ignore[arg-type]
        intent="Fix it",
        artifact=OID,
        bump="minor",
        urgency="now",
        depends_on="a",  # type: ignore[arg-type]
        try_only=True,
    )


@pytest.mark.parametrize("artifact", ["a", "sha256:0f3a/x_y@1.2+b-c", "9" * 128])
def test_artifacts(artifact: str) -> None:
    wish = asked(("Artifact", artifact))
    assert isinstance(wish, Wish)
    assert wish.artifact == artifact


@pytest.mark.parametrize("artifact", ["", "-a", ".a", "9" * 129, "a b", "ä", "a\n", "$(id)"])
def test_what_is_no_artifact(artifact: str) -> None:
    refusal = asked(("Artifact", artifact))
    assert isinstance(refusal, Refusal)
    assert refusal.code == "GATE-209"


@pytest.mark.parametrize(
    "trailer", ["Co-authored-by", "Signed-off-by", "Change-Id", "Agent", "Approved-By", "Request-Id"]
)
def test_other_trailers_mean_nothing(trailer: str) -> None:
    assert isinstance(asked((trailer, "x"), (trailer, "x")), Wish)


@given(
    st.lists(st.tuples(st.sampled_from([*wishes.NAMES.values(), "Surfaces", "X"]), st.text(max_size=20)), max_size=4),
    st.text(),
)
def test_noise_is_refused_or_valid(trailers: list[tuple[str, str]], subject: str) -> None:
    answer = asked(*trailers, subject=subject)
    if isinstance(answer, Refusal):
        assert answer.code in ("GATE-201", "GATE-202", "GATE-203", "GATE-209")
        assert messages.reason(answer.code, **answer.values).isprintable()
        return
    assert 1 <= len(answer.intent) <= 200
    assert hidden(answer.intent) is None
    assert set(answer.surfaces) <= {"shop", "shop-admin", "web", "root"}
    assert "shop" in answer.surfaces
    assert answer.bump in wishes.BUMPS
    assert answer.artifact.isascii()
    assert answer.depends_on is None or is_request_id(answer.depends_on)


@given(st.text())
def test_the_nearest_id_is_one(text: str) -> None:
    assert is_request_id(nearest_id(text))


@given(st.text(max_size=70))
def test_an_id_is_what_the_contract_says(text: str) -> None:
    wanted = re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", text) and not re.fullmatch(r"[0-9a-f]{40}", text)
    assert is_request_id(text) == bool(wanted)


@pytest.mark.parametrize("text", ["a" * 40, "0" * 40])
def test_an_oid_is_no_id(text: str) -> None:
    assert not is_request_id(text)
    assert is_request_id(text + "0")


def test_a_wait_that_does_not_come_back_is_no_circle() -> None:
    others = (Other("a", OID, None, "queued", "b"), Other("b", OID, None, "queued", "a"))
    known = facts(("Depends-On", "a"))._replace(others=others)
    assert isinstance(admission.judge(known, POLICY, Claim("x")), Wish)


def test_the_merged_change_is_judged_again() -> None:
    twin = Change((Entry("sites/shop/A", "100644", OID, 1),), 1, 1, 1, (("sites/shop/A", "sites/shop/a"),))
    refusal = admission.judge_merged(twin, POLICY, "x")
    assert refusal is not None
    assert refusal.code == "GATE-204"
    assert admission.judge_merged(facts().change, POLICY, "x") is None


def test_an_open_request_is_judged_by_the_surfaces_of_today() -> None:
    """One that declares a surface must go on with it; one that does not takes what holds its paths now."""
    moved = {**POLICY, "surfaces": {"web": ["sites/web"], "goods": ["sites/shop"]}}
    declared = admission.judge_again(facts(("Surface", "shop")), moved)
    assert declared is not None
    assert (declared.code, declared.next[0][-1]) == ("GATE-202", "Surface: goods")
    assert admission.judge_again(facts(), moved) is None
    narrower = {**POLICY, "surfaces": {"shop": ["sites/shop/lib"]}}
    outside = admission.judge_again(facts(("Surface", "shop")), narrower)
    assert outside is not None
    assert outside.code == "GATE-203"


@pytest.mark.parametrize(
    ("agents", "role", "code"),
    [
        ({}, "agent", None),
        ({"b": {"role": "agent", "surfaces": []}}, "agent", "GATE-301"),
        ({"b": {"role": "agent", "surfaces": []}}, "operator", None),
        ({"a": {"role": "agent", "surfaces": []}}, "agent", None),
        ({"a": {"role": "agent", "surfaces": ["shop"]}}, "agent", None),
        ({"a": {"role": "agent", "surfaces": ["web"]}}, "agent", "GATE-303"),
    ],
)
def test_who_may_not_ask_any_more(agents: dict[str, object], role: str, code: str | None) -> None:
    refusal = admission.barred(facts(), {**POLICY, "agents": agents}, Claim("a", role=role))
    assert (refusal.code if refusal else None) == code


def test_the_librarian_too_refuses_its_own_name() -> None:
    known = facts()
    poser = known.commits[0]._replace(committer_email="LIBRARIAN@gatekeeper.invalid")
    refusal = admission.judge(known._replace(commits=(known.commits[0], poser)), POLICY, Claim("codex-1"))
    assert isinstance(refusal, Refusal)
    assert refusal.code == "GATE-301"
