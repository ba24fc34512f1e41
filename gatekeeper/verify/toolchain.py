"""What the tools of a machine say of themselves: part of every verdict's key."""

from collections.abc import Iterable

from gatekeeper import process
from gatekeeper.config.digest import digest


def measured(commands: Iterable[tuple[str, ...]]) -> str:
    """Run the commands and return a digest of what they say; one that cannot be run says that."""
    said = []
    for argv in commands:
        try:
            done = process.run(argv, timeout=30)
        except OSError as problem:
            said.append(f"{argv}: {problem}")
        else:
            said.append(f"{argv}: {done.status} {done.text}")
    return digest(said)
