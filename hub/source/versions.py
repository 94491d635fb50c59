"""Versions of charts and artifacts, and the ranges that name them, by Helm's rules.

These are not npm's, which tags of Git are read by: a range that names a pre-release is open to every pre-release that
fits, `1.2` is the same as `~1.2`, `>0.0.0-0` is "anything".
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from semantic_version import Version

_LONGEST = 512
_MOST_GROUPS = 32
_NUMBER = r"v?([0-9]+|[xX*])(?:\.([0-9]+|[xX*]))?(?:\.([0-9]+|[xX*]))?"
_TAIL = r"(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
_OPERATOR = r"!=|>=|=>|<=|=<|~>|=|>|<|~|\^|"
_VERSION = re.compile(r"v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?" + _TAIL)
_ONE = re.compile(rf"\s*({_OPERATOR})\s*{_NUMBER}{_TAIL}(?=$|[\s,])")
_HYPHEN = re.compile(r"(\S+)\s+-\s+(\S+)")
_ANY = ("", "HEAD", "head", "latest")
"""What asks for the newest stable version, where no version is called so."""


@dataclass(frozen=True, slots=True)
class _Bound:
    """One comparison: `>=1.2`."""

    operator: str
    version: Version
    given: int
    """How many of its numbers are given: 0 to 3."""

    def holds(self, version: Version) -> bool:
        return _CHECKS[self.operator](self, version)


@dataclass(frozen=True, slots=True)
class Range:
    groups: tuple[tuple[_Bound, ...], ...]
    """One of these, with all that is in it."""

    def holds(self, version: Version) -> bool:
        return any(
            (not version.prerelease or any(bound.version.prerelease for bound in group))
            and all(bound.holds(version) for bound in group)
            for group in self.groups
        )


def choose_version(wanted: str, there: Iterable[str]) -> str:
    """Return the version that a target revision means: one of that very name, else the newest in the range; '' when
    there is none. HEAD, '' and '*' are the newest that is no pre-release."""
    wanted = wanted.strip()
    known = list(there)
    # A tag cannot hold a plus sign: registries have 1.0.0_build for 1.0.0+build.
    for name in (wanted, wanted.replace("+", "_")):
        if name in known:
            return name
    range = parse_range("*" if wanted in _ANY else wanted)
    if range is None:
        return ""
    fitting = [(version, name) for name in known if (version := parse_version(name)) and range.holds(version)]
    return max(fitting, key=lambda pair: (pair[0].precedence_key, pair[1]))[1] if fitting else ""


def is_range(text: str) -> bool:
    """Whether a revision may mean another version tomorrow."""
    return text.strip() in _ANY or (parse_range(text) is not None and parse_version(text) is None)


@functools.lru_cache(maxsize=16384)
def parse_version(text: str) -> Version | None:
    """Read a version, also of a tag, and one that lacks its last numbers."""
    match = _VERSION.fullmatch(text.replace("_", "+"))
    if match is None:
        return None
    major, minor, patch, prerelease = match.groups()
    return _version(major, minor, patch, prerelease)


@functools.lru_cache(maxsize=1024)
def parse_range(text: str) -> Range | None:
    """Read a range; None when it is none."""
    if len(text) > _LONGEST:
        return None
    groups = []
    for part in text.split("||"):
        group = _group(_HYPHEN.sub(r">=\1 <=\2", part))
        if group is None:
            return None
        groups.append(group)
    return Range(tuple(groups)) if len(groups) <= _MOST_GROUPS else None


def _group(text: str) -> tuple[_Bound, ...] | None:
    bounds = []
    position = 0
    while position < len(text.rstrip()):
        match = _ONE.match(text, position)
        if match is None:
            return None
        operator, major, minor, patch, prerelease = match.groups()
        given = next((n for n, part in enumerate((major, minor, patch)) if part is None or part in "xX*"), 3)
        numbers = [part if n < given else None for n, part in enumerate((major, minor, patch))]
        version = _version(numbers[0] or "0", numbers[1], numbers[2], prerelease)
        if version is None:
            return None
        bounds.append(_Bound({"=>": ">=", "=<": "<=", "~>": "~"}.get(operator, operator or "="), version, given))
        position = match.end()
        if text[position : position + 1] == ",":
            position += 1
    # Nothing at all means everything.
    return tuple(bounds) or (_Bound("=", Version("0.0.0"), 0),)


def _version(major: str, minor: str | None, patch: str | None, prerelease: str | None) -> Version | None:
    try:
        numbers = ".".join(str(int(part or "0")) for part in (major, minor, patch))
        return Version(f"{numbers}-{prerelease}" if prerelease else numbers)
    except ValueError:
        return None


def _tilde(bound: _Bound, version: Version) -> bool:
    least = bound.version
    if version < least:
        return False
    if bound.given == 0 or (bound.given == 3 and (least.major, least.minor, least.patch) == (0, 0, 0)):
        return True
    return version.major == least.major and (bound.given == 1 or version.minor == least.minor)


def _caret(bound: _Bound, version: Version) -> bool:
    least = bound.version
    if version < least:
        return False
    if bound.given == 0:
        return True
    if version.major != least.major:
        return False
    if least.major > 0 or bound.given == 1:
        return True
    if version.minor != least.minor:
        return False
    return least.minor > 0 or bound.given == 2 or version.patch == least.patch


def _equal(bound: _Bound, version: Version) -> bool:
    return version == bound.version if bound.given == 3 else _tilde(bound, version)


def _above(bound: _Bound, version: Version) -> bool:
    least = bound.version
    match bound.given:
        case 1:
            return bool(version.major > least.major)
        case 2:
            return bool((version.major, version.minor) > (least.major, least.minor))
    return bool(version > least)


def _up_to(bound: _Bound, version: Version) -> bool:
    most = bound.version
    match bound.given:
        case 1:
            return bool(version.major <= most.major)
        case 2:
            return bool((version.major, version.minor) <= (most.major, most.minor))
    return bool(version <= most)


_CHECKS: dict[str, Callable[[_Bound, Version], bool]] = {
    "=": _equal,
    "!=": lambda bound, version: not _equal(bound, version),
    ">": _above,
    "<": lambda bound, version: bool(version < bound.version),
    ">=": lambda bound, version: bool(version >= bound.version),
    "<=": _up_to,
    "~": _tilde,
    "^": _caret,
}
