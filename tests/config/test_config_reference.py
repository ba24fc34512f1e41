"""The reference page and the annotated file cannot drift from the schema."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from gatekeeper.config import schema
from gatekeeper.config.load import check, from_tables, load
from gatekeeper.config.reference import helps, page
from gatekeeper.config.starter import annotated, starter

ROOT = Path(schema.__file__).parents[2]
SECTIONS = [value for value in vars(schema).values() if isinstance(value, type) and issubclass(value, msgspec.Struct)]
SECTIONS = [section for section in SECTIONS if section not in (msgspec.Struct, schema.Config)]


def test_the_page_is_what_the_schema_says() -> None:
    written = (ROOT / "docs/reference/sites.toml.md").read_text(encoding="utf-8")
    assert written == page(), "python -m gatekeeper.config.reference > docs/reference/sites.toml.md"


@pytest.mark.parametrize("section", SECTIONS, ids=[section.__name__ for section in SECTIONS])
def test_every_option_has_a_line_of_help(section: type[msgspec.Struct]) -> None:
    assert [name for name in section.__struct_fields__ if not helps(section).get(name)] == []


def test_the_annotated_file_is_valid_and_names_the_six_sites(tmp_path: Path) -> None:
    config = load(_file(tmp_path, annotated()))
    assert {name: (site.path, site.env["PORT"]) for name, site in config.sites.items()} == {
        "shop": ("sites/shop", "4101"),
        "shop-admin": ("sites/shop-admin", "4102"),
        "web": ("sites/web", "4103"),
        "api": ("sites/api", "4104"),
        "docs": ("sites/docs", "4105"),
        "blog": ("sites/blog", "4106"),
    }
    assert [name for name, site in config.sites.items() if site.uses == ("lib",)] == ["shop", "web"]
    assert config.sites["blog"].data == ("uploads",)


def test_every_option_stands_in_the_annotated_file_and_may_be_taken_up(tmp_path: Path) -> None:
    text = _taken_up(annotated())
    assert check(_file(tmp_path, text)) == ()
    tables = tomllib.loads(text)
    for field in msgspec.structs.fields(schema.Config):
        if field.name == "external":  # what it asks for contradicts much of the rest
            continue
        given = tables[field.name]
        entries = given if isinstance(given, list) else [given] if _is_section(field.name) else list(given.values())
        seen = {option for entry in entries for option in entry}
        missing = set(_section(field.name).__struct_fields__) - seen
        assert missing <= {"per_site", "paths"}, field.name  # of which a build or a check has one


def test_what_an_engine_follows_may_be_taken_up_where_an_engine_runs_the_sites() -> None:
    shown = re.search(r"^# \[external\]\n(?:# .+\n)+", annotated(), re.MULTILINE)
    assert shown is not None
    text = re.sub(r"^# ", "", shown[0], flags=re.MULTILINE)
    sites = (
        '[gate]\nship = "external"\n[mirror]\nurls = ["git@backup:gate.git"]\n[sites.x]\npath = "x"\nmode = "static"\n'
    )
    found = from_tables(tomllib.loads(f"{sites}{text}"), file="sites.toml").external
    assert set(tomllib.loads(text)["external"]) == set(schema.External.__struct_fields__) - {"url"}
    assert msgspec.structs.replace(found, health=(), mirrors=()) == schema.External()


def test_what_is_commented_out_shows_the_default() -> None:
    shown = from_tables(tomllib.loads(_taken_up(annotated())), file="sites.toml")
    for section in ("limits", "pm2"):
        assert getattr(shown, section) == getattr(schema.Config(), section)
    assert msgspec.structs.replace(shown.gate, ship_windows=()) == schema.Gate()
    here = {"executor": "local", "tls_ca": None, "tls_cert": None, "tls_key": None}
    assert msgspec.structs.replace(shown.verify, read_only=(), **here) == schema.Verify()
    shop, plain = shown.sites["shop"], schema.Site(path="x")
    for option in ("health_timeout", "soak", "boot_check", "kill_timeout", "listen_timeout", "mode", "instances"):
        assert getattr(shop, option) == getattr(plain, option), option


def test_the_starter_lacks_only_a_site_and_its_example_may_be_taken_up(tmp_path: Path) -> None:
    (problem,) = check(_file(tmp_path, starter()))
    assert problem.key == "sites"
    assert set(tomllib.loads(starter())) == {"gate", "verify"}
    config = load(_file(tmp_path, _taken_up(starter())))
    assert list(config.sites) == ["shop"]
    assert [check.name for check in config.checks] == ["unit"]


def _taken_up(text: str) -> str:
    """Uncomment the options: lines whose # has no space after it."""
    return re.sub(r"^#(?=\S)", "", text, flags=re.MULTILINE)


def _is_section(name: str) -> bool:
    return isinstance(getattr(schema.Config(), name), msgspec.Struct)


def _section(name: str) -> type[msgspec.Struct]:
    return next(
        section
        for section in SECTIONS
        if section.__name__.lower() == name.removesuffix("s") or section.__name__.lower() == name
    )


def _file(folder: Path, text: str) -> Path:
    file = folder / "sites.toml"
    file.write_text(text, encoding="utf-8")
    return file
