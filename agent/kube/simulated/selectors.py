"""Label selectors, as list and watch take them: `a=b,c!=d,e in (f,g),h notin (i),j,!k`.

A selector is parsed once and asked of every object and event after that, so parsing is cached and matching is
a plain function over the labels.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, TypeAlias

from agent.kube.errors import Rejected

Labels: TypeAlias = Mapping[str, str]
Matcher: TypeAlias = Callable[[Labels], bool]

MAX_SELECTOR: Final = 16_384
"""Characters. A longer selector is refused."""

_TERM: Final = re.compile(
    r"""\s*(?:
        (?P<set>[\w./-]+)\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)
      | (?P<key>[\w./-]+)\s*(?P<eq>==|=|!=)\s*(?P<value>[\w.-]*)
      | (?P<absent>!)?\s*(?P<exists>[\w./-]+)
    )\s*(?:,|$)""",
    re.VERBOSE,
)


@lru_cache(maxsize=4096)
def parse(text: str) -> tuple[Matcher, ...]:
    """Return the selector's terms; none for an empty selector. Raises Rejected when it is not one."""
    if len(text) > MAX_SELECTOR:
        raise Rejected(f"the label selector is longer than {MAX_SELECTOR} characters", ("labelSelector",))
    terms: list[Matcher] = []
    position = 0
    while position < len(text.rstrip()):
        match = _TERM.match(text, position)
        if match is None:
            raise Rejected(f"unable to parse requirement in label selector {text!r} at character {position}")
        terms.append(_term(match))
        position = match.end()
    return tuple(terms)


def _term(match: re.Match[str]) -> Matcher:
    if key := match["set"]:
        values = frozenset(value.strip() for value in match["values"].split(","))
        if match["op"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if key := match["key"]:
        value = match["value"]
        if match["eq"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    key = match["exists"]
    if match["absent"]:
        return lambda labels: key not in labels
    return lambda labels: key in labels


def matches(terms: tuple[Matcher, ...], labels: Labels) -> bool:
    """Tell whether labels satisfy every term."""
    return all(term(labels) for term in terms)
