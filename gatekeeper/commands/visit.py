"""The verbs that come through a door: which there are, how they go there, and how they run behind it."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from gatekeeper.commands import boundary, decide, show, status, wait
from gatekeeper.commands.home import ASKER
from gatekeeper.commands.plain import plain
from gatekeeper.doors import call
from gatekeeper.doors.places import MOST_WAITS, place
from gatekeeper.errors import Exit, GateError
from gatekeeper.home import Home
from gatekeeper.model import Actor
from gatekeeper.policy.answer import brief

_OPEN = (status.status, show.show, wait.wait, *decide.COMMANDS)
VERBS = frozenset(str(command.name) for command in _OPEN)
"""What everybody listed may look at, and what operators may decide."""
_DECISIONS = frozenset(str(command.name) for command in decide.COMMANDS)


def behind(home: Home, who: Actor, argv: Sequence[str]) -> int:
    """Run a verb for `who`, on the standard streams; return its exit status. Only operators decide."""
    group = click.Group("gatekeeper", commands={str(command.name): command for command in _OPEN})

    def run() -> object:
        if argv[0] not in VERBS:
            served = f"git push, fetch and clone are, and {', '.join(sorted(VERBS))}."
            raise GateError(f"`{brief(argv[0])}` is not served here; {served}", exit=Exit.REFUSED)
        if argv[0] in _DECISIONS and who.role != "operator":
            raise GateError(f"{who.name} is not an operator, and only operators decide.", exit=Exit.REFUSED)
        with group.make_context("gatekeeper", list(argv), obj=home.path) as context, _patience(home, who, argv[0]):
            context.meta[ASKER] = who
            return group.invoke(context)

    return boundary.status_of(run)


@contextmanager
def _patience(home: Home, who: Actor, verb: str) -> Iterator[None]:
    """Take one of the places for those that wait, which are fewer than there are visits."""
    if verb != wait.wait.name:
        yield
        return
    with place(home, f"{who.name}.waits", MOST_WAITS) as free:
        if not free:
            text = f"{MOST_WAITS} of your waits are open at this gate. Look now and then: gatekeeper status."
            raise GateError(text, code="GATE-304", exit=Exit.REFUSED)
        yield


def through(door: Path, argv: Sequence[str]) -> click.Command:
    """Return a command that has `argv` run behind the door, and ends with its status."""

    def go() -> None:
        watched = list(argv[:1]) == ["status"] and "--watch" in argv
        raise click.exceptions.Exit(_watch(door, argv) if watched else call.ask(door, argv))

    return click.Command(argv[0], callback=go, add_help_option=False)


def _watch(door: Path, argv: Sequence[str]) -> int:
    """The terminal is ours: what is behind the door is asked again and again."""
    from gatekeeper.commands.watch import keep_watching  # noqa: PLC0415 - rare

    def look() -> list[str]:
        said = io.BytesIO()
        call.ask(door, [word for word in argv if word != "--watch"], said)
        return plain(said.getvalue().decode("utf-8", "replace").rstrip("\n")).split("\n")

    return keep_watching(look, as_json="--json" in argv)
