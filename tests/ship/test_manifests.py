"""What an engine in a cluster is given: held against the engines' own definitions, and never anything of an agent's."""

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as some

from gatekeeper.cli import cli
from gatekeeper.config.load import from_tables
from gatekeeper.config.schema import Config
from gatekeeper.errors import Exit, GateError
from gatekeeper.ship import manifests
from gatekeeper.ship.manifests import Engine, Wish

SCHEMA = json.loads((Path(__file__).parent / "engines.json").read_text("utf-8"))
URL = "ssh://git@git.example/gate.git"
MIRROR = f'[mirror]\nurls = ["{URL}"]\n'
SITES = "".join(f'[sites.{name}]\npath = "sites/{name}"\nmode = "static"\n' for name in ("shop", "web"))
EXTERNAL = '[gate]\nship = "external"\n[external]\nhealth = ["healthy"]\n'
ENGINES: tuple[Engine, ...] = ("argocd", "flux")


def config(*parts: str) -> Config:
    return from_tables(tomllib.loads("\n".join(parts)), file="sites.toml")


def made(found: Config, engine: Engine, **more: Any) -> list[dict[str, Any]]:
    objects = [dict(one) for one in manifests.objects(found, Wish(engine, "gate", **more))]
    for one in objects:
        jsonschema.Draft202012Validator(SCHEMA).validate(one)
    return objects


def refusal(found: Config, engine: Engine = "flux", name: str = "gate", **more: Any) -> GateError:
    with pytest.raises(GateError) as stop:
        manifests.objects(found, Wish(engine, name, **more))
    return stop.value


def test_the_schema_refuses_what_an_engine_would() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    (where, *_), schema = made(config(MIRROR, SITES), "flux"), jsonschema.Draft202012Validator(SCHEMA)
    for wrong in (
        {**where, "apiVersion": "source.toolkit.fluxcd.io/v9"},
        {**where, "spec": {**where["spec"], "interval": "soon"}},
        {**where, "spec": {**where["spec"], "url": "git@git.example:gate.git"}},
        {**where, "spec": {**where["spec"], "more": 1}},
        {**where, "metadata": {**where["metadata"], "name": "Gate_"}},
    ):
        assert not schema.is_valid(wrong), wrong


def test_argo_cd_gets_a_project_that_holds_it_in_and_an_application_a_site() -> None:
    project, shop, web = made(config(MIRROR, SITES), "argocd", namespace="shops")
    to = {"server": "https://kubernetes.default.svc", "namespace": "shops"}
    assert (project["kind"], project["metadata"]["name"], project["metadata"]["namespace"]) == (
        "AppProject",
        "gate",
        "argocd",
    )
    assert project["spec"] == {"sourceRepos": [URL], "destinations": [to], "clusterResourceWhitelist": []}
    assert [one["metadata"]["name"] for one in (shop, web)] == ["gate-shop", "gate-web"]
    assert shop["spec"] == {
        "project": "gate",
        "source": {"repoURL": URL, "targetRevision": "release", "path": "sites/shop"},
        "destination": to,
        "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
    }


def test_flux_gets_one_source_and_a_kustomization_a_site() -> None:
    source, shop, web = made(config(MIRROR, SITES), "flux")
    assert source["spec"] == {"url": URL, "interval": "1m", "ref": {"branch": "release"}}
    assert [one["spec"]["path"] for one in (shop, web)] == ["./sites/shop", "./sites/web"]
    assert shop["spec"]["sourceRef"] == {"kind": "GitRepository", "name": source["metadata"]["name"]}
    assert "targetNamespace" not in shop["spec"]
    assert made(config(MIRROR, SITES), "flux", namespace="shops")[1]["spec"]["targetNamespace"] == "shops"


@pytest.mark.parametrize("engine", ENGINES)
def test_where_the_engine_is_waited_for_it_follows_the_branch_that_can_go_back(engine: Engine) -> None:
    found = config(EXTERNAL, 'branch = "canary"', MIRROR, SITES)
    told = json.dumps(made(found, engine))
    assert '"canary"' in told
    assert '"release"' not in told


@pytest.mark.parametrize("engine", ENGINES)
def test_sites_that_share_a_path_are_applied_once(engine: Engine) -> None:
    twin = '[sites.twin]\npath = "sites/shop"\nmode = "static"\n'
    names = [one["metadata"]["name"] for one in made(config(MIRROR, SITES, twin), engine)]
    assert names == ["gate", "gate-shop", "gate-web"]


@pytest.mark.parametrize("name", ["Gate", "-gate", "gate-", "ga.te", "gäte", "x" * 64, ""])
def test_a_name_that_no_cluster_takes_is_refused(name: str) -> None:
    stop = refusal(config(MIRROR, SITES), name=name)
    assert "is no name in a cluster" in stop.text
    assert stop.exit is Exit.USAGE


def test_a_site_whose_object_would_have_such_a_name_is_named() -> None:
    bad = '[sites.odd-]\npath = "sites/odd"\nmode = "static"\n'
    assert '"gate-odd-"' in refusal(config(MIRROR, bad)).text
    assert '"Shops"' in refusal(config(MIRROR, SITES), namespace="Shops").text


@given(name=some.text(max_size=80))
def test_whatever_the_name_the_objects_hold_to_the_definitions_or_there_are_none(name: str) -> None:
    found = config(MIRROR, SITES)
    try:
        objects = manifests.objects(found, Wish("argocd", name))
    except GateError:
        return
    for one in objects:
        jsonschema.Draft202012Validator(SCHEMA).validate(one)


def test_without_a_mirror_it_says_what_to_add() -> None:
    stop = refusal(config(SITES))
    assert stop.exit is Exit.CONFIG
    assert "names no mirror" in stop.text
    assert "[mirror]" in stop.hints[0]


def test_one_of_several_mirrors_must_be_named_and_is_never_guessed() -> None:
    other = "https://git.example/b.git"
    several = config(f'[mirror]\nurls = ["{URL}", "{other}"]\n', SITES)
    assert refusal(several).hints == tuple(f"gatekeeper manifests --for flux --mirror {url}" for url in (URL, other))
    assert made(several, "flux", mirror=other)[0]["spec"]["url"] == other
    near = refusal(several, mirror="https://git.example/c.git")
    assert (near.exit, f'Did you mean "{other}"?' in near.text) == (Exit.NOT_FOUND, True)


@pytest.mark.parametrize("url", ["/mnt/mirror.git", "file:///mnt/mirror.git", "git://git.example/gate.git"])
@pytest.mark.parametrize("engine", ENGINES)
def test_an_address_that_the_engine_cannot_read_asks_for_one_that_it_can(engine: Engine, url: str) -> None:
    found = config(f'[mirror]\nurls = ["{url}"]\n', SITES)
    stop = refusal(found, engine)
    assert "cannot read" in stop.text
    assert f"gatekeeper manifests --for {engine} --address" in stop.hints[0]
    assert URL in json.dumps(made(found, engine, address=URL))


def test_the_short_form_of_ssh_is_argo_cds_alone() -> None:
    found = config('[mirror]\nurls = ["git@git.example:gate.git"]\n', SITES)
    assert made(found, "argocd")[1]["spec"]["source"]["repoURL"] == "git@git.example:gate.git"
    assert "cannot read" in refusal(found, "flux").text


def test_an_address_with_a_password_is_refused() -> None:
    stop = refusal(config(MIRROR, SITES), address="https://kim:secret@git.example/gate.git")
    assert "It must hold no password" in stop.text


def run(home: Path, *args: str) -> Any:
    done = CliRunner().invoke(cli, ["--gate", str(home), "manifests", *args], catch_exceptions=True)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "gate"
    for needed in ("repo.git", "var"):
        (folder / needed).mkdir(parents=True)
    (folder / "sites.toml").write_text(f"{MIRROR}{SITES}")
    return folder


def test_the_verb_prints_what_kubectl_takes_or_writes_a_file_an_object(home: Path, tmp_path: Path) -> None:
    listed = json.loads(run(home, "--for", "argocd").stdout)
    assert (listed["apiVersion"], listed["kind"]) == ("v1", "List")
    out = tmp_path / "out"
    done = run(home, "--for", "argocd", "--out", str(out))
    files = ["appproject-gate.json", "application-gate-shop.json", "application-gate-web.json"]
    assert sorted(path.name for path in out.iterdir()) == sorted(files)
    assert [json.loads((out / file).read_text("utf-8")) for file in files] == listed["items"]
    assert done.stdout == "".join(f"written  {out / file}\n" for file in files)
    told = json.loads(run(home, "--for", "argocd", "--out", str(out), "--json").stdout)
    assert (told["branch"], told["url"], told["objects"]) == ("release", URL, listed["items"])
    assert told["files"] == [str(out / file) for file in files]


def test_the_verb_refuses_as_any_other(home: Path, tmp_path: Path) -> None:
    (home / "sites.toml").write_text(SITES)
    with pytest.raises(GateError) as stop:
        run(home, "--for", "flux")
    assert stop.value.exit is Exit.CONFIG
    with pytest.raises(GateError) as stop:
        run(tmp_path / "nowhere", "--for", "flux")
    assert stop.value.exit is Exit.NO_GATE
