"""Names a JSON value by its content. Light: a push at a door waits for it."""

import hashlib
import json
from typing import Any


def digest(value: Any) -> str:
    """Return 40 hex digits of the SHA-256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:40]
