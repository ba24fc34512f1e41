"""Where the files lie that travel with the package: next to it in a checkout, inside it in a wheel."""

from pathlib import Path

from gatekeeper.errors import Exit, GateError

_PACKAGE = Path(__file__).parent


def folder(name: str) -> Path:
    """Return `hooks`, `templates` or another top-level folder; GateError when the installation lacks it."""
    for above in (_PACKAGE, _PACKAGE.parent):
        if (above / name).is_dir():
            return above / name
    raise GateError(f"The installation is incomplete: it has no folder `{name}`.", exit=Exit.BUG)
