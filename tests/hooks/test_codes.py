"""Every code of the door, by a real push; and every command that a refusal gives is run, and helps."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gatekeeper.config.schema import Limits
from hooks.doorway import Answer, Clone, Door, agent

ROOT = Path(__file__).parents[2]
CODES = {"1": range(101, 106), "2": range(201, 212), "3": range(301, 305)}


@dataclass(frozen=True)
class Case:
    """A push that is refused with `code`; when `helps`, running all of `next` ends in a request that is filed."""

    code: str
    push: Callable[[Door, Clone], Answer]
    helps: bool = True
    says: str = ""
    name: str = ""


def pushed(*refspecs: str, message: str = "Fix it", **files: str) -> Callable[[Door, Clone], Answer]:
    def push(door: Door, clone: Clone) -> Answer:
        clone.commit(message, files or None)
        return clone.push(*refspecs)

    return push


def asked(trailers: str, subject: str = "Fix it") -> Callable[[Door, Clone], Answer]:
    return pushed("HEAD:request/fix-1", message=f"{subject}\n\n{trailers}\n")


def changed(files: dict[str, str], message: str = "Fix it") -> Callable[[Door, Clone], Answer]:
    def push(door: Door, clone: Clone) -> Answer:
        clone.commit(message, {"sites/shop/cart.js": "2\n", **files})
        return clone.push("HEAD:request/fix-1")

    return push


def staged(mode: str, path: str, content: str, message: str = "Fix it") -> Callable[[Door, Clone], Answer]:
    """Commit an entry that no file system would hold, written straight into the index."""

    def push(door: Door, clone: Clone) -> Answer:
        clone.write({"sites/shop/cart.js": "2\n"})
        clone.git("add", "-A")
        stdin = content.encode("utf-8", "surrogateescape")
        oid = (
            clone.git("rev-parse", "HEAD")
            if mode == "160000"
            else clone.git("hash-object", "-w", "--stdin", stdin=stdin)
        )
        line = f"{mode} {oid}\t{path}\0".encode("utf-8", "surrogateescape")
        clone.git("update-index", "-z", "--index-info", stdin=line)
        clone.git("commit", "-q", "-m", message)
        return clone.push("HEAD:request/fix-1")

    return push


def tag(door: Door, clone: Clone) -> Answer:
    clone.commit()
    return clone.push("HEAD:refs/tags/v9.9.9")


def request_with_tag(door: Door, clone: Clone) -> Answer:
    clone.commit()
    clone.git("tag", "-a", "-m", "x", "v9.9.9")
    return clone.push("--follow-tags", "HEAD:request/fix-1")


def two(door: Door, clone: Clone) -> Answer:
    clone.commit()
    return clone.push("HEAD:request/fix-1", "HEAD:request/fix-2")


def unrelated(door: Door, clone: Clone) -> Answer:
    clone.git("checkout", "-q", "--orphan", "other")
    clone.git("rm", "-rqf", ".")
    clone.commit(files={"sites/shop/new.js": "x\n"})
    return clone.push("HEAD:request/fix-1")


def landed(door: Door, clone: Clone) -> Answer:
    return clone.push("HEAD:request/fix-1")


def same_tree(door: Door, clone: Clone) -> Answer:
    clone.commit("Nothing", {})
    return clone.push("HEAD:request/fix-1")


def undone(door: Door, clone: Clone) -> Answer:
    clone.commit()
    clone.git("revert", "--no-edit", "HEAD")
    return clone.push("HEAD:request/fix-1")


def twice_in_a_circle(door: Door, clone: Clone) -> Answer:
    clone.commit("A\n\nDepends-On: fix-1")
    assert clone.push("HEAD:request/fix-2").status == 0
    clone.fresh()
    clone.commit("B\n\nDepends-On: fix-2")
    return clone.push("HEAD:request/fix-1")


def option(*options: str) -> Callable[[Door, Clone], Answer]:
    def push(door: Door, clone: Clone) -> Answer:
        clone.commit()
        return clone.push(*(word for text in options for word in ("-o", text)), "HEAD:request/fix-1")

    return push


def rolled_back(door: Door, clone: Clone, *, merged_by_agent: bool) -> Answer:
    """Land a feature, roll it back, and push the old branch with one more fix."""
    feature = clone.commit("Feature", {"sites/shop/feature.js": "x\n"})
    clone.git("checkout", "-q", "-b", "librarian", "origin/release")
    clone.git("merge", "-q", "--no-ff", "-m", "Land", feature)
    landing = clone.git("rev-parse", "HEAD")
    clone.git("rm", "-q", "sites/shop/feature.js")
    clone.git("commit", "-q", "-m", "Roll back")
    rollback = clone.git("rev-parse", "HEAD")
    door.repo.git("fetch", "-q", str(clone.folder), "librarian:refs/heads/release")
    door.set(taken_out=((feature, rollback),))
    clone.git("checkout", "-q", "-B", "work", landing if merged_by_agent else feature)
    clone.commit("Fix", {"sites/shop/fix.js": "y\n"})
    return clone.push("HEAD:request/fix-1")


def unknown_agent(door: Door, clone: Clone) -> Answer:
    door.set(agents={"codex-1": agent(), "codex-2": agent()})
    clone.commit()
    return clone.push("HEAD:request/fix-1", agent="codex-")


def reserved(role: str) -> Callable[[Door, Clone], Answer]:
    def push(door: Door, clone: Clone) -> Answer:
        poser = Clone(clone.folder, clone.env | {f"GIT_{role}_NAME": "librarian"})
        poser.commit()
        return clone.push("HEAD:request/fix-1")

    return push


def reserved_address(door: Door, clone: Clone) -> Answer:
    Clone(clone.folder, clone.env | {"GIT_AUTHOR_EMAIL": "Librarian@gatekeeper.invalid"}).commit()
    return clone.push("HEAD:request/fix-1")


def not_mine(door: Door, clone: Clone) -> Answer:
    clone.commit()
    assert clone.push("HEAD:request/fix-1", agent="codex-2").status == 0
    clone.commit("Other")
    return clone.push("--force", "HEAD:request/fix-1", agent="codex-1")


def not_my_surface(door: Door, clone: Clone) -> Answer:
    door.set(agents={"codex-1": agent(surfaces=("blog", "docs"))})
    clone.commit()
    return clone.push("HEAD:request/fix-1")


def too_many(door: Door, clone: Clone) -> Answer:
    door.set(agents={"codex-1": agent(max_open=1)})
    clone.commit("A")
    assert clone.push("HEAD:request/fix-0").status == 0
    clone.fresh()
    clone.commit("B")
    answer = clone.push("HEAD:request/fix-1")
    tip = door.repo.git("rev-parse", "refs/heads/request/fix-0")
    door.result("fix-0", State="shipped", Version="v1.4.2", Tip=tip, Agent="codex-1", Id="fix-0")
    door.repo.git("update-ref", "-d", "refs/heads/request/fix-0")
    return answer


def limited(**limits: int) -> Callable[[Door, Clone], Answer]:
    def push(door: Door, clone: Clone) -> Answer:
        door.set(limits=Limits(**limits))
        clone.commit("Fix it\n\nlong", {f"sites/shop/d{n}/{n}.js": "x" * 100 for n in range(5)})
        return clone.push("HEAD:request/fix-1")

    return push


BIDI = "\u202e"
CASES = (
    Case("101", pushed("HEAD:release"), says="refs/heads/release is written by the Librarian only"),
    Case("101", pushed("HEAD:main"), says="refs/heads/main cannot be pushed"),
    Case("101", pushed("HEAD:refs/heads/request"), says="refs/heads/request cannot be pushed"),
    Case("101", pushed("HEAD:refs/heads/v1.2.3"), says="refs/heads/v1.2.3"),
    Case("101", pushed("HEAD:release", "HEAD:request/fix-1"), name="release-and-request"),
    Case("101", pushed("HEAD:request/fix-1", "HEAD:release"), name="request-and-release"),
    Case("102", tag, helps=False, says="tag v9.9.9"),
    Case("102", request_with_tag),
    Case("103", pushed("HEAD:refs/notes/x"), helps=False, says="refs/notes/x"),
    Case("103", pushed("HEAD:refs/gate/log"), helps=False),
    Case("103", pushed("HEAD:refs/replace/0123456789012345678901234567890123456789"), helps=False),
    Case("104", pushed("HEAD:request/Bad_ID"), says='"Bad_ID" is not a request id'),
    Case("104", pushed("HEAD:request/-x"), name="leading-dash"),
    Case("104", pushed("HEAD:request/--upload-pack=x"), name="option"),
    Case("104", pushed("HEAD:request/$(id)"), name="shell"),
    Case("104", pushed("HEAD:request/a/b"), name="slash"),
    Case("104", pushed("HEAD:request/" + "0123456789" * 4), name="oid"),
    Case("104", pushed("HEAD:request/" + "a" * 65), name="long"),
    Case("104", pushed("HEAD:request/" + BIDI + "gpj"), says='"\\u202egpj"', name="bidi"),
    Case("105", two, says="this push holds 2 refs"),
    Case("105", pushed("HEAD:request/fix-1", "HEAD:request/Bad_ID"), name="bad-and-good"),
    Case("201", asked("Intent: " + "x" * 201), says="this one has 201"),
    Case("201", asked(f"Intent: safe {BIDI}fdp.exe"), says="this one holds U+202E"),
    Case("201", pushed("HEAD:request/fix-1", message="Fix \x1b[2J it"), says="U+001B"),
    Case("201", pushed("HEAD:request/fix-1", message="Fix\u200bit"), says="U+200B"),
    Case("201", pushed("HEAD:request/fix-1", message="Fix\u2028it"), says="U+2028"),
    Case("201", pushed("HEAD:request/fix-1", message="x" * 300), says="this one has 300"),
    Case("201", pushed("HEAD:request/fix-1", message=""), says="this one has 0", name="no-message"),
    Case("202", asked("Surface: sho"), says='Did you mean "shop"?'),
    Case("202", asked("Surface: shop-admin"), says='no surface named "shop-admin"'),
    Case("202", asked("Surface: Shop"), says='no surface named "Shop"'),
    Case("202", asked("Surface: shop, wbe"), says='no surface named "wbe"', name="second"),
    Case("202", asked("Surface: zzzzzz"), says="Your change touches shop"),
    Case("202", asked("Surface:  ,"), says="names no surface", name="none"),
    Case("203", asked("Surface: web"), says="sites/shop/cart.js (surface shop)"),
    Case("203", changed({"README.md": "x\n"}, "Fix it\n\nSurface: shop"), says="README.md (surface root)"),
    Case(
        "203", changed({"sites/shop-admin/x.js": "x\n"}, "Fix\n\nSurface: shop"), says="(surface root)", name="prefix"
    ),
    Case(
        "203",
        changed({f"sites/web/{n}.js": "x\n" for n in range(7)}, "Fix\n\nSurface: shop"),
        says="sites/web/4.js (surface web) and 2 more, outside the declared surface shop",
        name="seven",
    ),
    Case("204", staged("160000", "sites/shop/sub", ""), says="sites/shop/sub may not be deployed: it is a submodule"),
    Case("204", staged("120000", "sites/shop/l", "/etc/passwd"), says="leaves the tree (/etc/passwd)"),
    Case("204", staged("120000", "sites/shop/l", "../../../repo.git/hooks"), says="leaves the tree"),
    Case("204", staged("120000", "sites/shop/l", "up/../../../.."), says="leaves the tree", name="through-a-link"),
    Case("204", staged("120000", "sites/shop/l", "../../.git/hooks"), says="passes for `.git`"),
    Case("204", staged("120000", ".gitattributes", "x"), says="named like a file that Git reads"),
    Case(
        "204", staged("100644", "sites/shop/a\x1bb", "x"), says="sites/shop/a\\x1bb may not be deployed: its name holds"
    ),
    Case("204", staged("100644", f"sites/shop/{BIDI}x", "x"), says="U+202E, which is not what it looks like"),
    Case("204", staged("100644", "sites/shop/a\nb", "x"), says="U+000A"),
    Case("204", staged("100644", "sites/shop/\udcffx", "x"), helps=False, says="its name is not UTF-8 (byte 0xFF)"),
    Case("204", staged("100644", "sites/shop/CART.js", "x"), says="differs only in case from sites/shop/cart.js"),
    Case(
        "204",
        changed({"sites/shop/big.bin": f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 9\n"}),
        says="sites/shop/big.bin may not be deployed: it is a Git LFS pointer",
        name="lfs",
    ),
    Case("205", limited(request_paths=9), helps=False, says="10 paths, and 9 are allowed"),
    Case("205", limited(request_depth=2), helps=False, says="3 folders deep, and 2 are allowed"),
    Case("205", limited(request_bytes=499), helps=False, says="500 bytes when expanded, and 499 are allowed"),
    Case("205", limited(message_bytes=10), helps=False, says="bytes of commit message, and 10 are allowed"),
    Case("206", unrelated, says="shares no history with `release`"),
    Case("207", changed({".github/ci.yml": "evil\n"}), says="touches .github/ci.yml, which sites.toml protects"),
    Case("207", changed({".github/new.yml": "evil\n"}), says=".github/new.yml", name="new"),
    Case("207", pushed("HEAD:request/fix-1", **{".github/ci.yml": "x"}), helps=False, name="nothing-else"),
    Case("208", landed, helps=False, says="request fix-1 has nothing to deploy"),
    Case("208", same_tree, helps=False),
    Case("208", undone, helps=False),
    Case("209", asked("Surface: shop\nSurface: web"), says="`Surface:` is given twice"),
    Case("209", asked("Bump: minor\nbump: major"), says="`Bump:` is given twice", name="case"),
    Case("209", asked("Bump: Major"), says="`Bump: Major` is wrong: it must be patch, minor or major"),
    Case("209", asked("Artifact: a b;c"), says="`Artifact: a b;c` is wrong"),
    Case("209", asked("Try: maybe"), says="`Try: maybe` is wrong"),
    Case("209", asked("Urgency: now \x07"), says="`Urgency: now \\x07` is wrong"),
    Case("209", asked("Depends-On: fix-1"), says="not its own"),
    Case("209", asked("Depends-On: Fix_2"), says="`Depends-On: Fix_2` is wrong"),
    Case("209", asked("Surfaces: shop"), says="Did you mean `Surface:`?"),
    Case("209", twice_in_a_circle, says="in a circle: fix-1 → fix-2 → fix-1"),
    Case("210", option("surface=shop"), says="It is the trailer `Surface:`"),
    Case("210", option("intent=Fix the cart", "bump=minor"), says='push option "intent"', name="two"),
    Case("210", option("wait"), says='the gate takes no push option "wait"'),
    Case("211", lambda door, clone: rolled_back(door, clone, merged_by_agent=False), says="To bring it back"),
    Case(
        "211", lambda door, clone: rolled_back(door, clone, merged_by_agent=True), says="your own commits", name="own"
    ),
    Case("301", unknown_agent, says='no agent named "codex-"'),
    Case("301", reserved("AUTHOR"), says="the name and address of the Librarian"),
    Case("301", reserved("COMMITTER"), says="the name and address of the Librarian", name="committer"),
    Case("301", reserved_address, name="address"),
    Case("302", not_mine, says="request fix-1 belongs to codex-2; codex-1 may not change it"),
    Case("303", not_my_surface, helps=False, says="codex-1 may not change shop; it may change blog, docs"),
    Case("304", too_many, says="codex-1 has 1 open requests, and 1 are allowed: fix-0"),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code}-{case.name or case.says[:20]}")
def test_a_refusal_and_what_helps(case: Case, door: Door, clone: Clone) -> None:
    answer = case.push(door, clone)
    before = door.refs()
    assert answer.status == 1
    assert answer.code == f"GATE-{case.code}", answer.raw
    assert case.says in answer.text, answer.raw
    own = [line for line in answer.lines if not line.startswith("warning: object ")]  # Git's own fsck
    assert own[0].startswith(f"error: GATE-{case.code} ")
    assert all(line.startswith("hint: ") for line in own[1:-1]), answer.raw
    assert {"v", "event", "id", "code", "state", "retry", "next"} <= answer.machine.keys()
    steps = answer.machine["next"]
    assert bool(steps) is case.helps, answer.raw
    assert [entry["code"] for entry in door.spool("refused")] == [f"GATE-{case.code}"]
    if case.helps:
        assert follow(clone, steps).machine["event"] == "filed"
        assert len(door.refs()) == len(before) + sum("push" in argv for argv in steps)


def follow(clone: Clone, steps: list[list[str]]) -> Answer:
    """Run the commands of a refusal as they stand; the last one pushes."""
    tools = Clone(clone.folder, clone.env | {"PATH": f"{ROOT}:{clone.env['PATH']}"})
    for argv in steps[:-1]:
        done = tools.run(*argv, ok=False)
        assert done.returncode == 0, (argv, done.stdout, done.stderr)
    return tools.try_(tuple(steps[-1]))


def test_every_code_of_the_door_is_tried() -> None:
    assert {case.code for case in CASES} == {str(code) for codes in CODES.values() for code in codes}


def test_what_people_read_can_be_typed(door: Door, clone: Clone) -> None:
    """The hint lines, pasted into a shell, do what `next` does."""
    answer = asked('Intent: it\'s "$HOME" and `id` \u200b!')(door, clone)
    typed = answer.lines[-2].removeprefix("hint:   ")
    subprocess.run(["sh", "-c", typed], cwd=clone.folder, env=clone.env, check=True, capture_output=True)
    assert clone.git("log", "-1", "--format=%(trailers:key=Intent,valueonly)") == 'it\'s "$HOME" and `id` !'
