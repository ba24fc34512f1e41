"""The system's own Python, which every user can start: the tests' may live in somebody's home."""

from pathlib import Path

import msgspec

PYTHON = "/usr/bin/python3"
WITH_LIBRARIES = ("/usr/bin/env", f"PYTHONPATH={Path(msgspec.__file__).parents[1]}", PYTHON)
"""Started so that it finds what the package needs; it must be of the version that the tests run in."""
