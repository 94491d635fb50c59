"""A program of its own: what an index.yaml says of one chart.

An index may be 50 MB, and says something of a thousand charts of which a hub uses five. Indices that are written as
Helm writes them are cut into charts by their indentation, and only what is asked for is parsed; any other one is parsed
whole, in this process, which has bounded memory and time and holds nobody up.
"""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from hub.formats.errors import FormatError
from hub.formats.limits import Limits
from hub.formats.yaml import load_document

MOST_VERSIONS = 20_000
_MEMORY = 1536 * 1024 * 1024
_SECONDS = 60
_LIMITS = Limits(bytes=50 * 1024 * 1024, depth=40, nodes=4_000_000)
_ENTRIES = re.compile(rb"^entries:[ \t]*\r?$", re.MULTILINE)
_TOP = re.compile(rb"^[^\s#]", re.MULTILINE)
_LONGEST = 1000


class NoIndex(Exception):
    """The text is none."""


def main() -> None:
    path, chart = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    # Whoever began this sees to its time, but may be killed.
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    answer: dict[str, Any]
    try:
        answer = {"versions": versions_of(Path(path).read_bytes(), chart)}
    except (NoIndex, FormatError) as error:
        answer = {"refused": str(error)[:500]}
    except MemoryError:
        answer = {"refused": "reading it takes too much memory"}
    sys.stdout.buffer.write(orjson.dumps(answer))


def versions_of(content: bytes, chart: str) -> list[dict[str, Any]] | None:
    """Return what the index says of a chart's versions, None when it does not have the chart. Raises NoIndex,
    FormatError."""
    try:
        listed = _cut_out(content, chart)
    except _Unlike:
        index = load_document(content, name="index.yaml", limits=_LIMITS)
        entries = index.get("entries") if isinstance(index, Mapping) else None
        if not isinstance(entries, Mapping):
            raise NoIndex("it has no entries") from None
        listed = entries.get(chart)
    if listed is None:
        return None
    return list(_versions(listed))[:MOST_VERSIONS] if isinstance(listed, list) else []


class _Unlike(Exception):
    """The index is not written as Helm writes it."""


def _cut_out(content: bytes, chart: str) -> Any:
    """Return the chart's entry, parsed alone. Within a block mapping all that belongs to a key is indented deeper, or
    is a list at the key's own indentation; so keys are found without a parser."""
    found = list(_ENTRIES.finditer(content))
    if len(found) != 1 or b"\t" in content[: found[0].start()] or b"&" in content[: found[0].start()]:
        raise _Unlike
    start = found[0].end()
    after = _TOP.search(content, start)
    end = after.start() if after is not None else len(content)
    first = re.compile(rb"^( +)(?!#)\S", re.MULTILINE).search(content, start, end)
    if first is None:
        raise _Unlike
    indent = first[1]
    key = re.compile(rb"^" + indent + rb"(?![ #\t-])([^\r\n]*)", re.MULTILINE)
    quoted = re.escape(chart.encode())
    wanted = re.compile(rb"(?:" + quoted + rb"|'" + quoted + rb"'|\"" + quoted + rb"\"):[ \t]*\r?")
    place = None
    for match in key.finditer(content, start, end):
        if place is not None:
            end = match.start()
            break
        if wanted.fullmatch(match[1]):
            place = match.start()
        elif not match[1].rstrip().endswith(b":"):
            raise _Unlike
    if place is None:
        return None
    try:
        value = load_document(content[place:end], name="index.yaml", limits=_LIMITS)
    except FormatError:
        # An alias of something outside, or text that only looks like keys: the whole tells.
        raise _Unlike from None
    if not isinstance(value, Mapping) or list(value) != [chart]:
        raise _Unlike
    return value[chart]


def _versions(listed: list[Any]) -> Iterator[dict[str, Any]]:
    for item in listed:
        if not isinstance(item, Mapping) or not isinstance(item.get("version"), str):
            continue
        urls = item.get("urls")
        yield {
            "version": item["version"][:_LONGEST],
            "digest": _text(item.get("digest")).removeprefix("sha256:").lower(),
            "urls": [url for url in urls if isinstance(url, str)][:5] if isinstance(urls, list) else [],
            "created": _text(item.get("created")),
            "description": _text(item.get("description")),
            "type": _text(item.get("type")),
        }


def _text(value: Any) -> str:
    return value[:_LONGEST] if isinstance(value, str) else ""


if __name__ == "__main__":
    main()
