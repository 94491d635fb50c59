"""Whatever bytes come in: JSON values or a FormatError come out, and both readers and the writer agree."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from hub.formats import jsontext
from hub.formats.dump import dump_documents, dump_yaml
from hub.formats.limits import Limits
from hub.formats.yaml import FormatError, _Reader, load_document, load_documents

LIMITS = Limits(bytes=100_000, documents=50, depth=20, nodes=2_000)

WORDS = """
yes no on y n true null ~ 0644 0x1F 1e3 1e400 1_000 .5 .inf 12:30:45 2020-01-01 << = - ? : # | > & * ! % @ ` { } [ ] ---
... 'a' "b" !!str !!int
"""
PIECES = """a:_ b:_ -_ n n__ ---n ...n { } [ ] ,_ &x_ *x_ <<:_ ?_ :_ ' " |n >n #cn !!map_ !t_ t 1 yes \\ %YAML_1.1n é"""

# Of control characters YAML takes only tab and line ends, and the latter in quotes only.
characters = st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\t\n")
texts = st.text(characters, max_size=20) | st.sampled_from(WORDS.split())
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=25
)
pieces = [piece.replace("_", " ").replace("n", "\n") if piece != "yes" else piece for piece in PIECES.split()]
snippets = st.lists(st.sampled_from([*pieces, "\t", "\ufeff", "\r", "\x85", "\u2028"]) | texts, max_size=25).map(
    "".join
)


def as_json(value: Any) -> Any:
    """Return a value as Kubernetes' JSON would hold it: a number without a fraction is an integer."""
    if isinstance(value, float):
        return int(Decimal(repr(value))) if value.is_integer() and abs(value) < 2.0**63 else value
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    return [as_json(item) for item in value] if isinstance(value, list) else value


def check(value: Any, depth: int = 0) -> None:
    assert depth <= LIMITS.depth
    match value:
        case dict():
            assert all(type(key) is str for key in value)
            for item in value.values():
                check(item, depth + 1)
        case list():
            for item in value:
                check(item, depth + 1)
        case float():
            assert math.isfinite(value)
        case _:
            assert value is None or type(value) in (str, int, bool)


@given(snippets | st.text() | st.binary())
@example("a: &a [*a]")
@example("? &a [1]\n: *a")
@example("*a : b")
@example("&a *a")
@example("- &a\n- *a")
def test_anything_in(text: str | bytes) -> None:
    try:
        documents = load_documents(text, name="f", limits=LIMITS)
    except FormatError as error:
        assert error.message.startswith("f")
        return
    for document in documents:
        check(document.value)
        json.dumps(document.value, ensure_ascii=False, allow_nan=False).encode()
        assert document.line >= 1


@given(values)
def test_what_is_written_reads_back(value: Any) -> None:
    assert load_document(dump_yaml(value), name="f") == as_json(value)


@given(st.lists(values.filter(lambda v: v is not None), max_size=4))
def test_documents_read_back(written: list[Any]) -> None:
    assert [d.value for d in load_documents(dump_documents(written), name="f")] == [as_json(v) for v in written]


@given(values)
def test_other_tools_read_the_same(value: Any) -> None:
    assert as_json(yaml.safe_load(dump_yaml(value))) == as_json(value)


@given(values.filter(lambda v: isinstance(v, (dict, list))), st.sampled_from([None, 1, 3]))
def test_both_readers_agree_on_json(value: Any, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    by_json = jsontext.read_documents(text, name="f", limits=Limits())
    assert [d.value for d in by_json] == [as_json(value)]
    assert _Reader(text.encode(), "f", Limits()).documents() == by_json


@given(values.filter(lambda v: isinstance(v, dict) and bool(v)), st.data())
def test_both_readers_find_the_same_doubled_key(value: dict[str, Any], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(value)))
    text = json.dumps(value, ensure_ascii=False, indent=1)[:-2] + f",\n {json.dumps(key, ensure_ascii=False)}: 1\n}}"
    with pytest.raises(FormatError) as by_json:
        load_documents(text, name="f")
    with pytest.raises(FormatError) as by_yaml:
        _Reader(text.encode(), "f", Limits()).documents()
    assert by_json.value.message == by_yaml.value.message
    assert "is written twice" in by_json.value.message
