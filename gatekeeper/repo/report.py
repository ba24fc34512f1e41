"""What a hook writes down for the Librarian: a file each in var/spool, and for post-receive the answer in var/answers.

Shared with the hooks: standard library only. Every write is durable before its function returns.
"""

from __future__ import annotations

import contextlib
import json
import os
import time

from gatekeeper.policy.texts import is_request_id
from gatekeeper.policy.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    Note = dict[str, Any]
    """What was written down, parsed."""

MOST_REFUSALS = 1000
"""With so many files in the spool a refusal is only counted: refused pushes must not fill the disk."""
COUNTER = ".dropped"
_ANSWER_SECONDS = 3600


def note(home: str, event: str, **fields: object) -> None:
    """Write an event down; OSError when the disk does not take it."""
    folder = f"{home}/var/spool"
    content = json.dumps({"v": 1, "event": event, "at": _now(), **fields}) + "\n"
    _write(folder, f"{time.time_ns()}-{os.getpid()}.json", content)


def note_refusal(home: str, **fields: object) -> None:
    """Write a refusal down or, when the spool is full, count it; a disk that takes neither changes no answer."""
    folder = f"{home}/var/spool"
    with contextlib.suppress(OSError):
        if len(os.listdir(folder)) <= MOST_REFUSALS:  # noqa: PTH208 - no pathlib in hooks
            note(home, "refused", **fields)
        else:
            _write(folder, COUNTER, f"{dropped(home) + 1}\n")


def dropped(home: str) -> int:
    """Return how many refusals were only counted so far."""
    try:
        return int(plain(f"{home}/var/spool/{COUNTER}"))
    except (OSError, ValueError):
        return 0


def owners(notes: Iterable[Note], tips: Mapping[str, str]) -> dict[str, str]:
    """Return the first agents of requests that the Librarian has not seen, by what was noted before each push.

    The notes of one id form a chain of tips: from the present one back to the one that created the ref.
    """
    pushed = {(entry["id"], entry["new"]): entry for entry in notes}
    found = {}
    for id_, tip in tips.items():
        seen = set()
        while (entry := pushed.get((id_, tip))) is not None and tip not in seen:
            seen.add(tip)
            tip = entry["old"]  # noqa: PLW2901 - one step back in the chain
            found[id_] = str(entry["agent"]["name"])
    return found


def pushes(home: str) -> list[Note]:
    """Return what was noted before each push that the Librarian has not taken note of, the oldest first."""
    found, names = [], list[str]()
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # nothing can be noted either
        names = sorted(os.listdir(f"{home}/var/spool"))  # noqa: PTH208
    for name in names:
        if name.endswith(".json") and not name.startswith("."):
            with contextlib.suppress(OSError, ValueError, RecursionError):  # the Librarian takes notes away meanwhile
                found.append(json.loads(plain(f"{home}/var/spool/{name}")))
    return [entry for entry in found if _sound(entry)]


def _sound(entry: object) -> bool:
    """Tell whether it is the note of a push: what serves one can write here whatever it likes."""
    if not isinstance(entry, dict) or entry.get("event") != "pushing" or not isinstance(entry.get("agent"), dict):
        return False
    texts = (entry.get("id"), entry.get("old"), entry.get("new"))
    return all(isinstance(text, str) for text in texts) and is_request_id(entry["id"]) and "name" in entry["agent"]


def plain(path: str) -> bytes:
    """Read a file, and never what a link leads to, nor wait at a pipe: what serves a push can write these folders."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        return file.read()


def leave_answer(home: str, key: str, text: str) -> None:
    """Keep the words for post-receive, and forget those of pushes that never got so far."""
    folder = f"{home}/var/answers"
    os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103
    oldest = time.time() - _ANSWER_SECONDS
    with os.scandir(folder) as entries, contextlib.suppress(OSError):
        for entry in entries:
            if entry.stat().st_mtime < oldest:
                os.unlink(entry.path)  # noqa: PTH108
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(f"{folder}/{key}", flags, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _write(folder: str, name: str, content: str) -> None:
    draft = f"{folder}/.tmp-{os.getpid()}-{name}"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode("utf-8", "backslashreplace"))
            file.flush()
            os.fsync(handle)
        os.rename(draft, f"{folder}/{name}")  # noqa: PTH104
    except OSError:
        os.unlink(draft)  # noqa: PTH108
        raise
    above = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(above)
    finally:
        os.close(above)
