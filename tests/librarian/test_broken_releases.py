"""A release that passes its checks and fails when it is live: everything goes back by itself, and says so."""

from gatehouse import Gatehouse

from gatekeeper.model import State


def test_a_broken_release_is_put_back_and_only_its_request_blocked(gate: Gatehouse) -> None:
    before, release, texts = gate.version, gate.release, gate.answers()
    gate.mood("web", "bad")
    clone = gate.clone()
    clone.request("fine", {"sites/shop/page.txt": f"fine after {before}\n"})
    tip = clone.request("rotten", {"sites/web/page.txt": "FAILS WHEN bad\n"})
    beat = gate.tick()
    result = gate.result("rotten")
    assert result.reason is not None
    assert (result.state, result.reason.code) == (State.BLOCKED, "GATE-404")
    assert "site web was not healthy" in result.reason.text
    assert f"Every site is back on {before}" in result.reason.text
    assert [alarm.code for alarm in beat.alarms] == ["GATE-404"]
    assert gate.open() == {"rotten"}
    assert gate.result("fine").state is State.SHIPPED, "the others go again together"
    assert gate.versions() == {gate.version}
    assert gate.ask("web")["text"] == texts["web"]["text"]
    tag = gate.version
    assert gate.git("rev-list", "--count", "--first-parent", f"{release}..release") == "1", "one version, one request"
    assert tag == before.rpartition(".")[0] + "." + str(int(before.rpartition(".")[2]) + 1), "no version was spent"
    failed = gate.records("ship_failed")[0]
    assert (failed.data["site"], failed.data["code"]) == ("web", "GATE-404")

    shipping = len(gate.records("shipping"))
    gate.tick()
    assert len(gate.records("shipping")) == shipping, "the same content is not shipped again"
    assert gate.result("rotten").tip == tip

    gate.mood("web", "good")
    assert gate.decide("retry", "rotten").event == "retried"
    assert gate.result("rotten").state is State.SHIPPED
    assert gate.ask("web")["text"] == "FAILS WHEN bad"
    gate.clone().request("mend", {"sites/web/page.txt": "web\n"})
    gate.tick()


def test_release_and_tag_stand_still_when_all_fail(gate: Gatehouse) -> None:
    before, release = gate.version, gate.release
    tags = gate.refs("refs/tags/")
    gate.mood("shop", "bad")
    gate.clone().request("alone", {"sites/shop/page.txt": "FAILS WHEN bad\n"})
    gate.tick()
    assert (gate.release, gate.refs("refs/tags/"), gate.versions()) == (release, tags, {before})
    assert gate.code("alone") == "GATE-404"
    assert "refs/gate/shipping" not in gate.refs()
    assert len(list(gate.home.releases.glob("*"))) <= 12

    tree = gate.records("ship_failed")[0].data["tree"]
    assert f"refs/gate/bad/{tree}" in gate.refs("refs/gate/bad/")
    clone = gate.clone("agent-two")
    clone.request("same", {"sites/shop/page.txt": "FAILS WHEN bad\n"})
    gate.tick()
    assert gate.code("same") == "GATE-404"
    assert gate.result("same").rests_on == {"bad": tree}
    assert gate.versions() == {before}


def test_a_site_that_never_gets_ready_dies_or_lies_is_found_before_it_ships(gate: Gatehouse) -> None:
    before = gate.version
    words = {"shop": "NEVER READY", "shop-admin": "DIES AT BOOT", "web": "OTHER VERSION"}
    gate.toml_with_short_patience()
    clone = gate.clone()
    for name, text in words.items():
        clone.request(f"ill-{name}", {f"sites/{name}/page.txt": f"{text}\n"})
    gate.tick()
    for name in words:
        reason = gate.result(f"ill-{name}").reason
        assert reason is not None
        assert reason.code == "GATE-402"
        assert f'check "boot" failed for {name}' in reason.text
    assert (gate.version, gate.versions()) == (before, {before})


def test_without_the_boot_check_the_ship_itself_finds_them(gate: Gatehouse) -> None:
    before = gate.version
    gate.toml_with_short_patience("boot_check = false\n")
    gate.tick()
    for id_, name, text in (
        ("never", "shop", "NEVER READY"),
        ("lies", "web", "OTHER VERSION"),
    ):
        gate.clone().request(id_, {f"sites/{name}/page.txt": f"{text}\n"})
        gate.tick()
        result = gate.result(id_)
        assert result.reason is not None
        assert (result.reason.code, f"site {name} was not healthy" in result.reason.text) == ("GATE-404", True)
        assert (gate.version, gate.versions()) == (before, {before}), id_
