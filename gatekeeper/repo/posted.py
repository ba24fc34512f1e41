"""post-receive: says what pre-receive has prepared, and wakes the Librarian. The ref has moved: nothing here may fail.

Standard library only, started as `python3 -I -S`; it imports nothing that it can do without.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def post_receive() -> int:
    """Answer each ref of the push, then wake the Librarian, then clear up: this may be ended at any moment."""
    home = home_of(os.environ)
    pushed = [line.split(" ", 2)[1:] for line in sys.stdin.buffer.read().decode("utf-8", "replace").splitlines()]
    for new, ref in pushed:
        text = _read(_place(home, new, ref)) or _plain(new, ref)
        sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()
    wake(f"{home}/var/bell.sock")
    for new, ref in pushed:
        _forget(_place(home, new, ref))
    return 0


def answer_to(home: str, new: str, ref: str) -> str:
    """Return what pre-receive has prepared to say, once, or the plain words when that is lost."""
    text = _read(_place(home, new, ref))
    if not text:
        return _plain(new, ref)
    _forget(_place(home, new, ref))
    return text


def finish(home: str, new: str, ref: str) -> None:
    """Do behind a door what the hook may not have come to: all that runs in there ends with receive-pack."""
    if os.path.lexists(_place(home, new, ref)):
        wake(f"{home}/var/bell.sock")
        _forget(_place(home, new, ref))


def _place(home: str, new: str, ref: str) -> str:
    return f"{home}/var/answers/{answer_key(new, ref)}"


def home_of(environment: Mapping[str, str]) -> str:
    """Return the gate's home: the folder that the repository lies in."""
    return os.path.dirname(os.path.realpath(environment.get("GIT_DIR", ".")))  # noqa: PTH120


def answer_key(new: str, ref: str) -> str:
    """Return the name under which pre-receive leaves its answer for post-receive."""
    return f"{new}-{ref.rpartition('/')[2]}"


def _read(path: str) -> str:
    try:
        # The folder can be written by what serves a push, and the door reads it too: never follow a link from there.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError):
        return ""


def _forget(path: str) -> None:
    try:
        os.unlink(path)  # noqa: PTH108
    except OSError:
        return


def _plain(new: str, ref: str) -> str:
    """Say the least: the request is filed or withdrawn, whatever went wrong with the words."""
    from gatekeeper.policy import answer  # noqa: PLC0415 - json, for the rare case

    id_ = ref.rpartition("/")[2]
    event, state = ("filed", "queued") if new.strip("0") else ("withdrawn", "withdrawn")
    following = [["request-deploy", "--wait", id_]] if new.strip("0") else []
    line = answer.machine(event, id_, state=state, retry="never", next=following, result_ref=f"refs/gate/results/{id_}")
    return f"success: request {answer.shown(id_)} {event}.\n{line}\n"


def wake(bell: str) -> None:
    """Tell a running Librarian; when there is none, or it is busy, the next heartbeat sees the request."""
    import _socket  # noqa: PLC0415 - `socket` would cost 3 ms for its enums

    line = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
    try:
        line.setblocking(False)
        line.sendto(b"wake", bell)
    except OSError:
        return
    finally:
        line.close()
