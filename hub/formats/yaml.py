"""Reading the YAML and JSON that people and tools write, safely and as Kubernetes reads it.

A general YAML loader is the wrong tool for this: it turns dates into objects, passes over a key written twice, and
lets a kilobyte of aliases grow into gigabytes. Here every text is read as `hub.formats.scalars` says, into plain JSON
values, within limits, and what is wrong is told with its file, line and column.

Where this is stricter than Kubernetes: a key written twice is an error (also `1` and `"1"`), so are custom tags, and a
key given in a mapping beats a merged one (`<<`) wherever the merge stands. Aliases are copied, never shared, so a
reader may change what it got.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NoReturn

import yaml
from yaml._yaml import CParser
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from hub.formats import jsontext
from hub.formats.errors import FormatError, shown
from hub.formats.limits import DEFAULT_LIMITS, Document, Limits
from hub.formats.scalars import (
    SPECIAL_STARTS,
    TAG_PREFIX,
    Scalar,
    key_of_plain,
    key_text,
    resolve_plain,
    resolve_tagged,
    shown_tag,
)

__all__ = ["Document", "FormatError", "Limits", "load_document", "load_documents"]

_OPEN = object()
"""Stands for an anchored value that is still being read."""

_MAPPING_TAGS = (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:set")
_SEQUENCE_TAGS = (None, "!", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:omap", "tag:yaml.org,2002:pairs")
_MARK = b"\xef\xbb\xbf"


def load_documents(text: str | bytes, *, name: str, limits: Limits = DEFAULT_LIMITS) -> list[Document]:
    """Read every document of a text. Documents that are empty or null are left out.

    `name` is what errors call the text: a file's path. Raises FormatError.
    """
    content = _utf8(text, name, limits)
    json_error: FormatError | None = None
    if content.lstrip()[:1] in (b"{", b"["):
        try:
            return jsontext.read_documents(content.decode(), name=name, limits=limits)
        except jsontext.NotJson as error:
            json_error = error.as_format_error(name)
    try:
        return _Reader(content, name, limits).documents()
    except FormatError as error:
        # A text that is neither is explained by the reader that got further.
        if json_error is not None and (json_error.line, json_error.column) > (error.line, error.column):
            raise json_error from None
        raise


def load_document(text: str | bytes, *, name: str, limits: Limits = DEFAULT_LIMITS) -> Any:
    """Read a text that holds one document at most; None when it holds none. Raises FormatError."""
    documents = load_documents(text, name=name, limits=limits)
    if len(documents) > 1:
        raise FormatError(
            "a second document begins here, where one is expected", name=name, line=documents[1].line, column=1
        )
    return documents[0].value if documents else None


def _utf8(text: str | bytes, name: str, limits: Limits) -> bytes:
    if isinstance(text, str):
        try:
            content = text.encode()
        except UnicodeEncodeError as error:
            raise FormatError(
                "a character is half of a surrogate pair", name=name, line=text.count("\n", 0, error.start) + 1
            ) from error
    else:
        content = text
    if len(content) > limits.bytes:
        raise FormatError(f"the text is {len(content):,} bytes; at most {limits.bytes:,} are read", name=name)
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in content[:2]:
        raise FormatError("the text is UTF-16 or binary", name=name, advice="Save it as UTF-8")
    if not isinstance(text, str):
        try:
            content.decode()
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise FormatError("the text is not UTF-8", name=name, line=line, advice="Save it as UTF-8") from error
    content = content.removeprefix(_MARK)
    if (found := content.find(b"\n" + _MARK)) >= 0:
        # The parser would take it for one column of indentation.
        line = content.count(b"\n", 0, found) + 2
        raise FormatError("the line begins with a byte order mark", name=name, line=line, advice="Remove it")
    return content


class _Reader:
    """Builds values from the C parser's events, so that limits hold while reading and not after it."""

    def __init__(self, content: bytes, name: str, limits: Limits) -> None:
        self._content = content
        self._name = name
        self._limits = limits
        self._next: Callable[[], Any] = CParser(content).get_event
        self._nodes_left = limits.nodes
        self._anchors: dict[str, Any] = {}

    def documents(self) -> list[Document]:
        try:
            return self._documents()
        except yaml.MarkedYAMLError as error:
            raise self._explained(error) from None
        except yaml.YAMLError as error:
            line = self._content.count(b"\n", 0, getattr(error, "position", 0) or 0) + 1
            problem = getattr(error, "reason", "this is not YAML")
            advice = "Remove it, or write it as an escape in double quotes" if "control" in problem else ""
            raise FormatError(problem, name=self._name, line=line, advice=advice) from None

    def _documents(self) -> list[Document]:
        found: list[Document] = []
        count = 0
        while type(event := self._next()) is not StreamEndEvent:
            if type(event) is not DocumentStartEvent:
                continue
            count += 1
            if count > self._limits.documents:
                self._fail(event.start_mark, f"there are more than {self._limits.documents:,} documents")
            self._anchors.clear()
            event = self._next()
            value = self._value(event, 0)
            if value is not None:
                found.append(Document(value, self._name, event.start_mark.line + 1))
        return found

    def _value(self, event: Any, depth: int) -> Any:
        self._nodes_left -= 1
        if self._nodes_left < 0:
            self._too_many_nodes(event.start_mark)
        kind = type(event)
        if kind is ScalarEvent:
            value: Any = self._scalar(event)
        elif kind is MappingStartEvent:
            value = self._mapping(event, depth + 1)
        elif kind is SequenceStartEvent:
            value = self._sequence(event, depth + 1)
        else:
            return self._copied(self._anchored(event), event.start_mark, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def _scalar(self, event: ScalarEvent) -> Scalar:
        plain, quoted = event.implicit
        text: str = event.value
        if quoted or event.tag == "!":
            return text
        if plain:
            if text[:1] not in SPECIAL_STARTS:
                return text
            value = resolve_plain(text)
        else:
            value = self._tagged(event)
        if type(value) is float and not -float("inf") < value < float("inf"):
            self._fail(
                event.start_mark, f"{shown(text)} is a number that JSON cannot hold", "Write it in quotes if it is text"
            )
        return value

    def _tagged(self, event: ScalarEvent) -> Scalar:
        tag = str(event.tag)
        if not tag.startswith(TAG_PREFIX):
            self._unknown_tag(event)
        try:
            return resolve_tagged(tag, event.value)
        except ValueError as error:
            self._fail(event.start_mark, str(error))

    def _sequence(self, start: SequenceStartEvent, depth: int) -> list[Any]:
        if start.tag not in _SEQUENCE_TAGS:
            self._unknown_tag(start)
        self._enter(start, depth)
        result = []
        while type(event := self._next()) is not SequenceEndEvent:
            result.append(self._value(event, depth))
        return result

    def _mapping(self, start: MappingStartEvent, depth: int) -> dict[str, Any]:
        if start.tag not in _MAPPING_TAGS:
            self._unknown_tag(start)
        self._enter(start, depth)
        result: dict[str, Any] = {}
        marks: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while type(event := self._next()) is not MappingEndEvent:
            if type(event) is ScalarEvent and event.implicit[0] and event.tag is None:
                if event.value == "<<":
                    self._merge(merged, depth)
                    continue
                key = event.value if event.value[:1] not in SPECIAL_STARTS else self._plain_key(event)
                if event.anchor is not None:
                    self._anchors[event.anchor] = resolve_plain(event.value)
            else:
                key = self._key(event)
            if key in marks:
                self._doubled(key, event.start_mark, marks[key])
            marks[key] = event.start_mark
            result[key] = self._value(self._next(), depth)
        # The merged keys come first, as they would if their text stood here.
        return {**merged, **result} if merged else result

    def _enter(self, start: Any, depth: int) -> None:
        if depth > self._limits.depth:
            self._fail(start.start_mark, f"values are nested deeper than {self._limits.depth}")
        if start.anchor is not None:
            self._anchors[start.anchor] = _OPEN

    def _plain_key(self, event: ScalarEvent) -> str:
        try:
            return key_of_plain(event.value)
        except ValueError as error:
            self._fail(event.start_mark, str(error))

    def _key(self, event: Any) -> str:
        if type(event) in (MappingStartEvent, SequenceStartEvent):
            self._fail(
                event.start_mark,
                "a key is a mapping or a list, not a word",
                "A template in braces ({{ … }}) must be rendered first, or written in quotes",
            )
        value = self._anchored(event) if type(event) is AliasEvent else self._value(event, 0)
        if not isinstance(value, Scalar):
            self._fail(event.start_mark, "a key is a mapping or a list, not a word")
        try:
            return key_text(value)
        except ValueError as error:
            self._fail(event.start_mark, str(error))

    def _merge(self, merged: dict[str, Any], depth: int) -> None:
        """Read the value of `<<` and add the keys it brings; among several mappings the first one wins."""
        event = self._next()
        value = self._value(event, depth)
        sources = value if isinstance(value, list) else [value]
        for source in sources:
            if not isinstance(source, dict):
                self._fail(event.start_mark, "a merge (<<) takes a mapping or a list of mappings")
            for key, item in source.items():
                merged.setdefault(key, item)

    def _anchored(self, event: Any) -> Any:
        value = self._anchors.get(event.anchor, self)
        if value is self:
            self._fail(event.start_mark, f"the alias *{event.anchor} names an anchor that is not defined before it")
        if value is _OPEN:
            self._fail(event.start_mark, f"the value of the anchor &{event.anchor} contains itself")
        return value

    def _copied(self, value: Any, mark: Any, depth: int) -> Any:
        if type(value) not in (dict, list):
            return value
        self._nodes_left -= len(value)
        if self._nodes_left < 0:
            self._too_many_nodes(mark)
        if depth >= self._limits.depth:
            self._fail(mark, f"values are nested deeper than {self._limits.depth}")
        if isinstance(value, dict):
            return {key: self._copied(item, mark, depth + 1) for key, item in value.items()}
        return [self._copied(item, mark, depth + 1) for item in value]

    def _doubled(self, key: str, mark: Any, first: Any) -> NoReturn:
        self._fail(
            mark,
            f'the key "{shown(key)}" is written twice in one mapping, first on line {first.line + 1}',
            "Remove one of them",
        )

    def _unknown_tag(self, event: Any) -> NoReturn:
        self._fail(
            event.start_mark, f"the tag {shown_tag(event.tag)} has no meaning in Kubernetes objects", "Remove the tag"
        )

    def _too_many_nodes(self, mark: Any) -> NoReturn:
        self._fail(mark, f"there are more than {self._limits.nodes:,} values once aliases are resolved")

    def _fail(self, mark: Any, problem: str, advice: str = "") -> NoReturn:
        raise FormatError(problem, name=self._name, line=mark.line + 1, column=mark.column + 1, advice=advice)

    def _explained(self, error: yaml.MarkedYAMLError) -> FormatError:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        problem = error.problem or "this is not YAML"
        advice = _advice(problem, self._line(line), column)
        if error.context and error.context_mark and error.context_mark.line + 1 < line:
            problem = f"{problem}, {error.context} that begins on line {error.context_mark.line + 1}"
        return FormatError(problem, name=self._name, line=line, column=column, advice=advice)

    def _line(self, number: int) -> str:
        lines = self._content.splitlines()
        return lines[number - 1].decode() if 0 < number <= len(lines) else ""


_JSON_LIKE = re.compile(r"did not find expected ',' or")


def _advice(problem: str, line: str, column: int) -> str:
    """Say what to do about the mistakes people make most."""
    character = line[column - 1 : column]
    if character == "\t" or "\t" in line[: len(line) - len(line.lstrip())]:
        return "YAML is indented with spaces: replace the tab"
    if "{{" in line:
        return "A template in braces ({{ … }}) must be rendered first, or written in quotes"
    if character and character in "@`%":
        return f"Put the value that begins with {character} in quotes"
    if "mapping values are not allowed" in problem:
        return "Put a value that contains a colon and a space in quotes, or correct the indentation"
    if "<document start>" in problem:
        return "Check the indentation, or separate documents by a line of three dashes (---)"
    if _JSON_LIKE.match(problem):
        return "A bracket or brace opened before is not closed, or a comma is missing"
    if "expected key" in problem or "expected ':'" in problem or "block end" in problem or "<block" in problem:
        return "Check the indentation of this line and the ones above it"
    if "did not find expected" in problem:
        return "Something is missing here, or a bracket, brace or quote before it is not closed"
    return ""
