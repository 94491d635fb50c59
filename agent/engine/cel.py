"""Health checks written in CEL (Common Expression Language), by users.

An expression is given the object as `obj`. It cannot reach anything else, and it always ends; but nested and chained
macros (`map`, `filter`, `all`, …) multiply, and nothing can stop the library once it evaluates. So what an expression
may cost is worked out before, from its nesting and from the size of the object, and too much of it is refused.

The library's compiled part is loaded by itself: what comes with it is a command line, and of no use in an agent.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cel import Program

MAX_LENGTH: Final = 4096
"""Characters of an expression."""

MAX_DEPTH: Final = 32
"""Brackets inside one another."""

_MAX_STEPS: Final = 1_000_000
_MAX_BYTES: Final = 64 * 1024 * 1024
_MAX_OBJECT_DEPTH: Final = 100
_MACROS: Final = frozenset({"all", "exists", "exists_one", "filter", "map", "sortBy", "transformList", "transformMap"})
_TESTS: Final = frozenset({"all", "exists", "exists_one"})
_COPY: Final = 0.05
"""What copying one item is taken for, in steps: macros that make a list copy all of it for each item they add."""

_REGEX: Final = 1000
"""What a regular expression is taken for, in steps: it is compiled each time."""
_TOKEN: Final = re.compile(
    r"""(?P<text>[rRbB]{0,2}(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))"""
    r"|(?P<comment>//[^\n]*)|(?P<name>[A-Za-z_]\w*)|(?P<space>\s+)|(?P<other>.)",
    re.DOTALL,
)


class CelError(Exception):
    """An expression did not come to a result; the message says why, for whoever wrote it."""


@dataclass(frozen=True, slots=True)
class Expression:
    source: str

    def run(self, obj: Any) -> Any:
        """Return what the expression makes of an object: JSON values. Raises CelError."""
        program = _compiled(self.source)
        steps, growth = _cost(self.source)
        largest, size = _measure(obj)
        if steps(largest) > _MAX_STEPS or growth * size > _MAX_BYTES:
            raise CelError("the expression nests or chains too many macros for an object of this size")
        try:
            return program.execute({"obj": obj})
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic of the library is no Exception
            raise CelError(_reason(error)) from None


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())[:500]
    if isinstance(error, KeyError):
        return f"there is no {text} where the expression looks for it; test with has(…) first"
    return text or type(error).__name__


@lru_cache(maxsize=256)
def _compiled(source: str) -> Program:
    if len(source) > MAX_LENGTH:
        raise CelError(f"the expression is {len(source):,} characters; at most {MAX_LENGTH:,} are read")
    try:
        program: Program = _library().compile(source)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        text = str(error).partition("ERROR: <input>:")[2] or str(error)
        raise CelError(f"the expression is not CEL: {' '.join(text.split())[:500]}") from None
    return program


@lru_cache(maxsize=1)
def _library() -> Any:
    package = PathFinder.find_spec("cel")
    found = PathFinder.find_spec("cel.cel", package.submodule_search_locations) if package else None
    if found is None or found.loader is None:
        raise CelError("the library common-expression-language is not installed")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def _measure(obj: Any) -> tuple[int, int]:
    """Return the length of the largest list, map or text in an object, and its size in bytes, roughly."""
    largest, size, depth, level = 1, 0, 0, [obj]
    while level:
        depth += 1
        if depth > _MAX_OBJECT_DEPTH:
            raise CelError(f"the object is nested deeper than {_MAX_OBJECT_DEPTH}")
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict | list):
                largest = max(largest, len(value))
                below += value.values() if isinstance(value, dict) else value
            size += len(value) if isinstance(value, str) else 16
        level = below
    return largest, size


@dataclass(slots=True)
class _Part:
    """What stands between two brackets."""

    steps: tuple[float, ...] = (1.0,)
    """By how many times the size of the largest collection they are taken: a polynomial."""
    growth: float = 1.0
    joins: int = 0
    chain: float = field(default=1.0)


@lru_cache(maxsize=256)
def _cost(source: str) -> tuple[Any, float]:
    """Return what an expression costs at worst: steps by the length of the largest collection, and its growth."""
    tokens = [found for found in _TOKEN.finditer(source) if found.lastgroup not in ("space", "comment")]
    words = [found.group() if found.lastgroup != "text" else "''" for found in tokens]
    more, extra = 1 + words.count("+"), words.count(",")
    stack: list[tuple[_Part, str]] = [(_Part(), "")]
    for index, word in enumerate(words):
        part = stack[-1][0]
        if word in ("(", "[", "{"):
            if len(stack) > MAX_DEPTH:
                raise CelError(f"the expression has more than {MAX_DEPTH} brackets inside one another")
            named = word == "(" and index > 1 and words[index - 2] == "."
            stack.append((_Part(), words[index - 1] if named and words[index - 1] in _MACROS else ""))
        elif word in (")", "]", "}") and len(stack) > 1:
            inner, macro = stack.pop()
            _close(stack[-1][0], inner, macro, continues=words[index + 1 : index + 2] in (["."], ["["]))
        elif word in ("+", ","):
            part.joins += 1
        elif word == "matches":
            part.steps = _sum(part.steps, (_REGEX,))
    whole = stack[0][0]

    def steps(largest: int) -> float:
        size = largest * more + extra
        return float(sum(factor * size**power for power, factor in enumerate(whole.steps)))

    return steps, whole.growth * (1 + whole.joins)


def _close(outer: _Part, inner: _Part, macro: str, *, continues: bool) -> None:
    """Add a bracket's content to what stands around it. A macro repeats it; one behind another makes more of it."""
    outer.steps = _sum(outer.steps, (0.0, *inner.steps) if macro else inner.steps)
    if macro and macro not in _TESTS:
        outer.steps = _sum(outer.steps, (0.0, 0.0, _COPY))
    made = inner.growth * (1 + inner.joins) if macro else max(inner.growth, 1.0 + inner.joins)
    outer.chain *= made
    outer.growth = max(outer.growth, outer.chain)
    if not continues:
        outer.chain = 1.0


def _sum(one: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, ...]:
    length = max(len(one), len(other))
    first, second = (part + (0.0,) * (length - len(part)) for part in (one, other))
    return tuple(a + b for a, b in zip(first, second, strict=True))
