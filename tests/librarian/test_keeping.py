"""What is old goes, what is open or in use stays."""

import os
import time
from pathlib import Path

from gatehouse import Gatehouse

from gatekeeper.model import State
from gatekeeper.repo import drafts
from gatekeeper.repo.drafts import Draft
from gatekeeper.repo.git import Git
from gatekeeper.repo.ledger import EMPTY_TREE
from gatekeeper.sites import logs

DAY = 86400.0


def age(path: Path, days: float) -> None:
    then = time.time() - days * DAY
    os.utime(path, (then, then))


def test_results_go_thirty_days_after_their_end(gate: Gatehouse) -> None:
    clone = gate.clone()
    clone.request("landed", {"sites/web/page.txt": f"landed {gate.version}\n"})
    clone.request("blocked", {"sites/shop/page.txt": "BROKEN\n"})
    gate.tick()
    now = time.time()
    gate.tick(clock=lambda: now + 29 * DAY)
    assert gate.result("landed").state is State.SHIPPED
    gate.configure(gate='request_ttl = "90d"\n')
    gate.tick(clock=lambda: now + 31 * DAY)
    assert "refs/gate/results/landed" not in gate.refs("refs/gate/results/")


def test_what_is_open_or_rolled_back_stays(gate: Gatehouse) -> None:
    gate.configure(gate='request_ttl = "900d"\n')
    clone = gate.clone()
    clone.request("taken-out", {"sites/web/page.txt": f"taken out {gate.version}\n"})
    gate.tick()
    gate.decide("rollback")
    clone.request("waits", {"sites/shop/page.txt": "BROKEN\n"})
    gate.tick()
    gate.tick(clock=lambda: time.time() + 61 * DAY)
    assert (gate.result("taken-out").state, gate.result("waits").state) == (State.ROLLED_BACK, State.BLOCKED)


def test_kept_tips_verdicts_logs_and_builds_go_with_age(gate: Gatehouse) -> None:
    gate.configure(gate='keep_logs = "100d"\nkeep_releases = 2\n')
    clone = gate.clone()
    for number in (1, 2):
        clone.request("often", {"sites/web/page.txt": f"BROKEN {number}\n"})
        gate.tick()
    kept = gate.home.repo / "logs" / "refs" / "gate" / "keep" / "often" / "1"
    assert "refs/gate/keep/often/1" in gate.refs("refs/gate/keep/")
    old, new = gate.home.logs / "old.log", gate.home.logs / "new.log"
    build = gate.home.builds / "f00"
    build.mkdir()
    for path in (old, new, build):
        path.touch()
    age(kept, 99)
    age(old, 101)
    age(build, 31)
    verdicts = gate.git("ls-tree", "-r", "--name-only", "refs/gate/verdicts").splitlines()
    gate.tick(clock=lambda: time.time() + 0.9 * DAY + DAY)
    assert (old.exists(), new.exists(), build.exists()) == (False, True, False)
    assert "refs/gate/keep/often/1" not in gate.refs("refs/gate/keep/"), "99 days, and two of the clock"
    assert gate.git("ls-tree", "-r", "--name-only", "refs/gate/verdicts").splitlines() == verdicts
    gate.tick(clock=lambda: time.time() + 102 * DAY)
    assert gate.git("ls-tree", "-r", "--name-only", "refs/gate/verdicts") == ""
    gate.git("fsck", "--strict", "--no-dangling")


def test_the_newest_releases_stay_and_the_live_one_always(gate: Gatehouse) -> None:
    gate.configure(gate="keep_releases = 2\n")
    for number in range(3):
        gate.clone().request(f"release-{number}", {"sites/web/page.txt": f"{number} after {gate.version}\n"})
        gate.tick()
    live = gate.home.current.resolve()
    folders = [path.name for path in gate.home.releases.iterdir()]
    assert (len(folders), live.name in folders) == (2, True)
    age(live, 900)
    gate.configure(gate="keep_releases = 1\n")
    gate.tick()
    assert live.is_dir()
    assert gate.versions() == {gate.version}


def test_a_rollback_to_a_version_that_was_pruned_stages_it_again(gate: Gatehouse) -> None:
    gate.configure(gate="keep_releases = 1\n")
    version, shown = gate.version, gate.ask("web")["text"]
    gate.clone().request("pruner", {"sites/web/page.txt": f"pruner {version}\n"})
    gate.tick()
    assert len(list(gate.home.releases.iterdir())) == 1
    assert gate.decide("rollback", version=version).event == "shipped"
    assert (gate.ask("web")["text"], gate.versions()) == (shown, {gate.version})


def test_many_loose_objects_are_packed_and_nothing_is_lost(gate: Gatehouse) -> None:
    """Git alone never would: `gc.auto` is 0, so that no push and no ship does it at a moment of its own."""
    chain: list[Draft] = []
    for number in range(7500):
        parents = (chain[-1].oid,) if chain else ()
        chain.append(drafts.draft(tree=EMPTY_TREE, parents=parents, message=f"{number}\n", at=0))
    with Git(gate.home.repo) as git:
        drafts.write(git, chain)
    gate.git("update-ref", "refs/gate/keep/chain/1", chain[-1].oid)
    before = gate.refs()
    gate.tick(clock=lambda: time.time() + 3 * DAY)
    counted = dict(line.split(": ") for line in gate.git("count-objects", "-v").splitlines())
    assert int(counted["count"]) < 1000
    assert int(counted["in-pack"]) >= len(chain)
    gone = {ref for ref, oid in before.items() if gate.refs().get(ref) != oid}
    assert gone <= {"refs/gate/log", "refs/gate/verdicts"}, "these go on"
    gate.git("fsck", "--strict", "--no-dangling")


def test_what_sites_print_is_kept_short_while_pm2_goes_on_appending(gate: Gatehouse) -> None:
    log = gate.home.var / "pm2" / "logs" / "shop-out.log"
    with log.open("ab") as file:
        file.truncate(logs.MOST + 1)
    gate.tick()
    assert (log.stat().st_size, log.with_name("shop-out.log.1").stat().st_size) == (0, logs.MOST)
    log.with_name("shop-out.log.1").unlink()
    held = [fd for pid in gate.pm2_family() for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.readlink() == log]
    flags = [Path(str(fd).replace("/fd/", "/fdinfo/")).read_text().split()[3] for fd in held]
    assert flags, "pm2, or in cluster mode the site's own process, holds it open"
    assert all(int(flag, 8) & os.O_APPEND for flag in flags), "it writes at the end, wherever that is"
