"""What a tired person types wrongly: each is told how it is right, and changes nothing."""

from datetime import datetime
from pathlib import Path

import pytest
from gatehouse import Gatehouse

from gatekeeper import process
from gatekeeper.librarian import gates, windows


@pytest.mark.parametrize(
    ("args", "status", "told"),
    [
        (("status", "--gate", "/srv/gate"), 2, "`--gate` comes before the verb: gatekeeper --gate DIR status …"),
        (("rollback",), 2, 'Example: gatekeeper rollback v1.4.1 -m "checkout is broken"'),
        (("reject", "x", "-m", " "), 2, "say why, in a few words"),
        (("approve", "x@", "-m", "fine"), 2, "name the tip behind the @"),
        (("freeze", "--until", "yesterday", "-m", "x"), 2, "write a time to come"),
        (("explain", "conflict"), 3, "hint: Did you mean GATE-401, a conflict?"),
        (("explain", "999"), 3, "hint: All of them: gatekeeper explain"),
        (("show", "live-mistak"), 3, 'Did you mean "live-mistake"?'),
        (("reload", "sho"), 3, 'Did you mean "shop"?'),
        (("revert", "nothing", "-m", "x"), 3, "No request nothing has landed"),
        (("reject", "live-mistake", "-m", "x"), 3, "live-mistake is shipped in v"),
        (("retry", "live-mistake"), 3, "`gatekeeper revert live-mistake -m …` takes it out again."),
        (("resolve", "live-mistake", "--done"), 1, "resolve-live-mistake is not there: `gatekeeper resolve"),
        (("rollback", "v9.9.9", "-m", "x"), 3, "v9.9.9 was never live here"),
    ],
)
def test_a_mistake_is_told_how_it_is_right(gate: Gatehouse, args: tuple[str, ...], status: int, told: str) -> None:
    if "live-mistake" not in gate.git("for-each-ref", "refs/gate/results/"):
        gate.clone().request("live-mistake", {"sites/web/page.txt": "landed\n"})
        gate.tick()
    release = gate.release
    done = gate.cli(*args)
    assert (done.returncode, done.stdout) == (status, "")
    assert told in done.stderr
    assert gate.release == release


def test_who_stands_nowhere_is_told_where_to_begin(tmp_path: Path) -> None:
    env = {name: value for name, value in process.own_environment().items() if name != "GATEKEEPER_HOME"}
    done = process.run(("gatekeeper",), cwd=tmp_path, env=env)
    assert done.status == 20
    assert b"`gatekeeper demo` plays it all" in done.errors


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-03-28T23:00:00+01:00", "2026-03-30T05:00:00Z"),
        ("2026-10-24T23:00:00+02:00", "2026-10-26T06:00:00Z"),
        ("2026-10-27T02:00:00+01:00", "2026-10-27T06:00:00Z"),
    ],
)
def test_a_window_opens_by_the_clock_on_the_wall_when_summer_time_begins_or_ends(
    gate: Gatehouse, now: str, opens: str
) -> None:
    gate.configure(gate='ship_windows = ["Mon-Fri 07:00-16:30"]\ntimezone = "Europe/Copenhagen"\n')
    with gates.for_reading(gate.home, clock=datetime.fromisoformat(now).timestamp) as opened:
        shut = windows.closed(opened, None, frozenset())
    assert shut is not None
    assert shut.until == opens
