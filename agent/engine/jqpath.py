"""The part of jq that names places in an object, in pure Python: what an expression is, and what it finds.

Argo CD hands `jqPathExpressions` to `del(…)`, so all they can usefully be is paths. The jq library would cost every
agent its memory for that. `jqparse` reads expressions and says which are served.

Where jq would stop with an error (a field of a number, an index of a map) a path names nothing there, as with `?`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from agent.engine.fields import ABSENT, MAX_DEPTH, Path, child
from agent.engine.normalize import same
from agent.engine.patterns import matches


@dataclass(frozen=True, slots=True)
class Identity:
    """`.`"""


@dataclass(frozen=True, slots=True)
class Recurse:
    """`..`"""


@dataclass(frozen=True, slots=True)
class Field:
    """`.name`"""

    name: str


@dataclass(frozen=True, slots=True)
class Index:
    """`[3]`, from the end when negative."""

    position: int


@dataclass(frozen=True, slots=True)
class Iterate:
    """`[]`"""


@dataclass(frozen=True, slots=True)
class Slice:
    """`[1:3]`: the items of that part of a list."""

    start: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class Pipe:
    """`a | b`, and the suffixes of a chain."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Comma:
    """`a, b`"""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Select:
    """`select(condition)`"""

    condition: Node


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, number, true, false or null."""

    value: Any


@dataclass(frozen=True, slots=True)
class Compare:
    """`a == b` and its kin."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Logic:
    """`a and b`, `a or b`. `decisive` is the truth of a that makes b not count: false for and, true for or."""

    decisive: bool
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Either:
    """`a // b`: what is true of a; where nothing is, b."""

    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Every:
    """`any(items; condition)` and `all(items; condition)`. `decisive` is the truth that settles it: true for any."""

    decisive: bool
    items: Node
    condition: Node


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the value it is given: `startswith("x")`, `not`."""

    function: str
    argument: Any = None


Node = (
    Identity
    | Recurse
    | Field
    | Index
    | Iterate
    | Slice
    | Pipe
    | Comma
    | Select
    | Literal
    | Compare
    | Logic
    | Either
    | Every
    | Call
)

Places = dict[Path, Any]
"""Places of an object and what stands there. Places found twice count once, which bounds the cost of any expression."""


def find_paths(expression: Node, obj: Any) -> list[Path]:
    """Return the places of an object that an expression names, the whole object never being one of them."""
    return [path for path in _places(expression, {(): obj}) if path]


def _places(node: Node, found: Places) -> Places:
    match node:
        case Identity():
            return found
        case Pipe(parts):
            for part in parts:
                found = _places(part, found)
            return found
        case Comma(parts):
            return {path: value for part in parts for path, value in _places(part, found).items()}
        case Select(condition):
            return {path: value for path, value in found.items() if any(map(_truth, _values(condition, value)))}
        case Recurse():
            return dict(_descend(found))
        case _:
            return {
                (*path, token): member
                for path, value in found.items()
                if len(path) < MAX_DEPTH
                for token, member in _step(node, value)
            }


def _step(node: Node, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the members of a value that one step names, as far as they are there."""
    token = _token(node, value)
    if token is not None:
        member = child(value, token)
        if member is not ABSENT:
            yield token, member
    elif isinstance(node, Iterate):
        yield from _members(value)
    elif isinstance(node, Slice) and isinstance(value, list):
        for position in range(len(value))[node.start : node.end]:
            yield str(position), value[position]


def _token(node: Node, value: Any) -> str | None:
    if isinstance(node, Field) and isinstance(value, dict):
        return node.name
    if isinstance(node, Index) and isinstance(value, list):
        return str(node.position if node.position >= 0 else len(value) + node.position)
    return None


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from ((str(i), member) for i, member in enumerate(value))


def _descend(found: Places) -> Iterator[tuple[Path, Any]]:
    stack = list(found.items())
    while stack:
        path, value = stack.pop()
        yield path, value
        if len(path) < MAX_DEPTH:
            stack += (((*path, token), member) for token, member in _members(value))


def _values(node: Node, value: Any) -> Iterator[Any]:
    """Yield what a part of a condition makes of a value. A field that is not there is null, as in jq."""
    match node:
        case Identity():
            yield value
        case Literal(literal):
            yield literal
        case Pipe(parts):
            yield from _pipe(parts, value)
        case Select(condition):
            if any(map(_truth, _values(condition, value))):
                yield value
        case Compare():
            yield from _compare(node, value)
        case Logic():
            yield from _decide(node, value)
        case Either(left, right):
            true = [result for result in _values(left, value) if _truth(result)]
            yield from true or _values(right, value)
        case Every(decisive, items, condition):
            found = (_truth(v) for item in _values(items, value) for v in _values(condition, item))
            yield decisive if decisive in found else not decisive
        case Call():
            yield from _call(node, value)
        case Iterate() | Slice():
            yield from (member for _, member in _step(node, value))
        case Field() | Index():
            yield from _member_or_null(node, value)


def _member_or_null(node: Field | Index, value: Any) -> Iterator[Any]:
    token = _token(node, value)
    if token is not None:
        member = child(value, token)
        yield None if member is ABSENT else member
    elif value is None:
        yield None


def _pipe(parts: tuple[Node, ...], value: Any) -> Iterator[Any]:
    values = [value]
    for part in parts:
        values = [result for item in values for result in _values(part, item)]
    yield from values


def _decide(node: Logic, value: Any) -> Iterator[bool]:
    left = {_truth(v) for v in _values(node.left, value)}
    if node.decisive in left:
        yield node.decisive
    if (not node.decisive) in left:
        yield from {_truth(v) for v in _values(node.right, value)}


def _truth(value: Any) -> bool:
    return value is not None and value is not False


_ORDERINGS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _compare(node: Compare, value: Any) -> Iterator[bool]:
    """One side is a literal (the parser sees to it), so this costs no more than the other side has values."""
    for left in _values(node.left, value):
        for right in _values(node.right, value):
            if node.operator in _ORDERINGS:
                yield _ORDERINGS[node.operator](_rank(left), _rank(right))
            else:
                yield same(left, right) == (node.operator == "==")


def _rank(value: Any) -> tuple[int, Any]:
    """Place a value in jq's order: null, false, true, numbers, strings, lists, maps."""
    if value is None or isinstance(value, bool):
        return (0 if value is None else 1 + value, 0)
    if isinstance(value, int | float):
        return (3, value)
    if isinstance(value, str):
        return (4, value)
    return (5 if isinstance(value, list) else 6, 0)


def _call(node: Call, value: Any) -> Iterator[Any]:
    argument = node.argument
    match node.function:
        case "not":
            yield not _truth(value)
        case "has" if isinstance(value, dict) and isinstance(argument, str):
            yield argument in value
        case "has" if isinstance(value, list) and isinstance(argument, int):
            yield 0 <= argument < len(value)
        case "IN":
            yield any(same(value, choice) for choice in argument)
        case "type":
            yield _type(value)
        case "length" if not isinstance(value, bool):
            yield _length(value)
        case "contains" if isinstance(value, list):
            yield argument in value
        case function if function in _TEXT_FUNCTIONS and isinstance(value, str):
            yield _TEXT_FUNCTIONS[function](value, argument)


def _type(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    return next(name for kind, name in _TYPES.items() if isinstance(value, kind))


def _length(value: Any) -> Any:
    if value is None:
        return 0
    return len(value) if isinstance(value, str | list | dict) else abs(value)


_TYPES: Final[dict[Any, str]] = {int: "number", float: "number", str: "string", list: "array", dict: "object"}

_TEXT_FUNCTIONS: Final[dict[str, Callable[[str, Any], Any]]] = {
    "ascii_downcase": lambda text, _: "".join(char.lower() if char.isascii() else char for char in text),
    "ascii_upcase": lambda text, _: "".join(char.upper() if char.isascii() else char for char in text),
    "startswith": str.startswith,
    "endswith": str.endswith,
    "contains": operator.contains,
    "test": matches,
}

FUNCTIONS: Final = frozenset({"startswith", "endswith", "contains"})
"""Functions of a condition that take one string."""
PLAIN_FUNCTIONS: Final = frozenset({"not", "type", "length", "ascii_downcase", "ascii_upcase"})
"""Those that take nothing."""
