"""CEL expressions: what they give, and which are refused before they can do harm."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.cel import MAX_LENGTH, CelError, Expression
from tests.engine.strategies import json_values
from tests.search import examples

CONDITIONS = [{"type": f"Type{i}", "status": "True", "message": "m" * 100} for i in range(20)]
OBJ: dict[str, Any] = {"status": {"phase": "Ready", "conditions": CONDITIONS, "numbers": list(range(5000))}}
SMALL: dict[str, Any] = {"status": {"phase": "Ready", "conditions": CONDITIONS, "none": None}}


def refused(source: str, obj: Any = SMALL) -> str:
    with pytest.raises(CelError) as caught:
        Expression(source).run(obj)
    return str(caught.value)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("obj.status.phase", "Ready"),
        ("has(obj.status.nope) ? 1 : 2", 2),
        ("obj.status.conditions.exists(c, c.type == 'Type3' && c.status == 'True')", True),
        ("obj.status.conditions.filter(c, c.type == 'Type3').map(c, c.type + ': ' + c.status)[0]", "Type3: True"),
        ("obj.status.conditions.all(a, obj.status.conditions.exists(b, a.type == b.type))", True),
        ("obj.status.conditions.exists(c, c.type.matches('^Type[0-9]$'))", True),
        ("{'status': obj.status.phase, 'message': \"it's (fine) + [so], {far}\"} // remark (((", None),
        ("null", None),
        ("obj.status.none", None),
        ("1.5", 1.5),
    ],
)
def test_what_expressions_give(source: str, expected: Any) -> None:
    found = Expression(source).run(SMALL)
    assert found == expected or (expected is None and found["message"] == "it's (fine) + [so], {far}")


@pytest.mark.parametrize(
    "source",
    [
        "[0,0,0,0,0,0,0,0,0,0]" + ".all(a, [0,0,0,0,0,0,0,0,0,0]" * 20 + ".all(z, true)" + ")" * 20,
        "['aaaaaaaaaa']" + ".map(x, x + x)" * 250,
        "['aaaaaaaaaa']" + " . map ( x , x + x )" * 100,
        "[1]" + ".map(x, [x, x])" * 250,
        "[1]" + ".map(x, {'a': x, 'b': x})" * 100,
        "['a'].map(x, " * 25 + "'a' + 'b'" + ")" * 25,
        "obj.status.numbers.map(x, x + 1)",
        "obj.status.numbers.all(x, obj.status.numbers.all(y, true))",
        "obj.status.numbers.all(x, obj.status.phase.matches('a'))",
    ],
)
def test_what_would_not_end_is_refused(source: str) -> None:
    began = time.monotonic()
    assert "too many macros for an object of this size" in refused(source, OBJ)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("obj.spec.x", "there is no 'spec' where the expression looks for it"),
        ("obj.status.phase +", "the expression is not CEL: 1:19: Syntax error"),
        ("1 / 0", "division by zero"),
        ("nope(1)", "nope"),
        ("[1][2]", "out of bounds"),
        ("'a'.matches('(')", "regex"),
        ("", "the expression is not CEL"),
        ("(" * 40 + "1" + ")" * 40, "more than 32 brackets"),
        ("x" * (MAX_LENGTH + 1), "at most 4,096"),
        ("obj" + ".a" * 2000, "there is no 'a'"),
    ],
)
def test_failures_are_told(source: str, said: str) -> None:
    message = refused(source)
    assert said in message
    assert len(message) < 700


def test_objects_that_cannot_be_passed() -> None:
    deep: Any = "x"
    for _ in range(3000):
        deep = [deep]
    assert "nested deeper" in refused("1", {"deep": deep})
    assert refused("obj.text", {"text": "\ud800"})


@examples(100)
@given(json_values(), st.sampled_from(["obj", "'x'", "has(obj.a)", "obj.a.b", "[obj].map(o, o)"]))
def test_any_object_gives_a_value_or_is_refused(value: Any, source: str) -> None:
    try:
        Expression(source).run({"a": value})
    except CelError as error:
        assert str(error)


@examples(150)
@given(st.text(st.sampled_from("abjot.()[]{}=+-,'\"?:!&|<>0123 \n\\/rx"), max_size=60))
def test_any_text_is_an_expression_or_is_refused(source: str) -> None:
    try:
        Expression(source).run(SMALL)
    except CelError as error:
        assert str(error)
