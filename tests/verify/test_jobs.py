"""Which jobs a tree needs, and what their keys rest on."""

import pytest
from msgspec.structs import replace

from gatekeeper.config.load import from_tables
from gatekeeper.model import Oid
from gatekeeper.verify import jobs
from gatekeeper.verify.jobs import Ground

CONFIG = from_tables(
    {
        "builds": [{"name": "deps", "run": ["make"], "per_site": True, "outputs": ["node_modules"]}],
        "checks": [
            {"name": "unit", "run": ["node", "--test"], "per_site": True},
            {"name": "lint", "run": ["true"], "paths": ["lib"]},
        ],
        "sites": {
            "shop": {"path": "sites/shop", "uses": ["lib"], "script": "s.js"},
            "web": {"path": "sites/web", "script": "s.js"},
        },
    },
    file="sites.toml",
)
GROUND = Ground(
    {"sites/shop": Oid("1"), "sites/web": Oid("2"), "lib": Oid("3"), ".": Oid("9")}, "node 20", "bubblewrap"
)
KEYS = {"deps of shop", "deps of web", "unit of shop", "unit of web", "lint", "boot of shop", "boot of web"}


def keys(ground: Ground, output: str = "o") -> dict[str, str]:
    made = jobs.builds(CONFIG, ground)
    checks = jobs.checks(CONFIG, ground, {work.job.key: output for work in made}, made)
    return {str(work.job.name): work.job.key for work in (*made, *checks)}


@pytest.mark.parametrize(
    ("ground", "moved"),
    [
        (replace(GROUND, oids={**GROUND.oids, ".": Oid("10")}), set()),
        (replace(GROUND, oids={**GROUND.oids, "sites/web": Oid("7")}), {"deps of web", "unit of web", "boot of web"}),
        (
            replace(GROUND, oids={**GROUND.oids, "lib": Oid("7")}),
            {"lint", "deps of shop", "unit of shop", "boot of shop"},
        ),
        (replace(GROUND, toolchain="node 22"), KEYS),
        (replace(GROUND, sandbox="other"), KEYS),
    ],
    ids=["nothing it sees", "one site", "what a site uses", "toolchain", "sandbox"],
)
def test_a_key_moves_with_what_its_job_can_see_and_with_nothing_else(ground: Ground, moved: set[str]) -> None:
    before, after = keys(GROUND), keys(ground)
    assert before.keys() == after.keys() == KEYS
    assert {name for name in KEYS if before[name] != after[name]} == moved


def test_what_a_build_left_is_part_of_the_keys_of_those_that_see_it() -> None:
    before, after = keys(GROUND), keys(GROUND, output="another")
    assert {name for name in KEYS if before[name] != after[name]} == KEYS - {"deps of shop", "deps of web", "lint"}


def test_a_site_that_is_not_in_the_tree_has_no_jobs() -> None:
    here = replace(GROUND, oids={path: oid for path, oid in GROUND.oids.items() if path != "sites/web"})
    assert set(keys(here)) == {"deps of shop", "unit of shop", "lint", "boot of shop"}


def test_a_build_that_would_see_nothing_is_none_and_a_check_is_run_all_the_same() -> None:
    tables = {
        "builds": [{"name": "deps", "run": ["make"], "paths": ["api"], "cwd": "api", "outputs": ["node_modules"]}],
        "checks": [{"name": "api", "run": ["true"], "paths": ["api"], "cwd": "api"}],
        "sites": {"api": {"path": "api", "script": "s.js"}},
    }
    config = from_tables(tables, file="sites.toml")
    nowhere = Ground({".": Oid("9")}, "node 20", "bubblewrap")
    assert jobs.builds(config, nowhere) == ()
    assert [str(work.job.name) for work in jobs.checks(config, nowhere, {}, ())] == ["api"]
    assert len(jobs.builds(config, replace(nowhere, oids={"api": Oid("1")}))) == 1


def test_without_a_sandbox_no_site_is_booted_beside_the_live_one() -> None:
    assert set(keys(replace(GROUND, sandbox="none"))) == KEYS - {"boot of shop", "boot of web"}


def test_the_definition_that_a_block_rests_on_is_the_same_whatever_the_tree() -> None:
    made = jobs.builds(CONFIG, GROUND)
    here = jobs.checks(CONFIG, GROUND, {work.job.key: "o" for work in made}, made)
    assert jobs.definitions(CONFIG) == {str(work.job.name): work.job.definition for work in (*made, *here)}
