"""Whether the disk has room for a release, asked before anything of a ship is written."""

import shutil
from pathlib import Path

from gatekeeper import messages
from gatekeeper.errors import GateError

_MIB = 1 << 20


def require(releases: Path, folder: str, *, free: int) -> None:
    """Raise GATE-503 unless `free` bytes are left; a release that lies there already needs no room."""
    if (releases / folder).is_dir():
        return
    left = shutil.disk_usage(releases).free
    if left < free:
        problem = (
            f"{left // _MIB} MiB are free where the releases lie, and limits.free_disk asks for {free // _MIB} MiB"
        )
        raise GateError(
            messages.reason("GATE-503", problem=problem),
            code="GATE-503",
            hints=("Make room, or lower `free_disk` in `[limits]` of sites.toml, then: gatekeeper tick",),
        )
