"""The kinds of values that options take."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem

from hub.cli.session import Session

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_BOOLEANS = {
    **dict.fromkeys(("true", "t", "1", "yes", "y", "on"), True),
    **dict.fromkeys(("false", "f", "0", "no", "n", "off"), False),
}
_LONGEST = 366 * 24 * 3600.0
_NAME = r"[a-z0-9][-a-z0-9.]{0,252}"
_COMPLETION_SECONDS = 2.0
_MOST_COMPLETIONS = 500

DEFAULT_NAMESPACE = "argocd"
"""Where Applications live unless they say otherwise; not shown."""


class Duration(click.ParamType[float]):
    """Seconds as a number, or 90s, 5m, 1h30m."""

    name = "duration"

    def __init__(self, *, positive: bool = False, most: float = _LONGEST) -> None:
        """`positive`: 0 is refused. `most`: in seconds."""
        self._positive = positive
        self._most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        seconds = parse_duration(str(value))
        if seconds is None:
            self.fail(f"{str(value)[:70]!r} is no duration: give seconds, or such as 90s, 5m or 1h30m", param, ctx)
        if self._positive and not seconds:
            self.fail("0 is no time at all: give seconds, or such as 90s, 5m or 1h30m", param, ctx)
        if seconds > self._most:
            self.fail(f"{str(value)[:70]!r} is too long: give {self._most:g} seconds at most", param, ctx)
        return seconds


class Given(click.ParamType[str]):
    """Text that is not empty: a variable of a script that nobody has set is not taken for "all" or "the default"."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not text.strip():
            self.fail("it is empty: give a value, or leave it out", param, ctx)
        return text


class Boolean(click.ParamType[bool]):
    """true or false, and what else programs write for them; not click's own, to which an empty text is false."""

    name = "boolean"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bool:
        if isinstance(value, bool):
            return value
        word = _BOOLEANS.get(str(value).strip().lower())
        if word is None:
            self.fail(f"{str(value)[:70]!r} is neither true nor false", param, ctx)
        return word


class HubName(click.ParamType[str]):
    """The name of something the hub knows; completed in the shell by asking the hub."""

    def __init__(self, name: str, pattern: str, problem: str, path: str) -> None:
        self.name = name
        self._pattern = re.compile(pattern)
        self._problem = problem
        self._path = path

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not self._pattern.fullmatch(text):
            self.fail(f"{text[:70]!r} {self._problem}", param, ctx)
        return text

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        session = ctx.find_object(Session) or Session()
        session.request_timeout = _COMPLETION_SECONDS
        try:
            with ctx.scope(cleanup=False):
                items = session.api.get(self._path, limit=_MOST_COMPLETIONS)["items"]
        except click.ClickException:
            return []  # there is nobody to tell in the middle of a line
        names = [display_name(item) if "namespace" in item else str(item["name"]) for item in items]
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def boolean_option(name: str, *, help: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add an option that is true unless something else is said. As in Argo CD, its name alone says true, too."""
    return click.option(
        name,
        type=BOOLEAN,
        is_flag=False,
        flag_value="true",
        default=True,
        show_default=True,
        metavar="BOOLEAN",
        help=help,
    )


def display_name(summary: Mapping[str, Any]) -> str:
    """Return how people name an application: without the namespace where that is the default."""
    if summary["namespace"] == DEFAULT_NAMESPACE:
        return str(summary["name"])
    return f"{summary['namespace']}/{summary['name']}"


def parse_duration(text: str) -> float | None:
    """Return seconds; None when the text is no duration, or a longer one than a year."""
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        seconds = float(text)
    elif len(text) <= 50 and re.fullmatch(f"(?:{_PART.pattern})+", text):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    else:
        return None
    return seconds if seconds <= _LONGEST else None


DURATION = Duration()
TIME = Duration(positive=True)
GIVEN = Given()
BOOLEAN = Boolean()
APPLICATION = HubName(
    "application",
    rf"(?:[a-z0-9][-a-z0-9.]{{0,62}}/)?{_NAME}",
    "is no application's name: give NAME, or NAMESPACE/NAME",
    "/applications",
)
CLUSTER = HubName("cluster", _NAME, "is no cluster's name: use lower-case letters, digits, '-' and '.'", "/clusters")
PROJECT = HubName("project", _NAME, "is no project's name: use lower-case letters, digits, '-' and '.'", "/projects")
