"""The gatekeeper's own command line, with a hook that stops or breaks it at named steps. Only tests start it.

usage: python victim.py SPEC ARGUMENT...    SPEC is JSON: {"log": FILE, "acts": [{"at", "nth", "do"}]}
`do` is "kill", the name of an errno, "slow" (a tenth of a second), or an argv that runs to its end at that step.
"""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from typing import Any

from gatekeeper import cli, fault

_NUMBERS = re.compile(r"\b[0-9a-f]{12,}\b|(?<![a-z])v?\d+(\.\d+)*|(?<=\bq)\d+")
_READS = ("pm2: ping", "pm2: getMonitorData", "pm2: getVersion", "pm2 command: -v")


def canonical(name: str) -> str:
    """Give the same step of two runs the same name."""
    return _NUMBERS.sub("N", name)


class Hook:
    """Counts the steps that are reached, notes them, and does what the spec says at one of them."""

    def __init__(self, log: str | None, acts: list[dict[str, Any]]) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if log else None
        self._acts = acts
        self._seen: Counter[str] = Counter()
        self._guard = threading.RLock()

    def __call__(self, name: str) -> None:
        step = canonical(name)
        if step.partition(" ")[2] in _READS:
            return
        with self._guard:
            self._seen[step] += 1
            if self._log is not None:
                os.write(self._log, f"{step}\n".encode())
            for act in self._acts:
                if act["at"] == step and act.get("nth", 1) in (self._seen[step], "every"):
                    _do(act["do"], step)


def _do(what: str | list[str], step: str) -> None:
    if isinstance(what, list):
        subprocess.run(what, check=False, capture_output=True)
    elif what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "slow":
        time.sleep(0.1)
    else:
        number = getattr(errno, what)
        raise OSError(number, os.strerror(number), step)


if __name__ == "__main__":
    spec = json.loads(sys.argv.pop(1))
    fault.hook = Hook(spec.get("log"), spec.get("acts", []))
    cli.main()
