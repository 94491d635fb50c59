"""Reads the jq path expressions that are served, and refuses every other by name.

    pipeline   := list ('|' list)*                        loosest, as in jq
    list       := chain (',' chain)*
    chain      := ( '.' | '..' | '.name' | '."name"' | '(' pipeline ')' | 'select(' condition ')' ) suffix*
    suffix     := '.name' | '."name"' | '["name"]' | '[3]' | '[-1]' | '[1:3]' | '[]' | '?'
    condition  := default ('|' default)*
    default    := either ['//' default]
    either     := both ('or' both)*
    both       := comparison ('and' comparison)*
    comparison := term [ ('==' | '!=' | '<' | '<=' | '>' | '>=') term ]       one side a literal
    term       := literal | function | chain              without '..' and ','
    function   := 'not' | 'type' | 'length' | 'ascii_downcase' | 'ascii_upcase'
                | ( 'startswith' | 'endswith' | 'contains' ) '(' string ')' | 'has' '(' string or number ')'
                | 'test' '(' string [';' string] ')' | 'IN' '(' literal (',' literal)* ')'
                | ( 'any' | 'all' ) [ '(' condition [';' condition] ')' ]

Patterns of `test` are bounded (`pattern`). Not served, among others: arithmetic, `to_entries`, `getpath`, variables,
string interpolation, functions of one's own.
"""

from __future__ import annotations

import re
from typing import Final

import orjson

from agent.engine.jqpath import (
    FUNCTIONS,
    PLAIN_FUNCTIONS,
    Call,
    Comma,
    Compare,
    Either,
    Every,
    Field,
    Identity,
    Index,
    Iterate,
    Literal,
    Logic,
    Node,
    Pipe,
    Recurse,
    Select,
    Slice,
)
from agent.engine.patterns import pattern

MAX_EXPRESSION: Final = 1000
MAX_NESTING: Final = 20

_TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<number>-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
    | (?P<field>\.[A-Za-z_][A-Za-z0-9_]*)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<symbol>\.\.|//|==|!=|<=|>=|[<>|,;:()\[\]?.])
    )""",
    re.VERBOSE,
)

_LITERALS: Final = {"true": True, "false": False, "null": None}
_CALLED: Final = FUNCTIONS | PLAIN_FUNCTIONS | {"all", "any", "has", "test", "IN"}
_COMPARISONS: Final = frozenset({"==", "!=", "<", "<=", ">", ">="})


class UnsupportedExpression(ValueError):
    """An ignore rule that the agent does not serve. A retry does not help; writing the rule differently does."""

    def __init__(self, expression: str, reason: str) -> None:
        shown = expression if len(expression) <= 200 else expression[:200] + "…"
        super().__init__(f"{shown!r} cannot be used to ignore differences: {reason}")
        self.expression = expression
        self.reason = reason


def parse_path(expression: str) -> Node:
    """Read a jq path expression. Raises UnsupportedExpression for what is not served."""
    if len(expression) > MAX_EXPRESSION:
        raise UnsupportedExpression(expression, f"it is longer than {MAX_EXPRESSION} characters")
    parser = _Parser(expression)
    node = parser.pipeline()
    if parser.kind != "end":
        raise parser.unexpected()
    if not _leaves_root(node):
        raise UnsupportedExpression(expression, "it names the whole object")
    return node


def _leaves_root(node: Node) -> bool:
    """Tell whether a path leads anywhere else than to where it began."""
    match node:
        case Identity() | Select():
            return False
        case Pipe(parts):
            return any(map(_leaves_root, parts))
        case Comma(parts):
            return all(map(_leaves_root, parts))
        case _:
            return True


class _Parser:
    """Recursive descent; `kind` and `text` are the token that comes next."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._position = 0
        self._nesting = 0
        self._conditions = 0
        self.kind = ""
        self.text = ""
        self._advance()

    def pipeline(self) -> Node:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise self._unsupported(f"it is nested more than {MAX_NESTING} levels deep")
        parts = [self._list()]
        while self._accept("|"):
            parts.append(self._list())
        self._nesting -= 1
        return _joined(Pipe, parts)

    def unexpected(self) -> UnsupportedExpression:
        found = repr(self.text) if self.text else "its end"
        return self._unsupported(f"{found} is not understood here; paths, select(…) and comparisons are served")

    def _list(self) -> Node:
        if self._conditions:
            return self._default()
        parts = [self._chain()]
        while self._accept(","):
            parts.append(self._chain())
        return _joined(Comma, parts)

    def _default(self) -> Node:
        left = self._either()
        if not self._accept("//"):
            return left
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise self._unsupported(f"it is nested more than {MAX_NESTING} levels deep")
        node = Either(left, self._default())
        self._nesting -= 1
        return node

    def _either(self) -> Node:
        node = self._both()
        while self._accept("or"):
            node = Logic(True, node, self._both())
        return node

    def _both(self) -> Node:
        node = self._comparison()
        while self._accept("and"):
            node = Logic(False, node, self._comparison())
        return node

    def _comparison(self) -> Node:
        left = self._term()
        if self.text not in _COMPARISONS or self.kind != "symbol":
            return left
        operator = self._take()
        right = self._term()
        if not isinstance(left, Literal) and not isinstance(right, Literal):
            raise self._unsupported(f"one side of {operator!r} must be a string, a number, true, false or null")
        return Compare(operator, left, right)

    def _term(self) -> Node:
        if self.kind in ("string", "number"):
            return Literal(self._json())
        if self.kind == "word" and self.text in _LITERALS:
            return Literal(_LITERALS[self._take()])
        if self.kind != "word" or self.text not in _CALLED:
            return self._chain()
        node = self._call(self._take())
        while self._accept("?"):
            continue
        return node

    def _call(self, function: str) -> Node:
        if function in PLAIN_FUNCTIONS:
            return Call(function)
        if function in ("any", "all"):
            return self._every(function)
        self._expect("(")
        argument = self._argument(function)
        self._expect(")")
        return Call(function, argument)

    def _argument(self, function: str) -> object:
        if function == "test":
            text = self._string()
            flags = self._string() if self._accept(";") else ""
            try:
                return pattern(text, flags)
            except ValueError as error:
                raise self._unsupported(f"the pattern {text!r}: {error}") from None
        if function == "has" and self.kind == "number":
            return self._json()
        if function == "IN":
            choices = [self._literal()]
            while self._accept(","):
                choices.append(self._literal())
            return tuple(choices)
        return self._string()

    def _literal(self) -> object:
        if self.kind in ("string", "number"):
            return self._json()
        if self.kind == "word" and self.text in _LITERALS:
            return _LITERALS[self._take()]
        raise self.unexpected()

    def _every(self, function: str) -> Node:
        items: Node = Iterate()
        condition: Node = Identity()
        if self._accept("("):
            self._conditions += 1
            condition = self.pipeline()
            if self._accept(";"):
                items, condition = condition, self.pipeline()
            self._conditions -= 1
            self._expect(")")
        return Every(function == "any", items, condition)

    def _chain(self) -> Node:
        parts = [self._head()]
        while True:
            if self._accept("?"):
                continue
            if self.kind == "field":
                parts.append(Field(self._take()[1:]))
            elif self._accept("."):
                parts.append(self._bracket() if self._accept("[") else Field(self._string()))
            elif self._accept("["):
                parts.append(self._bracket())
            else:
                return _joined(Pipe, [p for p in parts if p != Identity()] or [Identity()])

    def _head(self) -> Node:
        if self.kind == "field":
            return Field(self._take()[1:])
        if self._accept("."):
            return Field(self._string()) if self.kind == "string" else Identity()
        if self.text == ".." and not self._conditions:
            self._take()
            return Recurse()
        if self._accept("("):
            node = self.pipeline()
            self._expect(")")
            return node
        if self.kind == "word" and self._accept("select"):
            return self._select()
        if self.kind == "word":
            raise self._unsupported(f"{self.text!r} is not one of the jq functions that are served")
        raise self.unexpected()

    def _select(self) -> Node:
        self._expect("(")
        self._conditions += 1
        condition = self.pipeline()
        self._conditions -= 1
        self._expect(")")
        return Select(condition)

    def _bracket(self) -> Node:
        """Read what follows "["."""
        if self._accept("]"):
            return Iterate()
        if self.kind == "string":
            node: Node = Field(self._string())
        elif self._is_position() or self.text == ":":
            start = int(self._take()) if self._is_position() else None
            if not self._accept(":"):
                node = Index(start or 0)
            else:
                return self._slice(start)
        else:
            raise self.unexpected()
        self._expect("]")
        return node

    def _is_position(self) -> bool:
        return self.kind == "number" and self.text.lstrip("-").isdigit() and len(self.text) < 10

    def _slice(self, start: int | None) -> Node:
        """Read the rest of a slice. Its items are named, as by the `[]` that may follow it."""
        end = int(self._take()) if self._is_position() else None
        if start is None and end is None:
            raise self.unexpected()
        self._expect("]")
        if self._accept("["):
            self._expect("]")
        return Slice(start, end)

    def _string(self) -> str:
        if self.kind != "string":
            raise self.unexpected()
        return str(self._json())

    def _json(self) -> object:
        text = self._take()
        try:
            value: object = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise self._unsupported(f"{text} is not a plain string or number") from None
        return value

    def _accept(self, text: str) -> bool:
        if self.text != text or self.kind == "string":
            return False
        self._advance()
        return True

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            raise self.unexpected()

    def _take(self) -> str:
        text = self.text
        self._advance()
        return text

    def _advance(self) -> None:
        if not self._expression[self._position :].strip():
            self.kind, self.text = "end", ""
            return
        match = _TOKEN.match(self._expression, self._position)
        if match is None or match.lastgroup is None:
            rest = self._expression[self._position :].strip()
            raise self._unsupported(
                f'{rest[:20]!r} is not understood; names with other characters go in quotes: ."a-b"'
            )
        self.kind, self.text = match.lastgroup, match[match.lastgroup]
        self._position = match.end()

    def _unsupported(self, reason: str) -> UnsupportedExpression:
        return UnsupportedExpression(self._expression, reason)


def _joined(kind: type[Pipe] | type[Comma], parts: list[Node]) -> Node:
    return parts[0] if len(parts) == 1 else kind(tuple(parts))
