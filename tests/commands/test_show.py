"""`gatekeeper show`: what a person needs to decide on one request."""

import re

from gatehouse import Gatehouse

from gatekeeper.commands.paper import cells

PAGE = "sites/web/page.txt"


def test_a_conflict_is_shown_with_its_lines_and_what_settles_it(gate: Gatehouse) -> None:
    one, two = gate.clone("agent-one"), gate.clone("agent-two")
    two.fresh()
    one.request("show-first", {PAGE: "the first \N{RIGHT-TO-LEFT OVERRIDE}word\n"})
    gate.tick()
    two.again("show-second", {PAGE: "the second word\n"})
    gate.tick()
    told = gate.cli("show", "show-second", ok=True).stdout
    assert re.search(r"^CONFLICT  with release, [0-9a-f]{12}$", told, re.MULTILINE)
    assert f"  {PAGE}\n" in told
    assert "    the first \\u202eword\n    =======\n    the second word\n" in told
    assert "-> gatekeeper resolve show-second" in told
    assert "It goes on by itself when `release`" in " ".join(told.split())
    assert [line for line in told.splitlines() if cells(line) > 80] == []


def test_a_failed_check_is_shown_with_its_log_also_when_release_has_moved_on(gate: Gatehouse) -> None:
    one = gate.clone()
    one.request("show-red", {PAGE: "BROKEN\n"}, "Break it\n\nUrgency: yesterday")
    gate.tick()
    one.request("show-later", {"sites/web/list.txt": "moved\n"})
    gate.tick()
    told = gate.cli("show", "show-red", ok=True).stdout
    assert re.search(r"^CHECK     page of web: failed in [0-9.]+ s, .* ago\n  \| BROKEN$", told, re.MULTILINE)
    assert "check     boot of web: not run yet on `release` as it is now" in told
    assert "urgency   yesterday  (recorded; it changes no order)" in told
    assert "-> gatekeeper retry show-red" in told
    assert re.search(r"blocked +show-red: GATE-402", told)


def test_what_is_live_is_shown_with_the_checks_that_it_passed(gate: Gatehouse) -> None:
    gate.clone().request("show-live", {PAGE: "live\n"})
    gate.tick()
    told = gate.cli("show", "show-live", ok=True).stdout
    assert re.match(rf"request   show-live  shipped in {gate.version}, ", told)
    assert re.search(r"^check     page of web: passed in", told, re.MULTILINE)
    assert f"{PAGE} | 2 +-" in told
    assert "->" not in told
