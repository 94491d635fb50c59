"""The kinds of values that options take."""

from __future__ import annotations

import re
from typing import Any

import click

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_LONGEST = 366 * 24 * 3600.0
_APPLICATION = re.compile(r"(?:[a-z0-9][-a-z0-9.]{0,62}/)?[a-z0-9][-a-z0-9.]{0,252}")


class Duration(click.ParamType[float]):
    """Seconds as a number, or 90s, 5m, 1h30m."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        seconds = parse_duration(str(value))
        if seconds is None:
            self.fail(f"{str(value)[:70]!r} is no duration: give seconds, or such as 90s, 5m or 1h30m", param, ctx)
        return seconds


class Application(click.ParamType[str]):
    """An application's name, or namespace/name."""

    name = "application"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not _APPLICATION.fullmatch(text):
            self.fail(f"{text[:70]!r} is no application's name: give NAME, or NAMESPACE/NAME", param, ctx)
        return text


def parse_duration(text: str) -> float | None:
    """Return seconds; None when the text is no duration, or a longer one than a year."""
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text):
        seconds = float(text)
    elif len(text) <= 50 and re.fullmatch(f"(?:{_PART.pattern})+", text):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    else:
        return None
    return seconds if seconds <= _LONGEST else None


DURATION = Duration()
APPLICATION = Application()
