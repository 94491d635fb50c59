"""The globs of a directory source's `include` and `exclude`, as Argo CD matches them.

`*` and `**` match anything, slashes included; `?` one character; `[a-z]` and `[!a-z]` one of a set; `{a,b}` either
pattern; a backslash takes a character as it is. Patterns come from whoever writes an application, so they are matched
in time that grows with pattern times path, whatever they are.
"""

from __future__ import annotations

import re
from functools import lru_cache

from hub.render.errors import RenderError

_MAX_PATTERN = 1024
_MAX_ALTERNATIVES = 256


def matches(pattern: str, path: str) -> bool:
    """Raises RenderError for a pattern that means nothing."""
    return any(alternative.fullmatch(path) for alternative in _compiled(pattern))


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> tuple[re.Pattern[str], ...]:
    if len(pattern) > _MAX_PATTERN:
        raise _invalid(pattern, f"is longer than {_MAX_PATTERN} characters")
    return tuple(re.compile(_regex(alternative, pattern), re.DOTALL) for alternative in _expand(pattern))


def _expand(pattern: str) -> list[str]:
    """Return the patterns without braces that a pattern stands for."""
    pending, done = [pattern], []
    while pending:
        text = pending.pop()
        braces = _first_braces(text, pattern)
        if braces is None:
            done.append(text)
        else:
            start, end, parts = braces
            pending += [text[:start] + part + text[end:] for part in parts]
        if len(pending) + len(done) > _MAX_ALTERNATIVES:
            raise _invalid(pattern, f"stands for more than {_MAX_ALTERNATIVES} patterns")
    return done


def _first_braces(text: str, pattern: str) -> tuple[int, int, list[str]] | None:
    """Return (start, end, alternatives) of the first outermost braces."""
    start, depth, cuts = -1, 0, [0]
    position = 0
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 1
        elif character == "[":
            position = _set_end(text, position, pattern) - 1
        elif character == "{":
            depth += 1
            if depth == 1:
                start, cuts = position, [position + 1]
        elif character == "," and depth == 1:
            cuts.append(position + 1)
        elif character == "}":
            depth -= 1
            if depth < 0:
                raise _invalid(pattern, "closes a brace that is not open")
            if depth == 0:
                ends = [cut - 1 for cut in cuts[1:]] + [position]
                return start, position + 1, [text[a:b] for a, b in zip(cuts, ends, strict=True)]
        position += 1
    if depth:
        raise _invalid(pattern, "has a brace that is not closed")
    return None


def _regex(text: str, pattern: str) -> str:
    """Translate a pattern without braces.

    Each star but the last takes the shortest text that lets the piece after it match, and never another: for literal
    pieces that finds a match whenever there is one, and nothing is tried twice.
    """
    pieces, position = [""], 0
    while position < len(text):
        character = text[position]
        position += 1
        if character == "*":
            pieces.append("")
        elif character == "?":
            pieces[-1] += "."
        elif character == "[":
            end = _set_end(text, position - 1, pattern)
            pieces[-1] += _set_regex(text[position : end - 1], pattern)
            position = end
        else:
            if character == "\\" and position < len(text):
                character = text[position]
                position += 1
            pieces[-1] += re.escape(character)
    first, *rest = pieces
    if not rest:
        return first
    *middle, last = rest
    return first + "".join(f"(?>.*?{piece})" for piece in middle if piece) + ".*" + last


def _set_end(text: str, start: int, pattern: str) -> int:
    end = text.find("]", start + 2)
    if end < 0:
        raise _invalid(pattern, "has a bracket that is not closed")
    return end + 1


def _set_regex(content: str, pattern: str) -> str:
    negated = content[:1] in ("!", "^")
    members = content[1:] if negated else content
    ranges = re.findall(r"(.)-(.)", members, re.DOTALL)
    if not members or any(low > high for low, high in ranges):
        raise _invalid(pattern, f"has the empty or reversed set [{content}]")
    escaped = re.sub(r"([][\\^&~|])", r"\\\1", members)
    return f"[{'^' if negated else ''}{escaped}]"


def _invalid(pattern: str, why: str) -> RenderError:
    return RenderError(f"The include or exclude pattern {pattern[:100]!r} {why}.", code="invalid-source")
