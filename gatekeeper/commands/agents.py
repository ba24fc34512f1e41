"""`gatekeeper agents`: who may ask, and the text that tells them how. `enlist` holds the group, and who joins it."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import click

from gatekeeper import messages
from gatekeeper.commands.enlist import agents
from gatekeeper.commands.look import looking
from gatekeeper.commands.out import as_json, print_json
from gatekeeper.config.schema import Agent, Config
from gatekeeper.errors import Exit, GateError
from gatekeeper.librarian import survey
from gatekeeper.policy.answer import shown
from gatekeeper.repo.export import write_file

BEGIN, END = "<!-- gatekeeper: begin, kept up to date by `gatekeeper agents guide` -->", "<!-- gatekeeper: end -->"
_SKILL = Path(".agents") / "skills" / "request-deploy" / "SKILL.md"


@agents.command("list")
@as_json
@click.pass_obj
def list_(folder: Path, *, as_json: bool) -> None:
    """List the agents of sites.toml, how each is recognised, and what it has open.

    Example: gatekeeper agents list
    """
    with looking(folder) as gate:
        places = survey.places(gate, gate.git.refs())
        known = gate.config.agents
    open_ = Counter(place.result.agent.name for place in places)
    if as_json:
        print_json(agents=[_json(name, agent, open_[name]) for name, agent in known.items()])
        return
    for name, agent in known.items():
        click.echo(_line(name, agent, open_[name]))
    strangers = sorted(set(open_) - set(known))
    for name in strangers:
        click.echo(f"{shown(name)}  not in sites.toml  {open_[name]} open")
    if not known:
        click.echo("sites.toml names no agent: whoever can reach the repository may ask, under any name.")


@agents.command("guide")
@click.option("--write", "target", metavar="PATH", type=click.Path(path_type=Path), help="A work tree, or one file.")
@click.option("--remote", default="origin", show_default=True, help="What clones call the gate.")
@click.pass_obj
def guide(folder: Path, *, target: Path | None, remote: str) -> None:
    """Print what an agent must know, for AGENTS.md; with --write put it there, between marks.

    A folder gets AGENTS.md and a SKILL.md; what stands outside the marks is left alone.

    Example: gatekeeper agents guide --write ~/app
    """
    with looking(folder) as gate:
        known = _known(gate.config, remote)
    text = messages.render("agents/guide.md", **known).strip()
    if target is None:
        click.echo(text)
        return
    if target.is_dir():
        _put(target / "AGENTS.md", _with_block(_read(target / "AGENTS.md"), text, target / "AGENTS.md"))
        _put(target / _SKILL, messages.render("agents/SKILL.md", **known))
    else:
        _put(target, _with_block(_read(target), text, target))


def _known(config: Config, remote: str) -> dict[str, str]:
    return {
        "remote": remote,
        "surfaces": _listed(sorted(config.surface_paths())) or "`root`",
        "surface": next(iter(config.sites), "root"),
        "protected": _listed(config.gate.protected),
        "held": _listed(path for hold in config.hold for path in hold.paths),
    }


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _with_block(before: str, text: str, path: Path) -> str:
    """Return a file with the block in it: where its marks are, or at the end. Raises GateError for half a mark."""
    block = f"{BEGIN}\n{text}\n{END}"
    if (before.count(BEGIN), before.count(END)) == (0, 0):
        return f"{before.rstrip()}\n\n{block}\n".lstrip()
    head, begin, rest = before.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end or BEGIN in tail or END in tail or END in head:
        raise GateError(
            f"{path} has the marks of the guide, but not one pair of them.",
            hints=("Remove the lines that begin with `<!-- gatekeeper:` and run it again.",),
            exit=Exit.FAILED,
        )
    return f"{head}{block}{tail}"


def _read(path: Path) -> str:
    return path.read_text("utf-8") if path.is_file() else ""


def _put(path: Path, text: str) -> None:
    if _read(path) == text:
        click.echo(f"unchanged  {path}")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, text.encode())
    click.echo(f"written    {path}")


def _json(name: str, agent: Agent, open_: int) -> dict[str, object]:
    return {
        "name": name,
        "role": agent.role,
        "owner": agent.owner,
        "unix_user": agent.unix_user,
        "ssh_key": agent.ssh_key,
        "surfaces": list(agent.surfaces),
        "max_open": agent.max_open,
        "open": open_,
    }


def _line(name: str, agent: Agent, open_: int) -> str:
    doors = [f"Unix user {agent.unix_user}"] if agent.unix_user else []
    doors += ["SSH key"] if agent.ssh_key else []
    may = ", ".join(agent.surfaces) or "every surface"
    door = " and ".join(doors) or "by its claim only"
    return f"{name}  {agent.role} of {shown(agent.owner)}  {door}  {may}  {open_} open"
