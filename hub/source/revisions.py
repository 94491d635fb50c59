"""Which commit a target revision means, decided over the refs alone.

As in Argo CD: a version range is looked up among the tags first, then names, then commits.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass

from semantic_version import NpmSpec, Version

from hub.source.refs import Refs

MIN_ABBREVIATION = 7

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.IGNORECASE)
_ABBREVIATED = re.compile(rf"[0-9a-f]{{{MIN_ABBREVIATION},64}}", re.IGNORECASE)
_RANGE = re.compile(r"[v\d\s.xX*<>=^~|,+\-A-Za-z]*")
_RANGE_MARKS = re.compile(r"[*<>=^~|,]|\s-\s|(^|\.)[xX]($|\.|\s)")
_OPERATOR_SPACE = re.compile(r"([<>=^~])\s+")
_PARTIAL = re.compile(r"\d+(\.\d+)?")
_SHORT_V = re.compile(r"(?<![\w.])v(?=\d)")


@dataclass(frozen=True, slots=True)
class Found:
    """The commit a name stands for."""

    commit: str


@dataclass(frozen=True, slots=True)
class Abbreviated:
    """To be looked for among the mirror's commits: the beginning of an id, or a whole one."""

    prefix: str

    @property
    def whole(self) -> bool:
        return _COMMIT.fullmatch(self.prefix) is not None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nothing it could mean. `hint` says what there is instead."""

    hint: str


def choose(refs: Refs, revision: str) -> Found | Abbreviated | Unknown:
    """Decide what a revision names."""
    spec = _as_range(revision)
    if spec is not None and (tag := _newest(spec, refs.tags)):
        return Found(refs.tags[tag])
    if commit := refs.find(revision):
        return Found(commit)
    if _ABBREVIATED.fullmatch(revision):
        return Abbreviated(revision.lower())
    exact = _exact(revision)
    if exact is not None and (tag := _newest(exact, refs.tags)):
        return Found(refs.tags[tag])
    return Unknown(_hint(refs, revision, spec is not None))


def _as_range(text: str) -> NpmSpec | None:
    """Read "1.x", ">=1.2 <2", "^1.4", "~2.0, !=…" and the like; None for anything that is no range."""
    if not any(c.isdigit() or c in "*xX" for c in text) or not _RANGE.fullmatch(text) or not _RANGE_MARKS.search(text):
        return None
    # Argo CD's ranges separate with commas too, and allow a space after an operator and a 'v' before a number.
    plain = _SHORT_V.sub("", _OPERATOR_SPACE.sub(r"\1", text.replace(",", " "))).strip()
    try:
        return NpmSpec(" ".join(plain.split()))
    except ValueError:
        return None


def _exact(text: str) -> NpmSpec | None:
    """Let "1.2.3" stand for the tag v1.2.3."""
    version = _version(text)
    return NpmSpec(f"={version}") if version is not None else None


def _newest(spec: NpmSpec, tags: Iterable[str]) -> str:
    matching = [(version, tag) for tag in tags if (version := _version(tag)) is not None and spec.match(version)]
    return max(matching, key=lambda pair: (pair[0].precedence_key, pair[1]))[1] if matching else ""


@functools.lru_cache(maxsize=16384)
def _version(tag: str) -> Version | None:
    number = tag.removeprefix("v")
    if _PARTIAL.fullmatch(number):
        number += ".0" * (2 - number.count("."))
    try:
        return Version(number)
    except ValueError:
        return None


def _hint(refs: Refs, revision: str, is_range: bool) -> str:
    if not refs.branches and not refs.tags:
        return "it has no commits yet"
    if is_range:
        return f"none of its {len(refs.tags)} tags is a version in that range"
    alike = sorted(name for name in (*refs.branches, *refs.tags) if name.lower() == revision.lower())
    if alike:
        return f"it has {alike[0]!r}: names are case sensitive"
    if refs.default_branch:
        return f"its default branch is {refs.default_branch!r}"
    return f"it has {len(refs.branches)} branches and {len(refs.tags)} tags"
