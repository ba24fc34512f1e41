"""An edit of sites.toml changes what was meant and no other byte, or nothing."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.config import edit
from gatekeeper.config.load import from_tables
from gatekeeper.config.problems import ConfigProblems
from gatekeeper.config.schema import Agent
from gatekeeper.config.starter import annotated
from gatekeeper.errors import GateError

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
TEXT = """# ours
[agents.codex-1]
owner = "kim"
surfaces = [
  "shop",  # the shop
]

# who wrote this one is on holiday
[agents."codex.2"]  # quoted
owner = "lee"

# about the sites
[sites.shop]
path = "sites/shop"
script = "s.js"
"""


def test_an_agent_is_added_at_the_end_with_what_was_said() -> None:
    agent = Agent(owner="kim", ssh_key=KEY, surfaces=("shop",), max_open=3, role="operator")
    text = edit.with_agent(annotated(), "codex-9", agent, file="sites.toml")
    assert text.startswith(annotated().rstrip() + "\n\n[agents.codex-9]\n")
    assert from_tables(tomllib.loads(text), file="sites.toml").agents == {"codex-9": agent}
    assert edit.without_agent(text, "codex-9", file="sites.toml").rstrip() == annotated().rstrip()


def test_only_what_differs_from_the_defaults_is_written() -> None:
    text = edit.with_agent(TEXT, "codex-3", Agent(owner='k "i" m'), file="sites.toml")
    assert text.removeprefix(TEXT) == '\n[agents.codex-3]\nowner = "k \\"i\\" m"\n'


@pytest.mark.parametrize(
    "agent", [Agent(owner=""), Agent(owner="kim", surfaces=("sho",)), Agent(owner="k", ssh_key="x")]
)
def test_what_cannot_be_an_agent_is_not_added(agent: Agent) -> None:
    with pytest.raises(ConfigProblems):
        edit.with_agent(TEXT, "codex-3", agent, file="sites.toml")
    with pytest.raises(ConfigProblems):
        edit.with_agent(TEXT, "Librarian", Agent(owner="kim"), file="sites.toml")


def test_a_section_goes_and_what_stands_around_it_stays() -> None:
    assert edit.without_agent(TEXT, "codex.2", file="f") == TEXT.replace(
        '[agents."codex.2"]  # quoted\nowner = "lee"\n', ""
    )
    start = TEXT.index("[agents.codex-1]")
    end = TEXT.index("# who wrote")
    assert edit.without_agent(TEXT, "codex-1", file="f") == TEXT[:start] + TEXT[end - 1 :]


@pytest.mark.parametrize(
    "text",
    [
        '[agents]\na = { owner = "kim" }\nb = { owner = "kim" }\n',
        '[agents]\na.owner = "kim"\nb.owner = "kim"\n',
        'agents.a.owner = "kim"\nagents.b.owner = "kim"\n',
        '[agents.a]\nowner = """\n[x]\n"""\n[agents.b]\nowner = "kim"\n',
    ],
)
def test_what_is_no_section_of_its_own_is_left_to_a_person(text: str) -> None:
    with pytest.raises(GateError, match="Nothing was changed"):
        edit.without_agent(text, "a", file="sites.toml")


NAME = st.from_regex(r"[a-z][a-z0-9.-]{0,6}", fullmatch=True)


@given(
    names=st.lists(NAME, min_size=1, max_size=5, unique=True),
    which=st.integers(0, 4),
    gap=st.sampled_from(["", "\n", "# x\n\n"]),
)
def test_whatever_the_names_the_right_one_goes(names: list[str], which: int, gap: str) -> None:
    text = f'[sites.shop]\npath = "shop"\nscript = "s.js"\n{gap}'
    for name in names:
        text = edit.with_agent(text, name, Agent(owner="kim"), file="f") + gap
    gone = names[which % len(names)]
    left = tomllib.loads(edit.without_agent(text, gone, file="f"))
    assert list(left.get("agents", {})) == [name for name in names if name != gone]
    assert left["sites"] == {"shop": {"path": "shop", "script": "s.js"}}
