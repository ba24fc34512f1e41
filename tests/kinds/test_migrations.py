"""The incident that this project comes from, replayed: two instances of one code base, `shop` and `shop-admin`.

A migration that was meant for one was run on the other, as somebody matched on the beginning of a name.
"""

from collections.abc import Iterator

import pytest
from gatehouse import Gatehouse, build

from gatekeeper.errors import Exit
from gatekeeper.model import State

NAMES = ("shop", "shop-admin")
MIGRATE = """import os, pathlib
for step in sorted(pathlib.Path('migrations').iterdir()):
    with open('data/schema', 'a') as schema:
        print(os.environ['GATE_SITE'], os.environ['GATE_VERSION'], os.getuid(), step.name, file=schema)
    assert 'FAILS' not in step.read_text(), step.name
"""
HOLD = '[[hold]]\npaths = ["**/migrations/**", "**/*.test.*"]\nreason = "schema migration, or a changed test"\n'
"""As the sample configuration has it."""


@pytest.fixture(scope="module")
def gate() -> Iterator[Gatehouse]:
    """Both have a migration of their own, in the same words."""
    migrates = {
        name: f'migrate = ["python3", "migrate.py"]\nmigrate_paths = ["sites/{name}/migrations"]\n' for name in NAMES
    }
    with build(NAMES) as gate:
        gate.tick()
        clone = gate.clone()
        clone.request("prepare", {f"sites/{name}/migrate.py": MIGRATE for name in NAMES})
        gate.tick()
        gate.toml = gate.configure(HOLD, sites=migrates)
        gate.tick()
        yield gate


def schema(gate: Gatehouse, name: str) -> list[str]:
    """Return what the site's data says was done to it: site, version, user and step."""
    file = gate.home.data / name / "data" / "schema"
    return file.read_text().splitlines() if file.exists() else []


def test_a_migration_of_one_never_runs_on_the_other(gate: Gatehouse) -> None:
    clone = gate.clone()
    clone.request(
        "orders", {"sites/shop-admin/migrations/001-orders": "add a column"}, "Orders of shop\n\nSurface: shop-admin"
    )
    gate.tick()
    assert (gate.result("orders").state, gate.code("orders")) == (State.HELD, "GATE-406")
    assert schema(gate, "shop-admin") == []
    gate.decide("approve", "orders", "it is for shop-admin")
    assert gate.result("orders").state is State.SHIPPED
    assert [line.split()[::3] for line in schema(gate, "shop-admin")] == [["shop-admin", "001-orders"]]
    assert schema(gate, "shop") == []
    assert [record.data["site"] for record in gate.records("migrated")] == ["shop-admin"]


@pytest.mark.parametrize(
    ("surface", "code", "said"),
    [
        ("shop", "GATE-203", "sites/shop-admin/migrations/002 (surface shop-admin)"),
        ("shop-admi", "GATE-202", 'Did you mean "shop-admin"?'),
        ("shop-*", "GATE-202", "Surfaces are matched whole, never by prefix."),
        ("Shop-Admin", "GATE-202", 'Did you mean "shop-admin"?'),
        ("shop admin", "GATE-202", "Surfaces are matched whole, never by prefix."),
        ("sho", "GATE-202", "Surfaces are matched whole, never by prefix."),
    ],
)
def test_whatever_the_request_calls_it(gate: Gatehouse, surface: str, code: str, said: str) -> None:
    before = [schema(gate, name) for name in NAMES]
    clone = gate.clone()
    clone.commit({"sites/shop-admin/migrations/002": "drop a table"}, f"Migrate shop\n\nSurface: {surface}")
    pushed = clone.push("HEAD:request/migrate-shop")
    assert (pushed.status, pushed.code) == (1, code)
    assert said in pushed.text
    gate.tick()
    assert [schema(gate, name) for name in NAMES] == before


def test_both_at_once_run_in_order_each_once_with_its_own_name(gate: Gatehouse) -> None:
    before = {name: len(schema(gate, name)) for name in NAMES}
    steps = {f"sites/{name}/migrations/{step}": step for name in NAMES for step in ("003-a", "004-b")}
    gate.clone().request("both", steps)
    gate.tick()
    gate.decide("approve", "both", "seen")
    for name in NAMES:
        told = [line.split() for line in schema(gate, name)[before[name] :]]
        assert {(line[0], line[1]) for line in told} == {(name, gate.version)}
        assert [line[3] for line in told] == sorted(line[3] for line in told)
        assert [line[3] for line in told][-2:] == ["003-a", "004-b"]
    assert sorted(record.data["site"] for record in gate.records("migrated")[:2]) == sorted(NAMES)


def test_one_that_fails_ships_nothing_and_is_run_again_when_repaired(gate: Gatehouse) -> None:
    version, clone = gate.version, gate.clone()
    clone.request("broken", {"sites/shop/migrations/005": "FAILS", "sites/shop/page.txt": "with 005\n"})
    gate.tick()
    gate.decide("approve", "broken", "looks well")
    assert (gate.result("broken").state, gate.code("broken"), gate.version) == (State.BLOCKED, "GATE-404", version)
    assert gate.versions() == {version}
    assert gate.ask("shop")["text"] != "with 005"
    clone.again("broken", {"sites/shop/migrations/005": "repaired"})
    gate.tick()
    gate.decide("approve", "broken", "repaired")
    assert gate.result("broken").state is State.SHIPPED
    assert [line.split()[3] for line in schema(gate, "shop")].count("005") == 2


def test_a_rollback_does_not_cross_it_without_a_word(gate: Gatehouse) -> None:
    told = schema(gate, "shop")
    refused = gate.cli("rollback", "-m", "back over 005")
    assert refused.returncode == Exit.FAILED
    assert "migration of shop" in refused.stderr
    assert "shop-admin" not in refused.stderr.replace("--past-migrations", "")
    assert gate.cli("rollback", "-m", "the table stays", "--past-migrations").returncode == 0
    assert schema(gate, "shop") == told
    assert gate.versions() == {gate.version}
