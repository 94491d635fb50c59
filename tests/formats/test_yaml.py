from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import yaml

from hub.errors import Invalid
from hub.formats.yaml import FormatError, Limits, load_document, load_documents


def read(text: str | bytes) -> object:
    return load_document(text, name="app.yaml")


def refusal(text: str | bytes, limits: Limits | None = None) -> FormatError:
    with pytest.raises(FormatError) as caught:
        load_documents(text, name="app.yaml", limits=limits or Limits())
    assert isinstance(caught.value, Invalid)
    return caught.value


def test_documents_know_where_they_begin() -> None:
    text = "# a comment\n---\na: 1\n---\n# nothing\n---\n---\nnull\n---\n\n- b\n...\n--- c\n"
    found = load_documents(text, name="f")
    assert [(d.value, d.name, d.line) for d in found] == [({"a": 1}, "f", 3), (["b"], "f", 11), ("c", "f", 13)]


@pytest.mark.parametrize("text", ["", "---\n", "# only a comment", "---\n---\n", "null", "\n\n", " \n# x"])
def test_empty_texts(text: str) -> None:
    assert load_documents(text, name="f") == []
    assert read(text) is None


def test_a_second_document_where_one_is_expected() -> None:
    with pytest.raises(FormatError, match=r"f, line 3, column 1: a second document begins here"):
        load_document("a: 1\n---\nb: 2\n", name="f")


def test_line_ends_and_marks() -> None:
    assert read(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n") == {"a": 1, "b": 2}
    assert read("\ufeffa: 1\n") == {"a": 1}
    assert [d.line for d in load_documents("a: 1\r\n---\r\nb: 2\r\n", name="f")] == [1, 3]


def test_block_text() -> None:
    assert read("a: |\n  x\n   y\nb: >-\n  p\n  q\n") == {"a": "x\n y\n", "b": "p q"}


@pytest.mark.parametrize(
    ("text", "line", "column", "key", "first"),
    [
        ("a: 1\nb:\n  x: 1\n  y: 2\n  x: 3\n", 5, 3, "x", 3),
        ("- {a: 1, a: 2}", 1, 10, "a", 1),
        ("1: a\n'1': b", 2, 1, "1", 1),
        ("yes: a\ntrue: b", 2, 1, "true", 1),
        ("0x10: a\n16: b", 2, 1, "16", 1),
        ('{"a": {"b": 1,\n  "b": 2}}', 2, 3, "b", 1),
        ('[{"a": "{\\"x\\":", "b": [{"a": 1}]},\n{"é": 1, "\\u00e9": 2}]', 2, 10, "é", 2),
        ('{"a": 1}\n{"b": 1,\n"b": 2}', 3, 1, "b", 2),
    ],
)
def test_a_key_written_twice(text: str, line: int, column: int, key: str, first: int) -> None:
    error = refusal(text)
    assert (error.line, error.column) == (line, column)
    assert error.message == (
        f'app.yaml, line {line}, column {column}: the key "{key}" is written twice in one mapping, '
        f"first on line {first}. Remove one of them"
    )


def test_equal_keys_of_different_mappings_are_fine() -> None:
    assert read("a: {x: 1}\nb: {x: 1}\n") == {"a": {"x": 1}, "b": {"x": 1}}
    assert read('{"a": {"x": 1}, "b": [{"x": 1}, {"x": 2}]}') == {"a": {"x": 1}, "b": [{"x": 1}, {"x": 2}]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: &x {p: 1}\nc: {<<: *x, p: 2}", {"a": {"p": 1}, "c": {"p": 2}}),
        ("a: &x {p: 1}\nc: {p: 2, <<: *x}", {"a": {"p": 1}, "c": {"p": 2}}),
        ("c: {<<: [{a: 1}, {a: 2, b: 3}], d: 1}", {"c": {"a": 1, "b": 3, "d": 1}}),
        ("c: {<<: {a: 1}, <<: {a: 2, b: 3}}", {"c": {"a": 1, "b": 3}}),
        ("c: {<<: {a: {x: 1}}, a: {z: 2}}", {"c": {"a": {"z": 2}}}),
        ("<<: {a: 1}", {"a": 1}),
        ("&m <<: {a: 1}", {"a": 1}),
        ("'<<': {a: 1}", {"<<": {"a": 1}}),
        ("- <<", ["<<"]),
    ],
)
def test_merges(text: str, expected: object) -> None:
    assert read(text) == expected


def test_a_merge_keeps_the_order_of_its_text() -> None:
    assert list(load_document("{<<: {a: 1, b: 2}, c: 3, a: 4}", name="f")) == ["a", "b", "c"]


@pytest.mark.parametrize("value", ["3", "[1]", "~", "[[{a: 1}]]"])
def test_a_merge_takes_mappings_only(value: str) -> None:
    assert "a merge (<<) takes a mapping" in refusal(f"a:\n  <<: {value}\n").message


def test_aliases_are_copies() -> None:
    value = load_document("a: &x {p: [1]}\nb: *x\nc: {<<: *x}\n", name="f")
    value["b"]["p"].append(2)
    assert value == {"a": {"p": [1]}, "b": {"p": [1, 2]}, "c": {"p": [1]}}


def test_anchors_of_scalars_and_keys() -> None:
    assert read("&k a: &v [1]\nb: *k\nc: *v\n") == {"a": [1], "b": "a", "c": [1]}
    assert read("x: &k yes\n*k : 5") == {"x": True, "true": 5}
    assert read("a: &x\nb: *x") == {"a": None, "b": None}
    assert read("a: &x 1\nb: &x 2\nc: *x") == {"a": 1, "b": 2, "c": 2}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: *b", "line 1, column 4: the alias *b names an anchor that is not defined before it"),
        ("a: &b 1\n---\nc: *b", "line 3, column 4: the alias *b names"),
        ("a: &a {b: *a}", "line 1, column 11: the value of the anchor &a contains itself"),
        ("a: &a [[*a]]", "contains itself"),
        ("x: &x [1]\n*x : 2", "line 2, column 1: a key is a mapping or a list"),
        ("? *x\n: 1", "the alias *x names"),
    ],
)
def test_wrong_aliases(text: str, problem: str) -> None:
    assert problem in refusal(text).message


@pytest.mark.parametrize(
    ("text", "place", "advice"),
    [
        ("a:\n\tb: 1", "line 2, column 1", "indented with spaces: replace the tab"),
        ("a: @b", "line 1, column 4", "Put the value that begins with @ in quotes"),
        ("a: `b`", "line 1, column 4", "Put the value that begins with ` in quotes"),
        ("a: %b", "line 1, column 4", "Put the value that begins with % in quotes"),
        ("image: a: b", "line 1, column 9", "Put a value that contains a colon and a space in quotes"),
        ("a:\n  b: 1\n c: 2", "line 3, column 2", "Check the indentation"),
        ("a: 1\n- b", "line 2, column 1", "Check the indentation"),
        ("a: {{ .Values.x }}", "line 1, column 5", "A template in braces ({{ … }}) must be rendered first"),
        ("{{- if .x }}\na: 1\n{{- end }}", "line 1", "A template in braces"),
        ("a: b {{ c: d", "line 1, column 10", "A template in braces"),
        ("a: [1, 2\nb: 3", "line 2", "A bracket or brace opened before is not closed"),
        ("a: 'x\n", "line 2", ""),
        (" a: 1\nb: 2\n", "line 2, column 1", "separate documents by a line of three dashes"),
        ("a: 1\n---\n\ufeffb: 2\n", "line 3", "byte order mark. Remove it"),
        ("a: \x07", "line 1", ""),
        (b"a: 1\nb: \xff", "line 2", "Save it as UTF-8"),
        ("a: 1\nb: 2".encode("utf-16"), "UTF-16", "Save it as UTF-8"),
        ("a: 1".encode("utf-16-le"), "UTF-16", "Save it as UTF-8"),
        ("a: 1".encode("utf-16-be"), "UTF-16", "Save it as UTF-8"),
        ("a: 1\nb: '\ud800'", "line 2", ""),
        ('a: "\\ud800"', "line 1", ""),
        ('{"a": "\\ud800"}', "line 1", ""),
    ],
)
def test_mistakes_are_told_with_place_and_advice(text: str | bytes, place: str, advice: str) -> None:
    message = refusal(text).message
    assert message.startswith("app.yaml")
    assert place in message
    assert advice in message


def test_an_unclosed_bracket_names_where_it_was_opened() -> None:
    assert "flow mapping that begins on line 2" in refusal("a: 1\nb: {c: 1,\n  d: 2\ne: 3\n").message


BOTH = "a: &a [1]\nb: [*a, *a]"


class TestLimits:
    def test_size(self) -> None:
        assert "the text is 11 bytes; at most 10 are read" in refusal("a: 12345678", Limits(bytes=10)).message

    @pytest.mark.parametrize("text", ["a: 1\n---\n" * 3, "{}\n" * 3 + "{}", "---\n" * 5])
    def test_documents(self, text: str) -> None:
        assert "more than 2 documents" in refusal(text, Limits(documents=2)).message

    @pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("- ", ""), ("{a: ", "}"), ('{"a":', "}")])
    def test_depth(self, opening: str, closing: str) -> None:
        assert len(load_documents(f"{opening * 100}1{closing * 100}", name="f")) == 1
        assert "nested deeper than 100" in refusal(f"{opening * 101}1{closing * 101}").message

    def test_depth_through_aliases(self) -> None:
        links = "".join(f"a{n}: &a{n} {{x: *a{n - 1}}}\n" for n in range(1, 150))
        assert "nested deeper than 100" in refusal(f"a0: &a0 {{x: 1}}\n{links}").message

    @pytest.mark.parametrize("text", ["[1, 2, 3, 4]", "- 1\n- 2\n- 3\n- 4\n", '{"a": [[], [], []]}', BOTH])
    def test_values(self, text: str) -> None:
        assert "more than 4 values" in refusal(text, Limits(nodes=4)).message
        assert load_documents(text, name="f", limits=Limits(nodes=8))

    @pytest.mark.parametrize("opening", ["[", "{a: ", "- ", '{"a":', "[{b: "])
    def test_deep_nesting_costs_nothing(self, opening: str) -> None:
        began = time.process_time()
        assert "nested deeper" in refusal(opening * 200_000).message
        assert time.process_time() - began < 2

    def test_a_bomb_of_aliases_is_defused(self) -> None:
        layers = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)]
        error = refusal("a0: &a0 [lol, lol, lol]\n" + "".join(layers), Limits(nodes=100_000))
        assert "more than 100,000 values once aliases are resolved" in error.message


class TestJson:
    def test_documents_one_after_another(self) -> None:
        found = load_documents('{"a": 1}\n{"a":\n 2}[3]\nnull\n"x"', name="f")
        assert [(d.value, d.line) for d in found] == [({"a": 1}, 1), ({"a": 2}, 2), ([3], 3), ("x", 5)]

    def test_characters(self) -> None:
        assert read('{"a": "\\ud83d\\ude00 é \\u0000 \\/"}') == {"a": "😀 é \0 /"}

    def test_numbers_mean_what_they_mean_in_yaml(self) -> None:
        text = "[1.0, 1e3, -0, 18446744073709551615, 18446744073709551616, 1e400, 0.5]"
        assert load_document(text, name="f") == load_document(f"a: {text}", name="f")["a"]
        assert [type(v) for v in load_document(text, name="f")] == [int, int, int, int, float, str, float]

    def test_yaml_that_begins_like_json(self) -> None:
        assert read("{a: NaN, b: [yes]}") == {"a": "NaN", "b": [True]}
        assert read('{"a": NaN}') == {"a": "NaN"}
        assert read('{"a": 0644}') == {"a": 420}
        assert [d.value for d in load_documents('{"a": 1}\n---\nb: 2\n', name="f")] == [{"a": 1}, {"b": 2}]

    def test_the_reader_that_got_further_explains(self) -> None:
        error = refusal('{"a": 1}\n{"a": 2}\n{"a": }')
        assert (error.line, error.column) == (3, 7)

    def test_a_number_of_a_million_digits(self) -> None:
        assert read("[" + "9" * 1_000_000 + "]") == ["9" * 1_000_000]
        assert read("- " + "9" * 1_000_000) == ["9" * 1_000_000]


MANIFEST = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-{n}
  labels: {{app.kubernetes.io/name: app, "x": 'y'}}
spec:
  replicas: 3
  template:
    spec:
      containers:
      - name: main
        image: ghcr.io/org/app:1.2.3
        args: ["--a", "--b=1"]
        ports:
        - containerPort: 8080
          protocol: TCP
        env:
        - name: A
          value: "yes"
---
"""


def test_speed() -> None:
    """Catching doubled keys and reading words as Kubernetes does costs no more than PyYAML's own C loader."""
    text = "".join(MANIFEST.format(n=n) for n in range(600))
    assert len(load_documents(text, name="f")) == 600

    def best(run: Callable[[], object]) -> float:
        times = []
        for _ in range(3):
            began = time.process_time()
            run()
            times.append(time.process_time() - began)
        return min(times)

    ours = best(lambda: load_documents(text, name="f"))
    theirs = best(lambda: list(yaml.load_all(text, yaml.CSafeLoader)))
    assert ours < theirs * 1.2
