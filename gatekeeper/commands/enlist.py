"""`gatekeeper agents add` and `remove`: who may push, written into sites.toml and nowhere else."""

from collections.abc import Iterator
from pathlib import Path

import click

from gatekeeper import process
from gatekeeper.commands.home import gate_in
from gatekeeper.commands.look import looking
from gatekeeper.config import edit, standing
from gatekeeper.config.load import load
from gatekeeper.config.problems import did_you_mean
from gatekeeper.config.schema import Agent, Config
from gatekeeper.errors import Exit, GateError
from gatekeeper.home import Home
from gatekeeper.librarian import survey
from gatekeeper.librarian.door import ourselves
from gatekeeper.policy.answer import shown
from gatekeeper.repo import lock


@click.group("agents")
def agents() -> None:
    """Say who may ask for deploys, and tell them how.

    Example: gatekeeper agents list
    """


@agents.command("add")
@click.argument("name")
@click.option("--owner", metavar="WHO", help="The person who answers for it. [default: you]")
@click.option("--unix-user", metavar="USER", help="The local door: its Unix user.")
@click.option("--ssh-key", metavar="KEY", help="The SSH door: its public key, or the file that holds it.")
@click.option("--surface", "surfaces", metavar="S", multiple=True, help="What it may change; again for more. [all]")
@click.option("--max-open", metavar="N", type=int, help="How many requests it may have open.")
@click.option("--role", type=click.Choice(["agent", "operator"]), default="agent", show_default=True)
@click.pass_obj
def add(  # noqa: PLR0913 - one an option
    folder: Path,
    *,
    name: str,
    owner: str | None,
    unix_user: str | None,
    ssh_key: str | None,
    surfaces: tuple[str, ...],
    max_open: int | None,
    role: str,
) -> None:
    """Let one more agent push: a section at the end of sites.toml.

    Example: gatekeeper agents add codex-2 --unix-user agent-b --surface shop
    """
    home = gate_in(folder)
    config = load(home.sites_toml)
    if name in config.agents:
        raise GateError(f"sites.toml names the agent {name} already.", hints=("gatekeeper agents list",))
    agent = Agent(
        owner=owner or person(),
        unix_user=unix_user,
        ssh_key=_key(ssh_key),
        surfaces=surfaces,
        max_open=max_open,
        role="operator" if role == "operator" else "agent",
    )
    text = home.sites_toml.read_text("utf-8")
    edit.save(home.sites_toml, edit.with_agent(text, name, agent, file=str(home.sites_toml)))
    click.echo(f"added    {name}, {role} of {shown(agent.owner)}, to {home.sites_toml}")
    for line in _added(home, config, agent):
        click.echo(line)


@agents.command("remove")
@click.argument("name")
@click.pass_obj
def remove(folder: Path, *, name: str) -> None:
    """Let an agent push no more: its section leaves sites.toml. Its open requests are held for a person.

    Example: gatekeeper agents remove codex-2
    """
    home = gate_in(folder)
    config = load(home.sites_toml)
    if name not in config.agents:
        raise GateError(
            f"sites.toml names no agent {shown(name)}.{did_you_mean(name, config.agents)}",
            hints=("gatekeeper agents list",),
            exit=Exit.NOT_FOUND,
        )
    if len(config.agents) == 1:
        raise GateError(
            f"{name} is the only agent that sites.toml names. Without any, whoever can reach the repository may push,"
            " under any name. Nothing was changed.",
            hints=("gatekeeper agents add OTHER", f"gatekeeper agents remove {name}"),
        )
    text = home.sites_toml.read_text("utf-8")
    edit.save(home.sites_toml, edit.without_agent(text, name, file=str(home.sites_toml)))
    click.echo(f"removed  {name} from {home.sites_toml}")
    for line in _removed(home, name):
        click.echo(line)


def person() -> str:
    """Return who gives this command, also behind sudo."""
    return process.own_environment().get("SUDO_USER") or ourselves().name


def _key(given: str | None) -> str | None:
    """Return a public key that was given as such, or as the file that ssh-keygen wrote."""
    if given is None or " " in given:
        return given
    try:
        return " ".join(Path(given).read_text("utf-8").split()[:2])
    except (OSError, ValueError) as problem:
        raise GateError(
            f'"{shown(given)}" is neither a public key, such as "ssh-ed25519 AAAA…", nor a file that holds one.',
            hints=("ssh-keygen -t ed25519 -f KEY, then: --ssh-key KEY.pub",),
        ) from problem


def _added(home: Home, before: Config, agent: Agent) -> Iterator[str]:
    yield _in_force(home)
    if not before.agents:
        yield "note     From now on only agents that sites.toml names may push."
    if agent.unix_user is None and agent.ssh_key is None:
        yield "note     It is known by its claim only: no door can tell who it is (GATE_AGENT, or its commits)."
    elif not home.setup_record.exists():
        yield f"note     The doors that tell who it is come with: sudo gatekeeper --gate {home.path} setup --apply"
    elif agent.unix_user is not None and standing.uid_of(agent.unix_user) is None:
        yield f"next     sudo gatekeeper --gate {home.path} setup --apply   (makes the user {agent.unix_user})"


def _removed(home: Home, name: str) -> Iterator[str]:
    yield _in_force(home)
    with looking(home.path) as gate:
        left = [place.result.id for place in survey.places(gate, gate.git.refs()) if place.result.agent.name == name]
    if left:
        yield f"held     Its open requests wait for a person (GATE-301): {', '.join(left)}"
        yield f"next     gatekeeper reject {left[0]} -m …"


def _in_force(home: Home) -> str:
    if lock.holder(home.path) is None:
        return "in force with the next heartbeat: gatekeeper tick"
    return "in force from the next push on"
