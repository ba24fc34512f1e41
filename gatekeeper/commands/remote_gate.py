"""`git-remote-gate` for whoever installed the package: the very file that agents copy."""

import runpy

from gatekeeper import assets


def main() -> None:
    """Run the file as the program; it ends the process with its own exit status."""
    runpy.run_path(str(assets.file("git-remote-gate")), run_name="__main__")
