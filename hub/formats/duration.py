"""Durations as Argo CD and Go write them: "5s", "3m", "1h30m", or a plain number of seconds."""

from __future__ import annotations

import re
from decimal import Decimal

_UNITS = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "µs": Decimal("1e-6"),
    "μs": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
}
_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})(ns|us|µs|μs|ms|s|m|h)")
_DURATION = re.compile(rf"\+?(?:{_PART.pattern})+")
_SECONDS = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,12})?")
_LONGEST = 10 * 366 * 86400
_MOST_CHARACTERS = 100


def parse_duration(value: str | int | float) -> float:
    """Return seconds. Raises ValueError, with words for the author, for what is no duration of up to ten years."""
    seconds = _seconds(value.strip()) if isinstance(value, str) else Decimal(str(value))
    if seconds is None or not seconds.is_finite():
        raise ValueError('is not a duration: write one like "5s", "3m" or "1h30m"')
    if not 0 <= seconds <= _LONGEST:
        raise ValueError("is not a duration between zero and ten years")
    return float(seconds)


def format_duration(seconds: float) -> str:
    """Return the text that reads back as the same number of seconds."""
    text = format(Decimal(repr(seconds)), "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) + "s"


def duration_words(seconds: float) -> str:
    """Return it as people write it, "1h30m", where whole seconds are enough."""
    if seconds != int(seconds):
        return format_duration(seconds)
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return "".join(f"{count}{unit}" for count, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if count) or "0s"


def _seconds(text: str) -> Decimal | None:
    if len(text) > _MOST_CHARACTERS:
        return None
    if _SECONDS.fullmatch(text):
        return Decimal(text)
    if not _DURATION.fullmatch(text):
        return None
    return sum((Decimal(number) * _UNITS[unit] for number, unit in _PART.findall(text)), Decimal(0))
