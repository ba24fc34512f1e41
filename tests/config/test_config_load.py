"""sites.toml is read whole or not at all, and no content of it gets anything else than values or problems."""

import contextlib
import inspect
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.config import schema
from gatekeeper.config.load import check, from_tables, load
from gatekeeper.config.problems import ConfigProblems
from gatekeeper.config.schema import DAY, GIB, HOUR, KIB, MIB, MINUTE, Config, Gate, Health, Limits, Verify
from gatekeeper.errors import Exit

ONE = '[sites.shop]\npath = "sites/shop"\nscript = "server.js"\n'


def test_the_defaults_are_those_of_the_design(tmp_path: Path) -> None:
    config = load(_file(tmp_path, ONE + '[agents.a]\nowner = "kim"\nunix_user = "a"\n'))
    assert config.gate == Gate(
        heartbeat=15 * MINUTE,
        settle=0,
        max_train=8,
        keep_releases=10,
        keep_logs=400 * DAY,
        request_ttl=14 * DAY,
        ship_windows=(),
        timezone="UTC",
        reload="always",
        protected=(".github",),
        alerts_file="var/alerts",
        escalate_after=30 * MINUTE,
    )
    assert config.verify == Verify(
        sandbox="bubblewrap", jobs=2, executor="local", read_only=(), toolchain=(("node", "--version"),)
    )
    assert (config.pm2.command, config.pm2.home) == (("pm2",), "var/pm2")
    assert (config.builds, config.checks, config.hold, config.hosts, config.surfaces) == ((), (), (), {}, {})
    site = config.sites["shop"]
    assert (site.host, site.mode, site.instances, site.health, site.user) == (None, "cluster", 1, None, None)
    assert (site.health_timeout, site.soak, site.boot_check) == (10, 1, True)
    assert (config.agents["a"].surfaces, config.agents["a"].role) == ((), "agent")


def test_an_agent_has_its_own_limit_or_the_one_of_all(tmp_path: Path) -> None:
    agents = "".join(f'[agents.{name}]\nowner = "kim"\nunix_user = "{name}"\n' for name in "ab")
    config = load(_file(tmp_path, f"[limits]\nopen_requests = 3\n{ONE}{agents}max_open = 5\n"))
    assert (config.limits.open_requests, config.agents["a"].max_open, config.agents["b"].max_open) == (3, None, 5)
    assert Config().limits.open_requests == 10


def test_times_and_sizes_are_numbers_once_loaded(tmp_path: Path) -> None:
    text = '[gate]\nheartbeat = "1h30m"\n[limits]\noutput = "64K"\nmemory = "512M"\n' + ONE + 'soak = "250ms"\n'
    config = load(_file(tmp_path, text))
    assert config.gate.heartbeat == 1.5 * HOUR
    assert config.limits == Limits(output=64 * KIB, memory=512 * MIB)
    assert Limits().memory == 2 * GIB
    assert config.sites["shop"].soak == 0.25


@pytest.mark.parametrize(
    ("written", "health"),
    [
        ('"http://127.0.0.1/h"', Health(url="http://127.0.0.1/h")),
        ('{ url = "http://127.0.0.1/h" }', Health(url="http://127.0.0.1/h")),
        ('{ url = "https://a/", status = 204 }', Health(url="https://a/", status=(204,))),
        (
            '{ url = "https://a/", status = [200, 204], host = "b", contains = "ok" }',
            Health(url="https://a/", status=(200, 204), host="b", contains="ok"),
        ),
    ],
)
def test_health_is_an_address_or_a_table(written: str, health: Health, tmp_path: Path) -> None:
    assert load(_file(tmp_path, f"{ONE}health = {written}\n")).sites["shop"].health == health


def test_surfaces_are_the_sites_and_the_others(tmp_path: Path) -> None:
    config = load(_file(tmp_path, ONE + 'uses = ["lib"]\n[surfaces.shared]\npaths = ["lib", "package.json"]\n'))
    assert config.surface_paths() == {"shop": ("sites/shop",), "shared": ("lib", "package.json")}


def test_a_problem_stops_with_everything_a_person_needs(tmp_path: Path) -> None:
    file = _file(tmp_path, '[gate]\nmax_train = 0\n[sites.shop]\npath = "a"\nscirpt = "x"\n')
    with pytest.raises(ConfigProblems) as stop:
        load(file)
    assert stop.value.exit is Exit.CONFIG
    assert stop.value.code == "GATE-501"
    assert stop.value.hints == ("Repair the file, then run `gatekeeper config check`.",)
    assert stop.value.problems == check(file)
    assert stop.value.text == (
        "The configuration has 3 problems, so nothing was changed (GATE-501).\n"
        f"{file}: gate.max_train = 0\n"
        "  It must be at least 1.\n"
        f'{file}: sites.shop.scirpt = "x"\n'
        '  There is no such option. Did you mean "script"?\n'
        f"{file}: sites.shop.script\n"
        '  It is missing. Name what pm2 starts, or set mode = "static".'
    )


UNREADABLE = [
    (b"a = \n", "a =", "It is not TOML: Invalid value (at line 1, column 5)."),
    (
        b"[sites.shop]\n[sites.web]\n [sites.shop] # again\n",
        "[sites.shop] # again",
        "It is not TOML: Cannot declare ('sites', 'shop') twice (at line 3, column 13).",
    ),
    (b"\n\xe2\x80\xae = 1", "\\u202e = 1", "It is not TOML: Invalid statement (at line 2, column 1)."),
    (b"a = 1\n# caf\xe9\n", None, "It is not UTF-8: line 2 holds the byte 0xe9."),
    (b"\xff\xfea\0", None, "It is not UTF-8: line 1 holds the byte 0xff."),
]


@pytest.mark.parametrize(("content", "value", "message"), UNREADABLE)
def test_what_is_no_toml_says_where(content: bytes, value: str | None, message: str, tmp_path: Path) -> None:
    file = tmp_path / "sites.toml"
    file.write_bytes(content)
    (problem,) = check(file)
    assert (problem.file, problem.key, problem.value, problem.message) == (str(file), "", value, message)
    with pytest.raises(ConfigProblems):
        load(file)


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "9" * 5000])
def test_toml_that_breaks_its_own_parser_is_a_problem(text: str, tmp_path: Path) -> None:
    (problem,) = check(_file(tmp_path, text))
    assert problem.message.startswith("It is not TOML: ")


def test_a_byte_order_mark_and_windows_lines_are_read(tmp_path: Path) -> None:
    file = tmp_path / "sites.toml"
    file.write_bytes(b"\xef\xbb\xbf" + ONE.replace("\n", "\r\n").encode())
    assert check(file) == ()


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    (missing,) = check(tmp_path / "sites.toml")
    assert missing.message == "There is no such file. `gatekeeper init DIR` writes one to start from."
    (folder,) = check(tmp_path)
    assert folder.message == "It cannot be read: Is a directory."


_names = st.one_of(
    st.sampled_from([*Config.__struct_fields__, "shop", "path", "run", "env", "PORT", "health", "url", "paths"]),
    st.sampled_from(["name", "timezone", "ssh_key", "unix_user", "host", "ship_windows", "migrate", "mode"]),
    st.text(max_size=5),
)
_scalars = st.one_of(
    st.text(max_size=12),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.datetimes(),
    st.dates(),
    st.times(),
    st.sampled_from(["15m", "512M", "http://[", "ssh-ed25519 AA==", "a/../b", "UTC", "Europe", "static", "fork"]),
)
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=5),
    max_leaves=30,
)


@given(st.dictionaries(_names, _values, max_size=8))
def test_any_tables_become_values_or_problems(tables: dict[str, object]) -> None:
    with contextlib.suppress(ConfigProblems):
        from_tables(tables, file="sites.toml")


def _table(section: type) -> st.SearchStrategy[dict[str, object]]:
    names = st.sampled_from(tuple(inspect.get_annotations(section)))
    return st.dictionaries(names, _values, max_size=6)


_known = st.fixed_dictionaries(
    {},
    optional={
        "gate": _table(schema.Gate),
        "limits": _table(schema.Limits),
        "verify": _table(schema.Verify),
        "pm2": _table(schema.Pm2),
        "builds": st.lists(_table(schema.Build), max_size=2),
        "checks": st.lists(_table(schema.Check), max_size=2),
        "hold": st.lists(_table(schema.Hold), max_size=2),
        "hosts": st.dictionaries(_names, _table(schema.Host), max_size=2),
        "sites": st.dictionaries(_names, _table(schema.Site), max_size=3),
        "surfaces": st.dictionaries(_names, _table(schema.Surface), max_size=2),
        "agents": st.dictionaries(_names, _table(schema.Agent), max_size=3),
    },
)


@given(_known)
def test_any_value_of_a_known_option_becomes_a_value_or_a_problem(tables: dict[str, object]) -> None:
    with contextlib.suppress(ConfigProblems):
        from_tables(tables, file="sites.toml")


@given(text=st.text(max_size=60))
def test_any_text_is_a_configuration_or_a_problem(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert check(_file(tmp_path_factory.getbasetemp(), text))


def _file(folder: Path, text: str) -> Path:
    file = folder / "sites.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_that_went_missing_is_told_with_where_its_copy_is(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "applied.toml").write_text("")
    [problem] = check(tmp_path / "sites.toml")
    assert f"{tmp_path}/var/applied.toml is a copy of the last one that was in force" in problem.message
