from pathlib import Path

import pytest
from msgspec.structs import replace

from gatekeeper.errors import GateError
from gatekeeper.model import Oid, SiteName, Version
from gatekeeper.sites import ecosystem, plan
from gatekeeper.sites.listed import Pm2Process
from gatekeeper.sites.run import SiteRun, Stamp

CURRENT = Path("/g/live/current")


def site(name: str, path: str | None = None) -> SiteRun:
    cwd = CURRENT / "sites" / (path or name)
    return SiteRun(name=SiteName(name), cwd=cwd, script=cwd / "server.js")


def process(run: SiteRun, pm_id: int) -> Pm2Process:
    return Pm2Process(
        pm_id=pm_id,
        name=run.name,
        namespace="gatekeeper",
        script=str(run.script),
        cwd=str(run.cwd),
        mode=run.mode,
        interpreter="node",
        status="online",
        pid=100 + pm_id,
        restarts=0,
        unstable=0,
        exit_code=None,
        site=run.name,
        version="v1",
        commit="a",
        settled=True,
        variables=frozenset(),
    )


SHOP, ADMIN = site("shop"), site("shop-admin")


def make(
    runs: list[SiteRun], processes: list[Pm2Process], only: set[str] | None = None
) -> tuple[list[int], list[str], list[int]]:
    stamp = Stamp(Version("v1"), Oid("a"))
    told = ecosystem.render(runs, stamp, base={}, logs=Path("/l"))
    made = plan.make(runs, told, processes, current=CURRENT, only=only)
    return (
        [one.pm_id for one in made.delete],
        [app["name"] for app in made.start],
        [one.pm_id for one, _ in made.reload],
    )


def test_the_missing_starts_the_present_reloads_the_unnamed_goes() -> None:
    gone = process(site("old"), 5)
    assert make([SHOP, ADMIN], [process(SHOP, 3), gone]) == ([5], ["shop-admin"], [3])


def test_a_name_is_matched_whole() -> None:
    assert make([SHOP], [process(ADMIN, 1)]) == ([1], ["shop"], [])


def test_only_narrows_the_reloads_and_nothing_else() -> None:
    processes = [process(SHOP, 1), process(ADMIN, 2), process(site("old"), 3)]
    assert make([SHOP, ADMIN, site("new")], processes, {"shop"}) == ([3], ["new"], [1])


@pytest.mark.parametrize(
    "changed",
    [
        replace(SHOP, mode="fork"),
        replace(SHOP, instances=2),
        replace(SHOP, cwd=CURRENT / "else"),
        replace(SHOP, script=CURRENT / "sites/shop/main.js"),
    ],
)
def test_what_a_reload_cannot_change_is_replaced(changed: SiteRun) -> None:
    assert make([changed], [process(SHOP, 1)]) == ([1], ["shop"], [])


def test_the_interpreter_counts_in_fork_mode_only() -> None:
    fork = replace(SHOP, mode="fork", interpreter="bun")
    assert make([fork], [process(fork, 1)]) == ([1], ["shop"], [])
    assert make([replace(SHOP, interpreter="bun")], [process(SHOP, 1)]) == ([], [], [1])


def test_sites_that_share_a_path_are_told_apart_by_name() -> None:
    one, two = site("one", "app"), site("two", "app")
    assert make([one, two], [process(one, 1), process(two, 2)], {"two"}) == ([], [], [2])


def test_a_process_that_renamed_itself_is_no_sites_and_goes() -> None:
    one, two = site("one", "app"), site("two", "app")
    renamed = replace(process(two, 2), name="one")
    assert make([one, two], [process(one, 1), renamed]) == ([2], ["two"], [1])


@pytest.mark.parametrize(
    "foreign",
    [
        replace(process(ADMIN, 9), namespace="default"),
        replace(process(ADMIN, 9), script="/elsewhere/server.js"),
        replace(process(ADMIN, 9), script="/g/live/current-of-another/server.js"),
    ],
)
def test_foreign_processes_are_left_alone_unless_they_have_a_sites_name(foreign: Pm2Process) -> None:
    assert make([SHOP], [foreign, process(SHOP, 1)]) == ([], [], [1])
    with pytest.raises(GateError) as refusal:
        make([SHOP], [replace(foreign, name="shop"), process(SHOP, 1)])
    assert refusal.value.code == "GATE-501"
