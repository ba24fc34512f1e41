from pathlib import Path, PurePath

import pytest
from msgspec.structs import replace

from gatekeeper.model import Oid, SiteName, Version
from gatekeeper.sites.listed import Pm2Process
from gatekeeper.sites.proof import Place, View, prove, strays
from gatekeeper.sites.run import SiteRun, Stamp

STAMP = Stamp(Version("v2"), Oid("b" * 40))
PLACE = Place(Path("/g/live/releases/v2"), PurePath("sites/shop"))
RUN = SiteRun(
    name=SiteName("shop"),
    cwd=Path("/g/live/current/sites/shop"),
    script=Path("/g/live/current/sites/shop/server.js"),
    wait_ready=True,
)
GOOD = Pm2Process(
    pm_id=0,
    name="shop",
    namespace="gatekeeper",
    script=str(RUN.script),
    cwd=str(RUN.cwd),
    mode="cluster",
    interpreter="node",
    status="online",
    pid=70,
    restarts=1,
    unstable=0,
    exit_code=None,
    site="shop",
    version="v2",
    commit="b" * 40,
    settled=True,
    variables=frozenset(),
)
HERE = "/g/live/releases/v2/sites/shop"
OLD = "/g/live/releases/v1/sites/shop"


def view(*processes: Pm2Process, **children: str) -> View:
    return View(7, processes, {int(pid[1:]): cwd for pid, cwd in children.items()} or {70: HERE})


def test_its_own_process_in_the_release_with_the_stamp_is_proof() -> None:
    proof = prove(RUN, PLACE, STAMP, view(GOOD))
    assert (proof.state, proof.own) == ("right", (GOOD,))


@pytest.mark.parametrize(
    ("seen", "state", "reason"),
    [
        (View(), "dead", "daemon is not running"),
        (view(), "wait", "0 of its 1"),
        (view(GOOD, replace(GOOD, pm_id=1, pid=71)), "wait", "2 of its 1"),
        (view(replace(GOOD, name="shop-admin")), "wait", "0 of its 1"),
        (view(replace(GOOD, script="/x/server.js")), "wait", "0 of its 1"),
        (view(replace(GOOD, status="launching")), "wait", "not said that it is ready"),
        (view(replace(GOOD, status="waiting restart", exit_code=3)), "wait", "exit status 3"),
        (view(replace(GOOD, status="errored", exit_code=3)), "dead", "gave it up (errored, exit status 3)"),
        (view(replace(GOOD, status="stopped")), "dead", "gave it up (stopped)"),
        (view(replace(GOOD, status="launching", unstable=3, exit_code=1)), "dead", "ended 3 times"),
        (view(GOOD, p71=HERE), "wait", "not a child of pm2's daemon"),
        (view(GOOD, p70=OLD), "wait", f"runs from {OLD}"),
        (view(GOOD, p70=""), "wait", "cannot be read"),
        (view(GOOD, p70=HERE + "2"), "wait", "runs from"),
        (view(replace(GOOD, version="v1")), "wait", "has it as v1, not v2"),
        (view(replace(GOOD, commit="c" * 40)), "wait", "has it as v2"),
        (view(replace(GOOD, settled=False)), "wait", "has it as v2"),
        (view(GOOD, p70=HERE, p71=OLD), "leaving", "outgoing process 71"),
    ],
)
def test_anything_else_is_not(seen: View, state: str, reason: str) -> None:
    proof = prove(RUN, PLACE, STAMP, seen)
    assert proof.state == state
    assert reason in proof.reason


def test_past_crashes_do_not_count_against_a_site_that_now_runs() -> None:
    assert prove(RUN, PLACE, STAMP, view(replace(GOOD, unstable=5))).state == "right"


def test_a_stray_is_an_unlisted_child_in_the_same_place_of_any_release() -> None:
    seen = view(GOOD, p70=HERE, p71=OLD, p72=OLD + "-admin", p73="/g/pm2", p74="/g/live/releases/v1", p75="")
    assert strays(PLACE, seen) == [71]


def test_a_site_that_is_the_whole_tree_is_in_the_release_itself() -> None:
    place = Place(PLACE.release, PurePath())
    assert place.folder == PLACE.release
    assert place.has("/g/live/releases/v1")
    assert not place.has(OLD)
