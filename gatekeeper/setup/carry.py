"""Carries a set-up out, or takes it back: one action after the other, stopping at the first that fails."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator

from msgspec.structs import replace

from gatekeeper import fault, process
from gatekeeper.config import edit
from gatekeeper.errors import GateError
from gatekeeper.home import Home
from gatekeeper.model import Argv
from gatekeeper.repo.export import write_file
from gatekeeper.setup import record
from gatekeeper.setup.judge import Action, Remove, Write
from gatekeeper.setup.plan import Plan, Undo
from gatekeeper.setup.record import Made
from gatekeeper.setup.wishes import Service, Sshd, User, Wish

_LONGEST = 300.0
Tell = Callable[[str], None]


def apply(home: Home, plan: Plan, tell: Tell) -> None:
    """Make what does not hold. Raises GateError at the first command that fails; run again, it goes on from there."""
    made = record.read(home) or Made(plan.name, plan.user, record.owner_of(home.path))
    record.write(home, made)
    for step in plan.steps:
        if not step.holds:
            tell(step.what)
            made = _noted(made, step.wish)
            record.write(home, made)
            _do_all(step.actions)


def add_agents(home: Home, block: str) -> None:
    """Add tables to the end of sites.toml, whose owner and mode stay as they are."""
    if block:
        edit.save(home.sites_toml, home.sites_toml.read_text("utf-8") + block)


def take_back(home: Home, undo: Undo, tell: Tell) -> None:
    """Undo what setup made; the record goes last."""
    for what, actions in undo.steps:
        tell(what)
        _do_all(actions)
    home.setup_record.unlink(missing_ok=True)


def _noted(made: Made, wish: Wish) -> Made:
    match wish:
        case User():
            return made.with_user(wish.name)
        case Service():
            return made.with_service(wish.name)
        case Sshd():
            return replace(made, sshd=True)
    return made


def _do_all(actions: Iterable[Action]) -> None:
    for action in actions:
        with fault.step("setup: one action"):
            _do(action)


def _do(action: Action) -> None:
    match action:
        case Write():
            _put(action)
        case Remove(path):
            path.unlink(missing_ok=True)
        case _:
            _run(action)


def _put(action: Write) -> None:
    file = action.file
    with _umask(0o022):
        file.path.parent.mkdir(parents=True, exist_ok=True)
    write_file(file.path, file.content.encode(), mode=file.mode)
    try:
        if action.proof:
            _run(action.proof)
    except GateError:
        file.path.unlink()
        raise


def _run(argv: Argv) -> None:
    environment = process.clean_environment()
    environment["PATH"] = f"{environment.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
    try:
        done = process.run(argv, env=environment, timeout=_LONGEST, merge=True)
    except OSError as problem:
        raise GateError(f"`{argv[0]}` cannot be started: {problem.strerror}.", hints=(" ".join(argv),)) from problem
    if not done.ok:
        said = done.text[-500:] or f"status {done.status}"
        raise GateError(
            f"`{' '.join(argv)}` failed: {said}. What was done before it is kept.",
            hints=("Put that right and run the same command again: it goes on from here.",),
        )


@contextlib.contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)
