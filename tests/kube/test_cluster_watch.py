"""However the network cuts a watch, the same events come out."""

from __future__ import annotations

import contextlib

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.kube.client import EventType, Kind, WatchEvent
from agent.kube.cluster.errors import Target
from agent.kube.cluster.watch import MAX_LINE, LineSplitter, LineTooLong, parse_event
from agent.kube.errors import Gone, KubeError, Unreachable
from tests.kube.serving import status

TARGET = Target("watch", Kind("", "v1", "ConfigMap", "configmaps", True))


@given(st.lists(st.binary(min_size=1).filter(lambda line: b"\n" not in line)), st.data())
def test_lines_do_not_depend_on_the_chunks(lines: list[bytes], data: st.DataObject) -> None:
    text = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=20)))
    splitter = LineSplitter(MAX_LINE)
    seen = [
        line
        for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)
        if end > start
        for line in splitter.feed(text[start:end])
    ]
    assert seen == lines
    assert not splitter.pending


def test_half_a_line_is_pending() -> None:
    splitter = LineSplitter(MAX_LINE)
    assert splitter.feed(b'{"a":') == []
    assert splitter.pending
    assert splitter.feed(b"1}\n\n") == [b'{"a":1}']
    assert not splitter.pending


def test_a_line_is_bounded() -> None:
    splitter = LineSplitter(limit=10)
    assert splitter.feed(b"12345") == []
    assert splitter.feed(b"67890\n") == [b"1234567890"]
    splitter.feed(b"12345")
    with pytest.raises(LineTooLong):
        splitter.feed(b"678901")
    with pytest.raises(LineTooLong):
        LineSplitter(limit=10).feed(b"12345678901")
    splitter = LineSplitter(limit=10)
    splitter.feed(b"12345678")
    with pytest.raises(LineTooLong):
        splitter.feed(b"901\n")


def test_parses_events() -> None:
    obj = {"metadata": {"resourceVersion": "3"}}
    for kind in EventType:
        line = orjson.dumps({"type": kind.value, "object": obj})
        assert parse_event(TARGET, line) == WatchEvent(kind, obj)


def test_an_unknown_type_is_passed_over() -> None:
    assert parse_event(TARGET, orjson.dumps({"type": "RENAMED", "object": {"metadata": {}}})) is None


def test_an_error_event_is_raised() -> None:
    line = orjson.dumps({"type": "ERROR", "object": status(410, "Expired", "too old resource version: 1 (2)")})
    with pytest.raises(Gone, match="watch ConfigMap"):
        parse_event(TARGET, line)


@pytest.mark.parametrize(
    "line",
    [b"{", b"\xff", b"[]", b"{}", b'{"type":"ADDED"}', b'{"type":"ADDED","object":{}}', b'{"type":1,"object":7}'],
)
def test_what_is_no_event_is_a_broken_server(line: bytes) -> None:
    with pytest.raises(Unreachable):
        parse_event(TARGET, line)


@given(st.binary() | st.recursive(st.none() | st.text(), st.lists, max_leaves=3).map(orjson.dumps))
def test_any_line_is_an_event_or_a_kube_error(line: bytes) -> None:
    with contextlib.suppress(KubeError):
        parse_event(TARGET, line)
