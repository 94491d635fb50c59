from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.yamltext import lines

PRINTABLE = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn"), exclude_characters="\ufeff\x7f\x85")
)
SCRIPTS = st.text("ab \t\n:-#|'\"\\{}", max_size=20)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | PRINTABLE | SCRIPTS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(PRINTABLE | st.sampled_from(["yes", "name", "1"]), inner, max_size=4)
    ),
    max_leaves=20,
)


def text(value: Any) -> str:
    return "\n".join(lines(value)) + "\n"


@given(VALUES)
def test_what_is_written_is_yaml_of_the_value(value: Any) -> None:
    assert yaml.safe_load(text(value)) == value


def test_reads_well() -> None:
    obj = {
        "spec": {
            "args": ["-v", "run"],
            "empty": {},
            "script": "set -e\n\techo hi\n",
            "containers": [{"image": "a:1", "name": "web"}],
        },
        "kind": "Job",
        "metadata": {"labels": {"app.kubernetes.io/name": "x"}, "name": "x"},
        "apiVersion": "batch/v1",
    }
    assert text(obj) == (
        "apiVersion: batch/v1\n"
        "kind: Job\n"
        "metadata:\n"
        "  name: x\n"
        "  labels:\n"
        "    app.kubernetes.io/name: x\n"
        "spec:\n"
        "  args:\n"
        '  - "-v"\n'
        "  - run\n"
        "  containers:\n"
        "  - name: web\n"
        "    image: a:1\n"
        "  empty: {}\n"
        "  script: |\n"
        "    set -e\n"
        "    \techo hi\n"
    )


@pytest.mark.parametrize(
    "value", ["yes", "No", "null", "1", "0x1", "1.5", "", "a: b", "- a", "a #b", "~", "12:30:45", "2026-03-01", "="]
)
def test_text_stays_text(value: str) -> None:
    assert yaml.safe_load(text({"a": value})) == {"a": value}


def test_equal_values_give_equal_text() -> None:
    assert text({"b": 1, "a": {"d": 1, "c": 2}}) == text({"a": {"c": 2, "d": 1}, "b": 1})


def test_depth_is_borne() -> None:
    value: Any = 1
    for _ in range(3000):
        value = {"a": [value]}
    assert len(list(lines(value))) < 100
