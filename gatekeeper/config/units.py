"""Times and sizes as people write them, "1h30m" and "512M", to and from plain numbers."""

import re
from decimal import Decimal

_SECONDS = {"w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_BYTES = {"T": 2**40, "G": 2**30, "M": 2**20, "K": 2**10, "B": 1}
_NUMBER = r"[0-9]{1,20}(?:\.[0-9]{1,6})?"
_DURATION = re.compile("".join(f"(?:(?P<{unit}>{_NUMBER}){unit})?" for unit in _SECONDS))
_SIZE = re.compile(rf"(?P<number>{_NUMBER})(?P<unit>[TGMKB])")


def seconds(text: str) -> float | None:
    """Return the seconds of "1h30m", to the millisecond, units from large to small; None if not written so."""
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        return None
    parts = (float(number) * _SECONDS[unit] for unit, number in match.groupdict(default="0").items())
    return round(sum(parts), 3)


def size(text: str) -> int | None:
    """Return the bytes of "512M", a K being 1024; None when it is not written so."""
    match = _SIZE.fullmatch(text)
    return None if match is None else int(Decimal(match["number"]) * _BYTES[match["unit"]])


def spell_seconds(amount: float) -> str:
    """Write seconds in the fewest units, to the millisecond, so that `seconds` reads the same again."""
    left, milliseconds = divmod(round(amount * 1000), 1000)
    spelled = ""
    for unit in ("d", "h", "m"):
        count, left = divmod(left, round(_SECONDS[unit]))
        spelled += f"{count}{unit}" if count else ""
    rest = f"{left}.{milliseconds:03}".rstrip("0").rstrip(".") if milliseconds else str(left)
    return f"{spelled}{rest}s" if rest != "0" or not spelled else spelled


def spell_size(amount: int) -> str:
    """Write bytes in the largest unit that divides them, so that `size` reads the same again."""
    unit = next(unit for unit, factor in _BYTES.items() if amount % factor == 0)
    return f"{amount // _BYTES[unit]}{unit}"
