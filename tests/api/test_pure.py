"""Small decisions, each by itself."""

from __future__ import annotations

import dataclasses
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.api.convert import resource_words
from hub.api.mask import MASK, masked
from hub.api.models.flags import ApplicationFlagsBody
from hub.api.params import page
from hub.api.targets import parse_resource
from hub.api.turns import Turns
from hub.domain.manifest import ResourceKey
from hub.errors import Invalid, TooManyRequests
from hub.formats.edit import ApplicationFlags

WORDS = st.text(string.ascii_lowercase, min_size=1, max_size=8)


# --- masking

SECRET_VALUES = st.one_of(st.text(), st.dictionaries(st.text(max_size=5), st.text(min_size=4, max_size=20)), st.none())


@given(st.dictionaries(st.sampled_from(["data", "stringData", "extra", "type", "immutable"]), SECRET_VALUES))
def test_a_secret_shows_its_keys_and_none_of_its_values(fields: dict[str, Any]) -> None:
    shown = masked({"kind": "Secret", "metadata": {"name": "x"}} | fields)
    assert shown.keys() == {"kind", "metadata"} | fields.keys()
    for name in fields.keys() - {"type", "immutable"}:
        value = shown[name]
        if isinstance(fields[name], dict):
            assert set(value) == set(fields[name])
            assert set(value.values()) <= {MASK}
        else:
            assert value in (MASK, None)


def test_copies_of_a_secret_in_its_annotations_are_hidden() -> None:
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": '{"data":{"a":"b"}}', "note": "plain"}
    shown = masked({"kind": "Secret", "metadata": {"name": "x", "annotations": annotations}})
    assert shown["metadata"]["annotations"] == {
        "kubectl.kubernetes.io/last-applied-configuration": MASK,
        "note": "plain",
    }


@pytest.mark.parametrize("metadata", [None, [], "x", {"annotations": None}, {"annotations": ["a"]}])
def test_a_malformed_secret_is_hidden_all_the_same(metadata: Any) -> None:
    assert masked({"kind": "Secret", "metadata": metadata, "data": ["hunter2"]})["data"] == MASK


def test_other_kinds_are_shown() -> None:
    manifest = {"kind": "ConfigMap", "data": {"a": "b"}}
    assert masked(manifest) == manifest


# --- resources by name


@given(WORDS | st.just(""), WORDS, WORDS | st.just(""), WORDS)
def test_a_resource_is_read_as_it_is_written(group: str, kind: str, namespace: str, name: str) -> None:
    key = ResourceKey(group, kind, namespace, name)
    parsed = parse_resource(resource_words(key))
    assert (parsed.group, parsed.kind, parsed.namespace, parsed.name) == key
    assert parsed.names(key, "elsewhere")


@given(st.text())
def test_any_other_text_is_refused_or_names_something(text: str) -> None:
    try:
        parsed = parse_resource(text)
    except Invalid:
        return
    assert parsed.kind and parsed.name


def test_a_namespace_that_was_left_out_matches_any() -> None:
    rendered = ResourceKey("apps", "Deployment", "", "web")
    assert parse_resource("apps:Deployment:web").names(rendered, "shop")
    assert parse_resource("apps:Deployment:shop/web").names(rendered, "shop")
    assert not parse_resource("apps:Deployment:other/web").names(rendered, "shop")


# --- pages


@given(st.sets(WORDS, max_size=30), st.integers(1, 7), st.sets(WORDS, max_size=5))
def test_pages_tell_every_item_once(keys: set[str], size: int, gone: set[str]) -> None:
    """Even when items disappear between two pages."""
    seen: list[str] = []
    after = ""
    present = sorted(keys)
    while True:
        items, after = page(present, present, size, after)
        seen += items
        if not after:
            break
        present = sorted(set(present) - gone)
    assert len(seen) == len(set(seen))
    assert keys - gone <= set(seen) <= keys


# --- others


def test_flags_are_those_of_the_formats() -> None:
    body = set(ApplicationFlagsBody.model_fields)
    assert body == {field.name for field in dataclasses.fields(ApplicationFlags)}
    assert ApplicationFlagsBody().flags() == ApplicationFlags()
    flags = ApplicationFlagsBody(name="x", helm_set=["a=b"], auto_prune=False).flags()
    assert (flags.name, flags.helm_set, flags.auto_prune) == ("x", ("a=b",), False)


async def test_turns_are_bounded() -> None:
    turns = Turns(1, 0, "things")
    async with turns.turn():
        with pytest.raises(TooManyRequests):
            async with turns.turn():
                raise AssertionError
    async with turns.turn():
        pass
