"""Hands messages to their addresses: `python -m gatekeeper.alerts.send`, a process of its own.

It alone imports Apprise, and a channel that hangs or dies takes nothing down with it. What to send comes in on standard
input, addresses included, so that none is ever an argument; a line of JSON goes out for each message that has ended.
"""

import json
import sys
import threading
import urllib.error
import urllib.request
from typing import Any

from gatekeeper import process
from gatekeeper.alerts.addresses import Kind, argv

_USER_AGENT = {"User-Agent": "git-gatekeeper"}
_printing = threading.Lock()


def main() -> None:
    """Send everything side by side, and end when all have ended; the parent ends what takes too long."""
    told = json.load(sys.stdin)
    threads = [threading.Thread(target=_send, args=(one, told["seconds"]), daemon=True) for one in told["messages"]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _send(one: dict[str, Any], seconds: float) -> None:
    try:
        wrong = _SENDERS[Kind(one["kind"])](one, seconds)
    except Exception as problem:  # noqa: BLE001 - whatever a channel's plugin raises; its text may hold the token
        wrong = f"{type(problem).__name__} was raised"
    with _printing:
        sys.stdout.write(json.dumps({"n": one["n"], "wrong": wrong}) + "\n")
        sys.stdout.flush()


def _by_apprise(one: dict[str, Any], _seconds: float) -> str | None:
    try:
        from apprise import Apprise, NotifyFormat, NotifyType  # noqa: PLC0415 - 300 ms, in this process alone
    except ImportError:
        return "Apprise is not installed: pip install 'git-gatekeeper[alerts]'"
    kinds = {"error": NotifyType.FAILURE, "warning": NotifyType.WARNING, "info": NotifyType.INFO}
    channel = Apprise()
    if not channel.add(one["target"]):
        return "Apprise does not know this form of address"
    title, body = one["title"], one["body"]
    sent = channel.notify(body=body, title=title, notify_type=kinds[one["level"]], body_format=NotifyFormat.TEXT)
    return None if sent else "the channel did not take it"


def _by_program(one: dict[str, Any], seconds: float) -> str | None:
    try:
        done = process.run(argv(one["target"]), stdin=one["data"].encode(), timeout=seconds, limit=0, sweep=True)
    except OSError as problem:
        return f"the program cannot be started: {problem.strerror}"
    if done.timed_out:
        return f"the program did not end within {seconds:g} seconds"
    return None if done.ok else f"the program ended with status {done.status}"


def _by_ping(one: dict[str, Any], seconds: float) -> str | None:
    try:
        asked = urllib.request.Request(one["target"], headers=_USER_AGENT)  # noqa: S310 - http(s), as the file was read
        with urllib.request.urlopen(asked, timeout=seconds):  # noqa: S310
            return None
    except urllib.error.HTTPError as answer:
        return f"it answered {answer.code}"
    except (OSError, ValueError):  # the words of either may hold the address
        return "there was no answer"


_SENDERS = {Kind.APPRISE: _by_apprise, Kind.EXEC: _by_program, Kind.PING: _by_ping}

if __name__ == "__main__":
    main()
