"""Says in one line what a failed job printed. Pure; the whole end of its output is shown elsewhere."""

import re

_LONGEST = 400
_ERROR = re.compile(r"(?:\w+\.)*\w*(?:Error|Exception)\b")
"""How Node, Python and their like begin the line that says what is wrong."""


def gist(output: str) -> str:
    """Return the last line that names an error, with what follows it; where none does, the end of the output."""
    lines = [line for line in output.splitlines() if line.strip()]
    named = [at for at, line in enumerate(lines) if _ERROR.match(line.strip())]
    words = " ".join(" ".join(lines[named[-1] if named else 0 :]).split())
    if len(words) <= _LONGEST:
        return words
    return f"{words[:_LONGEST]} …" if named else f"… {words[-_LONGEST:]}"
