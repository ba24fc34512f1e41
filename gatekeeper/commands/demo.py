"""`gatekeeper demo`: the whole story on a throw-away gate, with its real output."""

import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from types import FrameType

import click

from gatekeeper.demo.prepare import staged
from gatekeeper.demo.stage import Stage
from gatekeeper.demo.story import play
from gatekeeper.process import Cancel


@click.command("demo")
@click.option("--keep", is_flag=True, envvar="KEEP", help="Leave gate and sites running at the end (or KEEP=1).")
def demo(*, keep: bool) -> None:
    """Play the whole story on a throw-away gate. Six sites, two agents, about a minute; nothing is left behind.

    Example: gatekeeper demo
    """
    with _interruptible() as cancel, staged(click.echo, cancel, keep=keep) as stage:
        play(stage)
        click.echo("")
        click.echo(_kept(stage) if keep else "The demo ends here: sites, Librarian and folder are taken away.")


def _kept(stage: Stage) -> str:
    programs = f"{stage.root}/bin"
    return "\n".join(
        (
            f"It is all still there. Look:  PATH={programs}:$PATH gatekeeper --gate {stage.home.path} status",
            f"End it:  kill {stage.librarian} {stage.pm2.daemon()}; chmod -R u+w {stage.root}; rm -r {stage.root}",
        )
    )


@contextmanager
def _interruptible() -> Iterator[Cancel]:
    """Yield a switch that Ctrl-C, SIGTERM and SIGHUP throw: the demo then ends as clean as ever."""
    with closing(Cancel()) as cancel:

        def throw(_number: int, _frame: FrameType | None) -> None:
            cancel.throw()

        before = {number: signal.signal(number, throw) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            yield cancel
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
