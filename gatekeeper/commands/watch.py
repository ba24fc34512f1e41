"""Draws lines again and again on a terminal of its own page, and leaves the terminal as it was, whatever ends it."""

import os
import select
import shutil
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from types import FrameType

import click

from gatekeeper.commands.paper import colour
from gatekeeper.commands.plain import plain
from gatekeeper.errors import Exit, GateError
from gatekeeper.process import Cancel

EVERY = 2.0
_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"
"""A page of its own, no cursor, long lines cut by the terminal itself."""
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
_HOME, _CLEAN, _PAGE_END = "\x1b[H", "\x1b[K", "\x1b[J"
"""A line is emptied before it is written: behind one that is as long as the terminal is wide, its end would go too."""
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def keep_watching(look: Callable[[], Sequence[str]], *, as_json: bool) -> Exit:
    """Draw what `look` returns every two seconds until `q` or a signal; return the status to end with.

    Raises GateError (exit 2) where there is no terminal to draw on.
    """
    _require_a_terminal(as_json=as_json)
    with closing(Cancel()) as ended, closing(Cancel()) as resized, _page(), _signals(ended, resized):
        while not ended.thrown:
            resized.reset()
            lines = _looked(look)
            if not ended.thrown:
                _draw(lines)
            if _wait(ended, resized):
                return Exit.DONE
    return Exit.INTERRUPTED


def _require_a_terminal(*, as_json: bool) -> None:
    if as_json:
        raise GateError("`--watch` draws for people, `--json` prints one object.", hints=(_AGAIN,), exit=Exit.USAGE)
    if not (sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"):
        raise GateError("`--watch` needs a terminal to draw on.", hints=(_AGAIN,), exit=Exit.USAGE)


_AGAIN = "Ask again and again: watch -n 2 gatekeeper status   (over SSH: watch -n 2 ssh USER@HOST status)"


def _looked(look: Callable[[], Sequence[str]]) -> Sequence[str]:
    """A gate that cannot be read at the moment is shown as that, and asked again."""
    try:
        return look()
    except GateError as problem:
        return [plain(f"error: {problem.text}"), *(plain(f"hint: {hint}") for hint in problem.hints)]
    except OSError as problem:
        return [plain(f"error: {problem}")]


def _draw(lines: Sequence[str]) -> None:
    """Write over what is there, line by line and in one piece: nothing flickers."""
    rows = shutil.get_terminal_size().lines
    room = max(1, rows - 2)
    kept = list(lines) if len(lines) <= room else [*lines[: room - 1], f"… {len(lines) - room + 1} more lines"]
    kept += ["", f"{datetime.now(UTC):%H:%M:%S} UTC, every {EVERY:g} s; q ends"]
    if colour() is False:
        kept = [click.unstyle(line) for line in kept]
    _write(_HOME + "\r\n".join(f"{_CLEAN}{line}" for line in kept[:rows]) + _PAGE_END)


def _wait(ended: Cancel, resized: Cancel) -> bool:
    """Wait for the next time to look; return whether a person has had enough."""
    due, streams = time.monotonic() + EVERY, list[Cancel | int]([ended, resized, *_keyboard()])
    while (left := due - time.monotonic()) > 0:
        heard = select.select(streams, [], [], left)[0]
        if ended in heard or resized in heard:
            return False
        if heard:
            typed = os.read(sys.stdin.fileno(), 64)
            if not typed or typed[:1] in (b"q", b"Q", b"\x04"):
                return True
    return False


def _keyboard() -> list[int]:
    return [sys.stdin.fileno()] if sys.stdin.isatty() else []


@contextmanager
def _page() -> Iterator[None]:
    """Have the terminal to ourselves: also after Ctrl-Z and `fg`."""
    with ExitStack() as stack:
        for keys in _keyboard():
            stack.callback(termios.tcsetattr, keys, termios.TCSADRAIN, termios.tcgetattr(keys))
        stack.callback(_write, _LEAVE)
        stack.callback(signal.signal, signal.SIGTSTP, signal.getsignal(signal.SIGTSTP))

        def pause(_number: int, _frame: FrameType | None) -> None:
            stopped = [(keys, termios.tcgetattr(keys)) for keys in _keyboard()]
            _write(_LEAVE)
            os.kill(os.getpid(), signal.SIGSTOP)
            for keys, attributes in stopped:
                termios.tcsetattr(keys, termios.TCSADRAIN, attributes)
            _write(_ENTER)

        signal.signal(signal.SIGTSTP, pause)
        for keys in _keyboard():
            tty.setcbreak(keys)
        _write(_ENTER)
        yield


@contextmanager
def _signals(ended: Cancel, resized: Cancel) -> Iterator[None]:
    def end(_number: int, _frame: FrameType | None) -> None:
        ended.throw()

    def resize(_number: int, _frame: FrameType | None) -> None:
        resized.throw()

    wanted = {**dict.fromkeys(_ENDS, end), signal.SIGWINCH: resize}
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write(text: str) -> None:
    """Write all of it; a terminal that is gone (SIGHUP) takes nothing, and that is no error any more."""
    with suppress(OSError):
        sys.stdout.write(text)
        sys.stdout.flush()
