"""Text for a terminal that agents had a part in: nothing in it is obeyed."""

import json
from typing import Any

from gatekeeper.policy.answer import shown


def plain(text: str) -> str:
    """Return `text` with its line breaks kept and all else that is not printable escaped."""
    return "\n".join(shown(line) for line in text.split("\n"))


def as_json(found: Any) -> str:
    """Return JSON on one line; what is not printable is escaped in it, the rest stays readable."""
    text = json.dumps(found, ensure_ascii=False)
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)
