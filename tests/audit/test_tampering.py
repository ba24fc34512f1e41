"""Every way to change the past that we could think of, and what a verification says to it."""

import os
import subprocess
import time
import zlib
from pathlib import Path

import pytest

from audit.history import LOG, History
from gatekeeper.audit.finding import Verification
from gatekeeper.model import Oid, Version
from gatekeeper.repo import records
from gatekeeper.repo.ledger import EMPTY_TREE, LIBRARIAN
from gatekeeper.repo.records import Record
from gatekeeper.repo.sign import Signer, new_key


def said(found: Verification) -> str:
    return "\n".join(finding.text for finding in found.findings)


def first_bad(found: Verification) -> int | None:
    assert found.first_bad is not None, "nothing was found"
    return found.first_bad.sequence


def test_an_untouched_history_is_whole(past: History) -> None:
    found = past.prove()
    assert found.findings == ()
    assert found.span == (1, found.records)
    assert found.versions == 5
    assert found.signatures >= 5


@pytest.mark.parametrize("event", ["imported", "filed", "refused", "blocked", "shipped"])
def test_an_edited_record(history: History, event: str) -> None:
    number = history.number(event)
    history.rewrite(
        lambda log: [*log[: number - 1], log[number - 1].replace(b'"at": "20', b'"at": "19'), *log[number:]]
    )
    assert first_bad(history.prove()) == number


def test_an_edit_that_is_good_json_and_keeps_every_number(history: History) -> None:
    number = history.number("refused")
    history.rewrite(lambda log: [*log[: number - 1], log[number - 1].replace(b"GATE-101", b"GATE-999"), *log[number:]])
    found = history.prove()
    assert first_bad(found) == number
    assert f"has another record {number}: the log was rewritten from there on" in said(found)
    assert "its signature was made for other content" in said(found)


def test_a_dropped_record(history: History) -> None:
    number = history.number("refused")
    history.rewrite(lambda log: [*log[: number - 1], *log[number:]])
    found = history.prove()
    assert first_bad(found) == number
    assert f"record {number}: the next one says it is number {number + 1}; what stood between was dropped" in said(
        found
    )


def test_a_dropped_record_with_all_later_ones_renumbered(history: History) -> None:
    number = history.number("refused")

    def renumber(log: list[bytes]) -> list[bytes]:
        later = [
            content.replace(b'"seq": %d}' % place, b'"seq": %d}' % (place - 1))
            for place, content in enumerate(log[number:], number + 1)
        ]
        return [*log[: number - 1], *later]

    history.rewrite(renumber)
    found = history.prove()
    assert "was dropped" not in said(found)
    assert first_bad(found) == number


def test_an_inserted_record(history: History) -> None:
    number = history.number("frozen")
    history.rewrite(lambda log: [*log[:number], log[number - 1], *log[number:]])
    found = history.prove()
    assert first_bad(found) == number + 1
    assert f"record {number + 1}: it says it is number {number}; it was inserted" in said(found)


def test_records_in_another_order(history: History) -> None:
    number = history.number("frozen")
    history.rewrite(lambda log: [*log[: number - 1], log[number], log[number - 1], *log[number + 1 :]])
    found = history.prove()
    assert first_bad(found) == number
    assert "the order was changed" in said(found)


def test_a_log_that_was_cut_is_found_by_the_head_in_the_signed_tags(history: History) -> None:
    last = history.number("thawed")
    history.move(LOG, history.git("rev-list", "--reverse", LOG).splitlines()[last - 1])
    found = history.prove()
    assert first_bad(found) == last + 1
    assert f"which this one does not reach: it was cut after record {last}" in said(found)


def test_a_log_that_was_cut_together_with_its_tags_is_found_by_the_last_verification(history: History) -> None:
    known = history.remember()[1]
    assert known is not None
    _forget_two_versions(history)
    assert history.prove().findings == ()  # nothing in the repository itself can show it
    found = history.prove(known=known)
    assert "the log does not hold the head that the last verification saw" in said(found)
    assert first_bad(found) == history.number("shipped") + 1


def test_a_log_that_was_cut_together_with_its_tags_is_found_by_a_mirror(history: History, past: History) -> None:
    _forget_two_versions(history)
    found = history.prove(other=past.git("rev-parse", LOG))
    assert found.findings == ()  # as a mirror of `past` it would only be late
    found = past.prove(other=history.git("rev-parse", LOG))
    assert found.findings == ()
    subprocess.run(["git", f"--git-dir={history.repo}", "reflog", "expire", "--all", "--expire=now"], check=True)
    history.git("-c", "gc.pruneExpire=now", "gc", "-q", "--prune=now")
    found = history.prove(other=past.git("rev-parse", LOG))
    assert "the log does not hold the head that the other copy has" in said(found)


def _forget_two_versions(history: History) -> None:
    for version in ("v0.1.3", "v0.1.4"):
        history.git("update-ref", "-d", f"refs/tags/{version}")
    history.move("refs/heads/release", "v0.1.2^{commit}")
    history.move(LOG, _log_of(history, "v0.1.2"))
    for ref in ("fix-2", "fix-3", "fix-4"):
        history.git("update-ref", "-d", f"refs/gate/results/{ref}")


def _place(history: History, version: str) -> int:
    """Return the number of a version's record."""
    return history.git("rev-list", "--reverse", LOG).splitlines().index(_log_of(history, version)) + 1


def _log_of(history: History, version: str) -> str:
    text = history.raw("tag", version).decode()
    return next(line.removeprefix("Gate-Log: ") for line in text.splitlines() if line.startswith("Gate-Log: "))


def test_no_log_at_all(history: History) -> None:
    history.git("update-ref", "-d", LOG)
    assert "refs/gate/log is gone" in said(history.prove())


def test_a_tag_moved_to_another_signed_tag(history: History) -> None:
    place = _place(history, "v0.1.1")
    history.move("refs/tags/v0.1.1", history.git("rev-parse", "v0.1.2"))
    found = history.prove()
    assert "refs/tags/v0.1.1 holds the tag of v0.1.2: it was moved" in said(found)
    assert first_bad(found) == place


def test_a_tag_moved_to_a_commit(history: History) -> None:
    history.move("refs/tags/v0.1.1", history.git("rev-parse", "v0.1.2^{commit}"))
    assert "refs/tags/v0.1.1 is not the signed tag that the Librarian wrote" in said(history.prove())


def test_a_tag_made_anew_for_another_commit(history: History) -> None:
    content = history.raw("tag", "v0.1.1")
    other = history.git("rev-parse", "v0.1.2^{commit}").encode()
    history.move("refs/tags/v0.1.1", history.write("tag", content.replace(content.split()[1], other)))
    found = history.prove()
    assert "the tag v0.1.1 names commit" in said(found)
    assert "the tag v0.1.1: its signature was made for other content" in said(found)


def test_a_tag_that_is_gone_and_one_too_many(history: History) -> None:
    history.git("update-ref", "-d", "refs/tags/v0.1.2")
    history.move("refs/tags/v7.0.0", history.git("rev-parse", "v0.1.1^{commit}"))
    found = history.prove()
    assert "the tag v0.1.2 is gone" in said(found)
    assert "refs/tags/v7.0.0 was neither imported nor shipped" in said(found)


def test_release_moved_back_and_release_with_a_commit_of_its_own(history: History) -> None:
    tip = history.git("rev-parse", "release")
    history.move("refs/heads/release", "v0.1.2^{commit}")
    assert "`release` is " in said(history.prove())
    tree = history.git("rev-parse", "release^{tree}")
    smuggled = history.git("-c", "user.name=x", "-c", "user.email=x@x", "commit-tree", tree, "-p", tip, "-m", "more")
    history.move("refs/heads/release", smuggled)
    found = history.prove()
    assert f"`release` is {smuggled[:12]}; the newest release on record, v0.1.4, is {tip[:12]}" in said(found)
    history.git("update-ref", "-d", "refs/heads/release")
    assert "`release` is gone" in said(history.prove())


def test_a_branch_rewritten_below_its_tip(history: History) -> None:
    """The tip's record and tag are the Librarian's own; only the history between two versions is another."""
    signer = history.signer()
    first, tree = history.git("rev-parse", "v0.1.3^{commit}"), history.git("rev-parse", "release^{tree}")
    extra = signer.commit(tree=Oid(tree), parents=(Oid(first),), message="smuggled\n", at=time.time())
    tip = history.git("rev-parse", "release^2")
    forged = signer.commit(tree=Oid(tree), parents=(extra, Oid(tip)), message="Sell boots\n", at=time.time())
    content = history.raw("commit", "release")
    assert content.split(b"\n")[0] == f"tree {tree}".encode()
    _replace_object(history, history.git("rev-parse", "release"), "commit", history.raw("commit", forged))
    found = history.prove()
    assert "the commit of v0.1.4 holds other content than its name says: it was replaced" in said(found)


def test_a_swapped_signature(history: History) -> None:
    content, other = history.raw("tag", "v0.1.1"), history.raw("tag", "v0.1.2")
    cut = b"-----BEGIN SSH SIGNATURE-----"
    swapped = history.write("tag", content.split(cut)[0] + cut + other.split(cut)[1])
    history.move("refs/tags/v0.1.1", swapped)
    found = history.prove()
    assert said(found) == "the tag v0.1.1: its signature was made for other content."
    assert first_bad(found) == _place(history, "v0.1.1")


def test_a_signature_taken_away(history: History) -> None:
    content = history.raw("tag", "v0.1.1")
    history.move("refs/tags/v0.1.1", history.write("tag", content.split(b"-----BEGIN SSH")[0]))
    assert said(history.prove()) == "the tag v0.1.1: it is not signed."


def test_a_tag_signed_by_somebody_else(history: History, tmp_path: Path) -> None:
    new_key(tmp_path / "mallory")
    forger = Signer(history.signer().git, tmp_path / "mallory")
    content = history.raw("tag", "v0.1.1").split(b"-----BEGIN SSH")[0]
    message = content.split(b"\n\n", 1)[1].decode()
    commit = Oid(history.git("rev-parse", "v0.1.1^{commit}"))
    forged = forger.tag(commit=commit, version=Version("v0.1.1"), message=message, at=time.time())
    history.move("refs/tags/v0.1.1", forged)
    assert said(history.prove()) == "the tag v0.1.1: it is signed by a key that is not allowed to."


def test_a_record_of_a_person_signed_by_somebody_else(history: History, tmp_path: Path) -> None:
    """What no tag covers yet is proven by the signature of its own."""
    new_key(tmp_path / "mallory")
    forger = Signer(history.signer().git, tmp_path / "mallory")
    head = Oid(history.git("rev-parse", LOG))
    message = history.log()[history.number("frozen") - 1].split(b"\n\n", 1)[1].decode()
    count = len(history.log())
    message = message.replace(f'"seq": {history.number("frozen")}}}', f'"seq": {count + 1}}}')
    empty = Oid(history.git("rev-parse", f"{LOG}^{{tree}}"))
    history.move(LOG, forger.commit(tree=empty, parents=(head,), message=message, at=time.time()))
    found = history.prove()
    assert said(found) == f"record {count + 1}: it is signed by a key that is not allowed to."


def test_an_object_replaced_on_disk(history: History) -> None:
    number = history.number("refused")
    oid = history.git("rev-list", "--reverse", LOG).splitlines()[number - 1]
    content = history.raw("commit", oid).replace(b"GATE-101", b"GATE-999")
    _replace_object(history, oid, "commit", content)
    found = history.prove()
    assert f"record {number}: its object holds other content than its name says; it was replaced on disk" in said(found)
    assert first_bad(found) == number


def test_an_object_that_is_missing(history: History) -> None:
    number = history.number("refused")
    history.loose(history.git("rev-list", "--reverse", LOG).splitlines()[number - 1]).unlink()
    found = history.prove()
    assert f"record {number}: its object is missing or damaged" in said(found)


def test_a_replacement_ref_changes_nothing_and_is_told(history: History) -> None:
    head = history.git("rev-parse", "v0.1.1^{commit}")
    history.move(f"refs/replace/{head}", history.git("rev-parse", "v0.1.2^{commit}"))
    history.git("config", "core.useReplaceRefs", "true")
    found = history.prove()
    assert said(found) == f"refs/replace/{head} makes Git show another object than the one that was recorded."


def test_a_graft_is_told(history: History) -> None:
    (history.repo / "info").mkdir(exist_ok=True)
    (history.repo / "info" / "grafts").write_text(history.git("rev-parse", "release") + "\n")
    assert "info/grafts makes Git show another history" in said(history.prove())


def test_a_result_that_claims_another_version(history: History) -> None:
    content = history.raw("commit", "refs/gate/results/fix-4").replace(b"v0.1.4", b"v0.1.1")
    history.move("refs/gate/results/fix-4", history.write("commit", content))
    assert "refs/gate/results/fix-4 says that" in said(history.prove())


def test_since_begins_at_a_signed_tag(history: History) -> None:
    found = history.prove(since="v0.1.2")
    assert found.findings == ()
    assert found.span[0] == history.number("frozen")
    assert found.versions == 2
    number = history.number("frozen")
    history.rewrite(lambda log: [c.replace(b"db failover", b"nothing") for c in log])
    assert first_bad(history.prove(since="v0.1.2")) == number


def test_a_tag_that_since_begins_with_must_be_signed_itself(history: History) -> None:
    content, other = history.raw("tag", "v0.1.2"), history.raw("tag", "v0.1.1")
    cut = b"-----BEGIN SSH SIGNATURE-----"
    history.move("refs/tags/v0.1.2", history.write("tag", content.split(cut)[0] + cut + other.split(cut)[1]))
    assert "the tag v0.1.2: its signature was made for other content" in said(history.prove(since="v0.1.2"))


def test_what_was_verified_is_not_verified_again_but_every_swap_is_seen(history: History) -> None:
    whole, known = history.remember()
    assert known is not None
    assert history.prove(known=known).asked == 0 < whole.asked
    content, other = history.raw("tag", "v0.1.1"), history.raw("tag", "v0.1.2")
    cut = b"-----BEGIN SSH SIGNATURE-----"
    history.move("refs/tags/v0.1.1", history.write("tag", content.split(cut)[0] + cut + other.split(cut)[1]))
    found, kept = history.remember(known=known)
    assert said(found) == "the tag v0.1.1: its signature was made for other content."
    assert kept is None


def _replace_object(history: History, oid: str, kind: str, content: bytes) -> None:
    """Overwrite a loose object: Git reads it without looking at its digest."""
    path = history.loose(oid)
    os.chmod(path, 0o644)  # noqa: PTH101
    path.write_bytes(zlib.compress(f"{kind} {len(content)}\0".encode() + content))


def test_a_tree_that_is_not_the_one_on_record(history: History) -> None:
    """Even whoever holds the key cannot have another tree live than the record says was verified."""
    other = history.git("rev-parse", "v0.1.2^{tree}")
    _publish(history, tree=other, recorded_tree=history.git("rev-parse", "v0.1.4^{tree}"))
    found = history.prove()
    assert f"v0.1.5 holds the tree {other[:12]}, not" in said(found)
    assert first_bad(found) == history.number("shipped")


def test_a_commit_smuggled_in_between_two_versions(history: History) -> None:
    tip, tree = history.git("rev-parse", "release"), history.git("rev-parse", "release^{tree}")
    smuggled = history.signer().commit(tree=Oid(tree), parents=(Oid(tip),), message="more\n", at=time.time())
    _publish(history, tree=tree, recorded_tree=tree, tips=(smuggled,))
    found = history.prove()
    assert said(found) == (
        f"record {history.number('shipped')}: v0.1.5 merges {smuggled[:12]}, its record says nothing."
    )


def test_a_record_that_a_tag_signs_too_early(history: History) -> None:
    tree = history.git("rev-parse", "release^{tree}")
    _publish(history, tree=tree, recorded_tree=tree, signs=f"{LOG}~5")
    assert "the tag v0.1.5 signs record" in said(history.prove())


def _publish(
    history: History, *, tree: str, recorded_tree: str, tips: tuple[str, ...] = (), signs: str | None = None
) -> None:
    """Write a version with the Librarian's own key, as only the Librarian could, but not as it would."""
    signer, at = history.signer(), time.time()
    parents = (Oid(history.git("rev-parse", "release")), *(Oid(tip) for tip in tips))
    commit = signer.commit(tree=Oid(tree), parents=parents, message="Forge it\n", at=at)
    data = {"version": "v0.1.5", "commit": commit, "tree": recorded_tree, "requests": []}
    record = Record("shipped", "v0.1.5", len(history.log()) + 1, "2026-01-01T00:00:00Z", LIBRARIAN, "advisory", data)
    signed = history.git("rev-parse", signs) if signs else ""
    log = records.write(signer, EMPTY_TREE, record, parent=Oid(history.git("rev-parse", LOG)), at=at)
    message = f"Forge it\n\nGate-Log: {signed or log}\n"
    tag = signer.tag(commit=commit, version=Version("v0.1.5"), message=message, at=at)
    for ref, oid in ((LOG, log), ("refs/tags/v0.1.5", tag), ("refs/heads/release", commit)):
        history.move(ref, oid)


def test_a_record_with_a_second_past(history: History) -> None:
    """Signed or not, a record has one record before it: a second parent could hide a chain of its own."""
    head, tree = Oid(history.git("rev-parse", LOG)), Oid(history.git("rev-parse", f"{LOG}^{{tree}}"))
    count = len(history.log()) + 1
    record = Record("started", "the Librarian started", count, "2026-01-01T00:00:00Z", LIBRARIAN, "advisory", {})
    parents = (head, Oid(history.git("rev-parse", "release")))
    message = records.encode(record)
    history.move(LOG, history.signer().commit(tree=tree, parents=parents, message=message, at=time.time()))
    assert said(history.prove()) == f"record {count}: it does not follow the record before it."
