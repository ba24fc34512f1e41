"""Runs a command beside bursts of load, with quiet between them: what holds on an idle machine only shows itself.

`python -m benchmarks.noise [--seed N] COMMAND...`, for instance `pytest tests/librarian`. The exit status is the
command's, as a shell tells it.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
from contextlib import ExitStack

_BURST = (1.0, 3.5)
_QUIET = (4.0, 14.0)
_BUSY = "import sys, time\nend = time.monotonic() + float(sys.argv[1])\nwhile time.monotonic() < end: pass"
_WRITING = """import os, sys, time
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    os.pwrite(1, os.urandom(1 << 20), 0)
    os.fsync(1)
"""


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.noise", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="which bursts (default: 0)")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args()
    if not asked.command:
        parser.error("name a command to run")
    dice = random.Random(asked.seed)
    with subprocess.Popen(asked.command) as command:
        while not _ends(command, dice.uniform(*_QUIET)):
            _burst(dice.uniform(*_BURST))
    return command.returncode if command.returncode >= 0 else 128 - command.returncode


def _ends(command: "subprocess.Popen[bytes]", seconds: float) -> bool:
    try:
        command.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _burst(seconds: float) -> None:
    """Keep every core busy with more than one process, and the disk with one that syncs all it writes."""
    with ExitStack() as stack:
        file = stack.enter_context(tempfile.TemporaryFile())
        for code in (_WRITING, *[_BUSY] * ((os.cpu_count() or 1) + 1)):
            stack.enter_context(subprocess.Popen([sys.executable, "-c", code, str(seconds)], stdout=file))


if __name__ == "__main__":
    sys.exit(main())
