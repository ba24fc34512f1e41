"""Adds man pages and completions to the wheel, made by the very code that goes into it."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Manual(BuildHookInterface):  # type: ignore[type-arg]
    """Runs for a wheel that is installed somewhere; one for this clone itself (`pip install -e`) needs none."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the files, and name their places below the installation's own folder."""
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        from gatekeeper import manual  # noqa: PLC0415 - it lies in the folder that was just named

        self._made = tempfile.TemporaryDirectory()
        folder = Path(self._made.name)
        manual.write(folder)
        build_data["shared_data"] |= {str(folder / path): f"share/{path}" for path in manual.shared_files()}

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Forget what was written."""
        if version != "editable":
            self._made.cleanup()
