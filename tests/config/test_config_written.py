"""What `config show` prints is a configuration, and the same one."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.config.load import from_tables
from gatekeeper.config.starter import annotated
from gatekeeper.config.written import as_toml


def test_the_annotated_file_reads_back_as_itself() -> None:
    config = from_tables(tomllib.loads(annotated()), file="sites.toml")
    assert from_tables(tomllib.loads(as_toml(config)), file="shown") == config


# TOML is UTF-8, and its escapes name whole characters: no file can say half of a surrogate pair
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@given(
    env=st.dictionaries(st.from_regex("[A-F_]{1,4}", fullmatch=True), TEXT),
    soak=st.integers(min_value=0, max_value=10**9),
    memory=st.integers(min_value=1, max_value=2**50),
    health=st.none() | st.just("https://a.example/h") | st.fixed_dictionaries({"url": st.just("http://a/")}),
)
def test_any_text_time_and_size_reads_back(env: dict[str, str], soak: int, memory: int, health: object) -> None:
    site = {"path": ".", "script": "s", "env": env, "soak": f"{soak}ms", "max_memory_restart": f"{memory}B"}
    sites = {"shop": {**site, "health": health} if health else site}
    config = from_tables({"sites": sites}, file="sites.toml")
    shown = as_toml(config)
    assert from_tables(tomllib.loads(shown), file="shown") == config
    assert all(line.isprintable() for line in shown.split("\n"))
