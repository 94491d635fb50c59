"""Unquoted words, against what sigs.k8s.io/yaml 1.6 makes of them (YAMLToJSON of "a: <word>" and "<word>: a")."""

from __future__ import annotations

import pytest

from hub.formats.errors import FormatError
from hub.formats.yaml import load_document

BOOLEANS = {
    True: "y Y yes Yes YES true True TRUE on On ON",
    False: "n N no No NO false False FALSE off Off OFF",
}
NULLS = "~ null Null NULL"
NUMBERS = {
    "0644": 420,
    "0o644": 420,
    "0O17": 15,
    "-017": -15,
    "+0o17": 15,
    "007": 7,
    "00": 0,
    "08": 8,
    "09.5": 9.5,
    "0x1F": 31,
    "0X1f": 31,
    "-0x1f": -31,
    "0xF_F": 255,
    "0x_1F": 31,
    "0b101": 5,
    "-0b11": -3,
    "1_000": 1000,
    "1_": 1,
    "1__0": 10,
    "1_0.5": 10.5,
    "1.5_0": 1.5,
    "1_e3": 1000,
    "1e3": 1000,
    "1E3": 1000,
    "1e+3": 1000,
    "1.e3": 1000,
    ".5": 0.5,
    "-.5": -0.5,
    ".5e3": 500,
    ".1_0": 0.1,
    "5.": 5,
    "+5": 5,
    "1.0": 1,
    "1.10": 1.1,
    "-0": 0,
    "-0.0": 0,
    "1e-400": 0,
    "0.1e-7": 1e-8,
    "18446744073709551615": 18446744073709551615,
    "-9223372036854775808": -9223372036854775808,
    "18446744073709551616": 18446744073709551616.0,
    "-9223372036854775809": -9223372036854775809.0,
    "1234567890123456789.0": 1234567890123456800,
    "99999999999999999999999999": 1e26,
    "0777777777777777777777777777777": 777777777777777777777777777777.0,
}
TEXTS = """
yEs tRUE nULL oN _1 . .. + -- 1- +-1 0x 0b 0o 0o8 0b102 0x1p4 0x1.8p1 1e 1e+ .e3 ._1 .1__0 infinity .Infinity nan = <
1e400 -1e400 1E400 12:30:45 1:20 190:20:30 2020-01-01 2020-01-01T00:00:00Z 2020-13-01 1970-1-1 1.2.3 10.0.0.1 v1
0xffffffffffffffffffffff -0xffffffffffffffffffffff 100m 128Mi 5s é
"""


@pytest.mark.parametrize("word", NULLS.split())
def test_nulls(word: str) -> None:
    assert load_document(f"a: {word}", name="t") == {"a": None}


@pytest.mark.parametrize(("word", "expected"), [(w, value) for value, words in BOOLEANS.items() for w in words.split()])
def test_booleans(word: str, expected: bool) -> None:
    assert load_document(f"a: {word}", name="t")["a"] is expected
    assert load_document(f"{word}: a", name="t") == {str(expected).lower(): "a"}
    assert load_document(f"a: '{word}'", name="t") == {"a": word}


@pytest.mark.parametrize(("word", "expected"), NUMBERS.items())
def test_numbers(word: str, expected: float) -> None:
    value = load_document(f"a: {word}", name="t")["a"]
    assert value == expected
    assert type(value) is type(expected)
    assert load_document(f'a: "{word}"', name="t") == {"a": word}


@pytest.mark.parametrize("word", TEXTS.split())
def test_texts(word: str) -> None:
    assert load_document(f"a: {word}", name="t") == {"a": word}


@pytest.mark.parametrize("word", [".inf", "-.Inf", "+.INF", ".nan", ".NaN"])
def test_infinities_are_refused(word: str) -> None:
    with pytest.raises(FormatError, match=r"line 1, column 4: .* is a number that JSON cannot hold"):
        load_document(f"a: {word}", name="t")


@pytest.mark.parametrize(
    ("word", "key"),
    {
        "1": "1",
        "0x10": "16",
        "'1'": "1",
        "0.5": "0.5",
        "1e3": "1000",
        "1e5": "100000",
        "1e6": "1e+06",
        "1234567.0": "1.234567e+06",
        "123456789.5": "1.2345679e+08",
        "1.5e10": "1.5e+10",
        "0.00001": "1e-05",
        "-0.0": "-0",
        "20.0": "20",
        "1e400": "1e400",
        ".inf": ".inf",
        "-.inf": "-.inf",
        ".nan": ".nan",
        "1e300": ".inf",
        "123456789012345678901234567890": "1.2345679e+29",
        "2020-01-01": "2020-01-01",
        "'<<'": "<<",
        "? !!str 1\n": "1",
        "&k yes": "true",
    }.items(),
)
def test_keys_become_text(word: str, key: str) -> None:
    assert load_document(f"{word}: a", name="t") == {key: "a"}


@pytest.mark.parametrize("word", ["~", "null", "!!null ''"])
def test_a_key_cannot_be_null(word: str) -> None:
    with pytest.raises(FormatError, match="a key cannot be null"):
        load_document(f"? {word}\n: a", name="t")


@pytest.mark.parametrize(
    ("tagged", "expected"),
    {
        "!!str 1": "1",
        "!!str": "",
        "!!str ~": "~",
        "!!int '5'": 5,
        "!!int '0644'": 420,
        "!!float 1": 1,
        "!!float '1e3'": 1000,
        "!!float '0.5'": 0.5,
        "!!bool 'yes'": True,
        "!!null ''": None,
        "!!timestamp 2020-01-01": "2020-01-01",
        "!!binary aGk=": "hi",
        "!!map {}": {},
        "!!seq []": [],
        "!!set {b}": {"b": None},
        "!!omap [b: 1]": [{"b": 1}],
        "! 12": "12",
    }.items(),
)
def test_standard_tags(tagged: str, expected: object) -> None:
    assert load_document(f"a: {tagged}", name="t") == {"a": expected}


@pytest.mark.parametrize(
    ("tagged", "problem"),
    {
        "!!int abc": "'abc' is not a value of type !!int",
        "!!int 1.5": "'1.5' is not a value of type !!int",
        "!!int 1.0": "'1.0' is not a value of type !!int",
        "!!int yes": "'yes' is not a value of type !!int",
        "!!float x": "not a value of type !!float",
        "!!bool 1": "not a value of type !!bool",
        "!!null x": "not a value of type !!null",
        "!!binary '%%'": "not base64 of text",
        "!!binary gIE=": "not base64 of text",
        "!foo bar": "the tag !foo has no meaning",
        "!foo {b: 1}": "the tag !foo has no meaning",
        "!foo [b]": "the tag !foo has no meaning",
        "!!python/object:os.system {}": "the tag !!python/object:os.system has no meaning",
        "!!python/name:os.system x": "the tag !!python/name:os.system is not one",
    }.items(),
)
def test_other_tags_are_refused(tagged: str, problem: str) -> None:
    with pytest.raises(FormatError, match="line 1, column 4") as caught:
        load_document(f"a: {tagged}", name="t")
    assert problem in caught.value.message
