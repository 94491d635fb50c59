"""What is read of events' bodies, however it is read and whatever they are."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.api.webhooks.providers import MOST_NAMES, PROVIDERS, names_of
from hub.api.webhooks.skim import TEXT, Unreadable, read, skim
from tests.api import events
from tests.api.test_fuzz import JSON
from tests.search import examples

WANTED = {"a": TEXT, "b": {"a": TEXT, "c": [TEXT]}, "d": [{"a": TEXT}]}
KEYS = st.sampled_from(["a", "b", "c", "d", 'ü"\\', ""])
VALUES = st.recursive(
    JSON | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def outcome(reader: Any, data: bytes, wanted: Any = WANTED) -> Any:
    try:
        return reader(data, wanted)
    except Unreadable:
        return None


@examples(300)
@given(st.dictionaries(KEYS, VALUES, max_size=5), st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_both_ways_of_reading_agree(value: dict[str, Any], ascii_only: bool, indent: Any) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    quick = outcome(read, data)
    if quick is not None:
        assert skim(bytearray(data), WANTED) == skim(data, WANTED) == quick


@examples(500)
@given(
    st.binary(max_size=40)
    | st.text('{}[]":,\\ab01-. \n', max_size=30).map(str.encode)
    | st.dictionaries(KEYS, VALUES, max_size=3)
    .map(_encoded)
    .flatmap(lambda data: st.integers(0, len(data)).map(lambda cut: data[:cut]))
)
def test_any_bytes(data: bytes) -> None:
    found = outcome(read, data)
    skimmed = outcome(skim, data)
    # The quick one tells more mistakes, and both the same of what is right.
    assert found is None or found == skimmed


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 1_000_000,
        b'{"x":[' + b"0,[]," * 1_100_000 + b"0]}",
        b'{"a":"' + b"\\" * 99 + b'"}',
        b'{"a":"x"} {}',
        b'{"a":"x",}',
        b'{"a" "x"}',
        b'{"x":"\n"}',
        b'{"a":"\xff"}',
        b'{"x":nothing}',
        b'{"x":[}',
    ],
    ids=range(10),
)
def test_what_is_not_read(data: bytes) -> None:
    with pytest.raises(Unreadable):
        skim(data, WANTED)


def test_what_is_long_is_passed_over() -> None:
    value = {"a": "x" * 5000, "b": {"a": "short", "c": ["y"] * 1000}}
    data = orjson.dumps(value)
    assert skim(data, WANTED) == read(data, WANTED) == {"b": {"a": "short", "c": ["y"] * 100}}


@pytest.mark.parametrize("name", events.ALL)
def test_payloads_are_read_alike(name: str) -> None:
    sent = events.ALL[name]
    provider = PROVIDERS[sent.provider]
    payload = skim(sent.body, provider.wanted)
    assert payload == read(sent.body, provider.wanted)
    assert names_of(provider, payload) == list(sent.names)


@pytest.mark.parametrize("name", events.ALL)
@examples(60)
@given(data=st.data())
def test_payloads_in_which_something_is_other_than_it_should_be(name: str, data: st.DataObject) -> None:
    sent = events.ALL[name]
    provider = PROVIDERS[sent.provider]
    payload = json.loads(sent.body)
    place = payload
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if isinstance(place[key], (dict, list)) and place[key] and data.draw(st.booleans()):
            place = place[key]
            continue
        place[key] = data.draw(JSON)
        break
    names = names_of(provider, read(json.dumps(payload).encode(), provider.wanted))
    assert names is None or (len(names) <= MOST_NAMES and all(names))
