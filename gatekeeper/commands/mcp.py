"""`gatekeeper mcp`: an agent's three tools over the Model Context Protocol, each a run of `request-deploy`.

Nothing here ships, approves or overrides: it can do what the agent can do with a push, and no more. Each tool returns
at once, for clients cut a call off after seconds.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click

import gatekeeper
from gatekeeper import assets, process
from gatekeeper.errors import Exit, GateError

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

_INSTRUCTIONS = (
    "You cannot deploy; you ask. `request` asks the gate to take the commit that HEAD is on live. `status` and "
    "`result` say where that stands. A refusal names what helps in `next`; an empty `next` means that a person decides."
)
_SECONDS = 50.0
_SAID = 4000


@click.command("mcp")
@click.option(
    "--clone",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    help="The agent's work tree (default: the folder it is started in).",
)
@click.option("--remote", help="What that clone calls the gate (default: gate, else origin).")
def mcp(clone: Path, remote: str | None) -> None:
    """Serve request, status and result to an agent, over standard input and output.

    Needs the extra: pip install 'git-gatekeeper[mcp]'.

    Example: gatekeeper mcp --clone ~/app
    """
    server(clone.absolute(), remote).run("stdio")


def server(clone: Path, remote: str | None) -> "MCPServer":
    """Return the server for one clone. Raises GateError without the extra."""
    try:
        from mcp.server.mcpserver import MCPServer  # noqa: PLC0415 - an extra, and 0.7 s that only this verb pays
        from mcp_types import ToolAnnotations  # noqa: PLC0415
    except ImportError as missing:
        hint = "pip install 'git-gatekeeper[mcp]'"
        raise GateError("The MCP server is an extra that is not installed.", hints=(hint,)) from missing
    made = MCPServer("gatekeeper", instructions=_INSTRUCTIONS, version=gatekeeper.__version__, log_level="ERROR")
    looks = ToolAnnotations(read_only_hint=True, destructive_hint=False, open_world_hint=False)
    asks = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)

    @made.tool(annotations=asks)
    def request(
        surface: Annotated[str, "What it may touch, by its whole name; several, separated by commas."],
        intent: Annotated[str, "One line for the changelog: what it does for people."],
        artifact: Annotated[str, "What was built, by its name, version or digest."],
        id: Annotated[str | None, "The request's name; an open one of this name is updated."] = None,  # noqa: A002
        bump: Annotated[str, "patch, minor or major"] = "patch",
        try_only: Annotated[bool, "Merge and verify it, never ship it."] = False,  # noqa: FBT002
    ) -> dict[str, Any]:
        """Ask the gate to take the commit that HEAD is on live. The same request twice is one request."""
        options = [f"--surface={surface}", f"--intent={intent}", f"--artifact={artifact}", f"--bump={bump}"]
        options += [f"--id={id}"] if id else []
        return _ask(clone, remote, *options, *(["--try"] if try_only else []))

    @made.tool(annotations=looks)
    def status(id: Annotated[str, "The request's name."]) -> dict[str, Any]:  # noqa: A002
        """Say where a request stands at this moment: its state, its place in the queue, its version."""
        told = _ask(clone, remote, f"--status={id}")
        names = ("id", "state", "position", "version", "code", "not_before", "exit", "error")
        return {name: told[name] for name in names if told.get(name) is not None}

    @made.tool(annotations=looks)
    def result(id: Annotated[str, "The request's name."]) -> dict[str, Any]:  # noqa: A002
        """Tell how a request ended: `done`, the reason, and in `next` what helps, as commands."""
        told = _ask(clone, remote, f"--status={id}")
        return {**told, "done": told["exit"] not in (Exit.WAITING, Exit.FAILED)}

    return made


def _ask(clone: Path, remote: str | None, *options: str) -> dict[str, Any]:
    """Run `request-deploy` in the clone and return the object that it prints, with what it said beside it.

    Each value is joined to its option, so that none can pass for another option.
    """
    argv = (sys.executable, str(assets.file("request-deploy")), "--json", *options)
    chosen = (f"--remote={remote}",) if remote else ()
    done = process.run((*argv, *chosen), cwd=clone, env=process.own_environment(), timeout=_SECONDS)
    said = done.errors.decode("utf-8", "replace")[-_SAID:]
    try:
        told = dict(json.loads(done.text))
    except ValueError:
        return {
            "error": said.strip() or "request-deploy did not end in time.",
            "exit": max(done.status, int(Exit.FAILED)),
        }
    return {**told, "exit": done.status} if done.ok else {**told, "exit": done.status, "said": said}
