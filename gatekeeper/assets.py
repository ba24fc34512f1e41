"""Where the files lie that travel with the package: next to it in a checkout, inside it in a wheel."""

from pathlib import Path

from gatekeeper.errors import Exit, GateError

_PACKAGE = Path(__file__).parent


def folder(name: str) -> Path:
    """Return `hooks`, `templates` or another top-level folder; GateError when the installation lacks it."""
    found = _find(name)
    if not found.is_dir():
        raise GateError(f"The installation is incomplete: `{name}` is no folder.", exit=Exit.BUG)
    return found


def file(name: str) -> Path:
    """Return `request-deploy` or another top-level file; GateError when the installation lacks it."""
    return _find(name)


def _find(name: str) -> Path:
    for above in (_PACKAGE, _PACKAGE.parent):
        if (above / name).exists():
            return above / name
    raise GateError(f"The installation is incomplete: it has no `{name}`.", exit=Exit.BUG)
