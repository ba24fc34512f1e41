"""What agents' text may hold, and what is nearest to a name that nobody knows. Standard library only."""

from __future__ import annotations

from gatekeeper.policy.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ID_LENGTH = 64
_ID_FIRST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_ID = _ID_FIRST | {"-"}
_HEX = frozenset("0123456789abcdef")
_OID_LENGTH = 40
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def is_request_id(text: str) -> bool:
    """Return whether `text` is a request's id; 40 hex digits would pass for an oid."""
    if not 0 < len(text) <= ID_LENGTH or text[0] not in _ID_FIRST or not _ID.issuperset(text):
        return False
    return not (len(text) == _OID_LENGTH and _HEX.issuperset(text))


def nearest_id(text: str) -> str:
    """Return an id that reads like `text` and is valid."""
    lowered = "".join(char if char in _ID else "-" for char in text.lower())
    words = "-".join(word for word in lowered.split("-") if word)[:ID_LENGTH].strip("-")
    return words if is_request_id(words) else f"request-{words[:40]}".strip("-")


def hidden(text: str) -> str | None:
    """Return the name of the first character that is not what it looks like, such as `U+202E`, or None.

    Control and format characters (bidi, zero-width), line separators, and bytes that are no UTF-8.
    """
    if text.isprintable():
        return None
    import unicodedata  # noqa: PLC0415 - only texts out of the ordinary pay for it

    for char in text:
        if unicodedata.category(char) in _HIDDEN:
            return _named(ord(char))
    return None


def _named(point: int) -> str:
    return f"byte 0x{point - 0xDC00:02X}" if 0xDC80 <= point <= 0xDCFF else f"U+{point:04X}"


def cleaned(text: str, longest: int) -> str:
    """Return `text` on one line without hidden characters, cut to `longest`."""
    visible = "".join(" " if char.isspace() else char for char in text)
    return " ".join("".join(char for char in visible if hidden(char) is None).split())[:longest].strip()


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` was probably meant to be, to be asked and never to be assumed."""
    import difflib  # noqa: PLC0415 - only a refusal pays for it

    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else None
