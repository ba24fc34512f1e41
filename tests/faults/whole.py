"""The whole invariant, after whatever happened: one function that looks at sites, refs, log, disk and processes."""

import json
import os
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gatehouse import Gatehouse

from gatekeeper.model import State
from gatekeeper.repo import records, results
from gatekeeper.repo.export import blob_oid
from gatekeeper.repo.git import Git
from gatekeeper.sites import procfs

LIVE = ("shipped",)


def assert_whole(gate: Gatehouse) -> None:
    """Raise AssertionError with every broken part named."""
    broken = [
        *_sites(gate),
        *_release(gate),
        *_objects(gate),
        *_log(gate),
        *_requests(gate),
        *_disk(gate),
        *_spool(gate),
        *_processes(gate),
    ]
    assert not broken, "\n".join(broken)


def _sites(gate: Gatehouse) -> Iterator[str]:
    """One version on all sites: asked from the sites, from pm2's family, and from the kernel."""
    folder = gate.home.current.resolve()
    here = [name for name in gate.ports if name not in gate.asks]
    answers = gate.answers()
    for name, answer in answers.items():
        if answer.get("version") != gate.version or answer.get("commit") != gate.release:
            yield f"{name} answers {answer}, release is {gate.version} {gate.release}"
    expected = Counter(str(folder / "sites" / name) for name in here if name in answers)
    daemon = _daemon(gate)
    children = [pid for pid, parent in procfs.parents().items() if parent == daemon]
    there = Counter(procfs.cwd(pid) or "?" for pid in children)
    if there != expected:
        yield f"pm2 {daemon} has {dict(there)}, expected {dict(expected)}"


def _release(gate: Gatehouse) -> Iterator[str]:
    version, commit = gate.version, gate.release
    if gate.home.current.resolve().name.partition(".")[0] != f"{version}-{commit[:12]}".partition(".")[0]:
        yield f"current leads to {gate.home.current.resolve().name}, release is {version}-{commit[:12]}"
    live = json.loads(gate.home.live_plan.read_bytes())
    if (live["stamp"]["version"], live["stamp"]["commit"]) != (version, commit):
        yield f"live.json tells of {live['stamp']}, release is {version} {commit}"
    for told in gate.git("for-each-ref", "--format=%(refname:strip=2) %(contents)%00", "refs/tags/v*").split("\0")[:-1]:
        if "BEGIN SSH SIGNATURE" not in told:
            yield f"tag {told.split()[0]} is not signed"
    gate.git("verify-tag", version)
    with Git(gate.home.repo) as git:
        for entry in git.entries(git.tree_of(git.resolve("refs/heads/release") or "0"), deep=True):  # type: ignore[arg-type]
            path = gate.home.current / entry.path
            if path.parent.name == "data":
                continue
            content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
            if blob_oid(content) != entry.oid:
                yield f"{entry.path} of the live release is not what release holds"
    changelog = (gate.home.www / "CHANGELOG.md").read_text()
    if version.removeprefix("v") not in changelog:
        yield f"the changelog does not tell of {version}"


def _objects(gate: Gatehouse) -> Iterator[str]:
    """The repository by itself has all that its refs reach: what lies in var/trial may go at any moment.

    Git's commit-graph is left out, a cache: one that somebody's `gc` wrote in mid-ship goes on naming the commit of
    refs/gate/shipping, and a later `repack -ad`, which does not write the cache anew, drops that commit.
    """
    told = gate.git("-c", "core.commitGraph=false", "fsck", "--connectivity-only", "--no-dangling")
    if told:
        yield f"the repository lacks objects: {told}"


def _log(gate: Gatehouse) -> Iterator[str]:
    """The chain is whole, signed at each release, and tells of each version and each landing exactly once."""
    with Git(gate.home.repo) as git:
        written = list(records.walk(git))[::-1]
    numbers = [one.record.sequence for one in written]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"the log's numbers are {numbers}"
    if gate.git("rev-list", "--min-parents=2", "refs/gate/log"):
        yield "the log is not one chain"
    shipped = [one.record for one in written if one.record.event in LIVE]
    told = Counter(record.data["version"] for record in shipped)
    tags = Counter(gate.git("tag", "--list", "v*").split())
    if told != tags:
        yield f"the log tells of {dict(told)}, the tags are {sorted(tags)}"
    landed = Counter((one["id"], one["tip"]) for record in shipped for one in record.data["requests"])
    if any(count > 1 for count in landed.values()):
        yield f"landed twice, says the log: {[pair for pair, count in landed.items() if count > 1]}"
    decided = Counter(one.record.data["decision"] for one in written if "decision" in one.record.data)
    if any(count > 1 for count in decided.values()):
        yield f"decided twice: {decided}"
    newest = next((one.oid for one in reversed(written) if one.record.event in LIVE), None)
    if newest:
        gate.git("verify-commit", newest)
    trailers = gate.git(
        "log", "--first-parent", "--format=%P%x1f%(trailers:key=Request,valueonly,separator=)", "release"
    )
    merged = Counter(line for line in trailers.splitlines() if line.split("\x1f")[1])
    if any(count > 1 for count in merged.values()):
        yield f"merged twice: {merged}"


def _requests(gate: Gatehouse) -> Iterator[str]:
    """Every ref has its result, every landed result its version and no ref."""
    refs = gate.refs("refs/")
    with Git(gate.home.repo) as git:
        known = {
            ref.rpartition("/")[2]: results.read(git, oid)  # type: ignore[arg-type]
            for ref, oid in refs.items()
            if ref.startswith("refs/gate/results/")
        }
    open_ = {ref.rpartition("/")[2]: oid for ref, oid in refs.items() if ref.startswith("refs/heads/request/")}
    open_.pop("_", None)
    for id_, tip in open_.items():
        if id_ not in known or known[id_].tip != tip:
            yield f"request {id_} is open at {tip[:12]} and its result tells of {known.get(id_)}"
        elif known[id_].state.final:
            yield f"request {id_} is {known[id_].state} and its ref is still there"
    landed = _landed(gate)
    for id_, result in known.items():
        if result.state is State.SHIPPED:
            version = (
                landed.get(result.tip) or gate.git("describe", "--contains", "--match=v*", result.tip).split("^")[0]
            )
            if result.version != version.partition("~")[0]:
                yield f"{id_} shipped in {result.version}, but its tip is in {version}"
        elif not result.state.final and id_ not in open_ and not result.ask.try_only:
            yield f"{id_} is {result.state} and its ref is gone"


def _landed(gate: Gatehouse) -> dict[str, str]:
    """Return the first version that holds each tip which was merged by itself."""
    lines = gate.git(
        "log", "--first-parent", "--reverse", "--format=%P%x1f%D", "--decorate-refs=refs/tags/v*", "release"
    )
    found: dict[str, str] = {}
    waiting: list[str] = []
    for parents, _, tags in (line.partition("\x1f") for line in lines.splitlines()):
        waiting += parents.split()[1:]
        if tags:
            found |= {tip: found.get(tip, tags.split(", ")[0].removeprefix("tag: ")) for tip in waiting}
            waiting = []
    return found


def _disk(gate: Gatehouse) -> Iterator[str]:
    home = gate.home
    if gate.refs("refs/gate/shipping"):
        yield "refs/gate/shipping is still there"
    for path in (home.next_plan, home.current.with_name(".current.new")):
        if path.exists() or path.is_symlink():
            yield f"{path.name} is still there"
    patterns = (
        (home.repo / "refs", "**/*.lock"),
        (home.repo, "*.lock"),
        (home.repo, "index-*"),
        (home.repo, "sign-*"),
        (home.repo, "draft-*"),
        (home.releases, ".*"),
        (home.work, "*"),
        (home.builds, ".*"),
        (home.var, ".*"),
        (gate.root / "tmp", "*"),
    )
    for folder, pattern in patterns:
        yield from (f"{path} was left" for path in folder.glob(pattern))
    commits = {oid[:12] for oid in gate.git("for-each-ref", "--format=%(*objectname)", "refs/tags/v*").split()}
    for folder in home.releases.glob("[!.]*"):
        if folder.name.partition("-")[2].partition(".")[0] not in commits:
            yield f"{folder.name} is staged and was never live"
        elif stat.S_IMODE(folder.stat().st_mode) & 0o222:
            yield f"{folder.name} can be written to"


def _spool(gate: Gatehouse) -> Iterator[str]:
    """Only a push that was killed before its ref moved leaves something for a while: its announcement."""
    tips = gate.refs("refs/heads/request/")
    for path in gate.home.spool.rglob("[!.]*.json"):
        told = json.loads(path.read_bytes())
        if told["event"] != "pushing" or tips.get(f"refs/heads/request/{told['id']}") == told["new"]:
            yield f"{path.name} is still in the spool: {told}"


def _processes(gate: Gatehouse) -> Iterator[str]:
    """Nothing of this gate runs but pm2 and the sites."""
    own = gate.pm2_family()
    root = str(gate.root)
    for pid in procfs.parents():
        where, said = procfs.cwd(pid) or "", procfs.title(pid)
        ours = where.startswith(root) or (root in said and _started_here(pid, root))
        if ours and pid not in own and pid != os.getpid():
            yield f"process {pid} still runs: {said[:200]} in {where}"
    mounts = Path("/proc/self/mountinfo").read_text()
    if root in mounts:
        yield "something is still mounted"


def _started_here(pid: int, root: str) -> bool:
    """Return whether it has the gate's environment: somebody's `grep` may name the folder and is no part of it."""
    with suppress(OSError):
        return root.encode() in Path(f"/proc/{pid}/environ").read_bytes()
    return False


def _daemon(gate: Gatehouse) -> int:
    return int((gate.home.var / "pm2" / "pm2.pid").read_text())
