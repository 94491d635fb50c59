from __future__ import annotations

import pytest

from hub.domain.names import (
    annotations_problem,
    label_key_problem,
    label_value_problem,
    labels_problem,
    name_problem,
    namespace_problem,
)


@pytest.mark.parametrize("name", ["a", "a-b", "a.b-c.d", "0", "a" * 253, "a.0"])
def test_names(name: str) -> None:
    assert name_problem(name) == ""


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a..b", ".a", "a.", "a/b", "ä", "a" * 254, "a\n", " a"])
def test_what_is_no_name(name: str) -> None:
    assert name_problem(name).startswith("is not a name")


@pytest.mark.parametrize(
    ("name", "good"), [("a", True), ("a-b", True), ("a.b", False), ("a" * 63, True), ("a" * 64, False)]
)
def test_namespaces(name: str, good: bool) -> None:
    assert (namespace_problem(name) == "") is good


@pytest.mark.parametrize(
    ("key", "good"),
    [
        ("a", True),
        ("A_b.c-d", True),
        ("app.kubernetes.io/name", True),
        ("a/b/c", False),
        ("/a", False),
        ("a/", False),
        ("A/b", False),
        ("_a", False),
        ("a" * 64, False),
        ("x" * 254 + "/a", False),
        ("", False),
    ],
)
def test_label_keys(key: str, good: bool) -> None:
    assert (label_key_problem(key) == "") is good


@pytest.mark.parametrize(
    ("value", "good"), [("", True), ("a_B.c-0", True), ("-a", False), ("a b", False), ("a" * 64, False)]
)
def test_label_values(value: str, good: bool) -> None:
    assert (label_value_problem(value) == "") is good


def test_the_first_bad_label_is_named() -> None:
    assert labels_problem({"a": "b"}) == ""
    assert labels_problem({"a": "b", "c": "d e"}).startswith("[c] is not a label value")


def test_annotations_have_keys_like_labels_and_a_size() -> None:
    assert annotations_problem({"Example.com/Note": "any text\nat all"}) == ""
    assert annotations_problem({"a b": ""}).startswith("[a b] is not a label key")
    assert annotations_problem({"a": "x" * 262_143}) == ""
    assert "more than 256 KiB" in annotations_problem({"a": "x" * 262_144})
