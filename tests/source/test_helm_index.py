"""One chart out of an index, whether it is cut out or the whole is parsed."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.formats.errors import FormatError
from hub.source.helm_index import NoIndex, versions_of

NAMES = st.from_regex(r"c[a-z0-9-]{0,6}", fullmatch=True)
TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=30), st.just("a: b\nc")
)
VERSIONS = st.fixed_dictionaries(
    {"version": st.just("1.0.0"), "urls": st.lists(st.just("x.tgz"), max_size=2)},
    optional={"description": TEXTS, "digest": TEXTS, "annotations": st.dictionaries(NAMES, TEXTS, max_size=2)},
)


def told(entry: dict[str, Any]) -> dict[str, Any]:
    keys = {"description": entry.get("description", ""), "version": entry["version"], "urls": entry["urls"]}
    return {"type": "", "created": "", "digest": entry.get("digest", "").removeprefix("sha256:").lower(), **keys}


@settings(deadline=None)
@given(entries=st.dictionaries(NAMES, st.lists(VERSIONS, max_size=3), max_size=4), wanted=NAMES, style=st.booleans())
def test_cut_out_is_as_parsed(entries: dict[str, list[dict[str, Any]]], wanted: str, style: bool) -> None:
    index = {"apiVersion": "v1", "entries": entries, "generated": "2024-01-01T00:00:00Z"}
    texts = (
        yaml.safe_dump(index, default_flow_style=style, allow_unicode=True),
        json.dumps(index),
        yaml.safe_dump(index, indent=4, width=20),
    )
    for chart in (*entries, wanted):
        expected = [told(entry) for entry in entries[chart]] if chart in entries else None
        assert [versions_of(text.encode(), chart) for text in texts] == [expected] * 3


@pytest.mark.parametrize(
    "text",
    [
        "entries:\n  a: &x\n  - version: '1'\n  b: *x\n",
        "entries:\n  'b':\n  - version: '1'\n",
        'entries:\n  "b":\n    - version: "1"\n',
        "# entries:\nentries: # of it\n  b: [{version: '1'}]\n",
        "{entries: {b: [{version: '1'}]}}",
        "entries:\r\n  b:\r\n  - version: '1'\r\n",
        "entries:\n  a:\n  - description: |\n      b:\n      - x: '2'\n    version: '3'\n  b:\n  - version: '1'\n",
        "entries:\n  a:\n  - description: \"x\n      b:\"\n    version: '3'\n  b:\n  - version: '1'\nserverInfo: {}\n",
    ],
)
def test_ways_to_write_one(text: str) -> None:
    assert [v["version"] for v in versions_of(text.encode(), "b") or ()] == ["1"]


@pytest.mark.parametrize("text", ["", "x", "entries: 1", "entries:\n", "[]", "entries:\n  a: [\n", "\x00"])
def test_what_is_none(text: str) -> None:
    with pytest.raises((NoIndex, FormatError)):
        versions_of(text.encode(), "b")


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    for head in (b"", b"entries:\n  b:\n"):
        try:
            versions_of(head + content, "b")
        except (NoIndex, FormatError):
            continue
