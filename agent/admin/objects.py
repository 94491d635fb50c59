"""Reading the objects that a command is given: files or standard input, in YAML or JSON.

How such a text is read is the program's to say, so that every command reads it alike; it puts its reader on click's
context (`READER`) before the command runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from agent.engine.resource import Object

READER: Final = "escadre.admin.reader"
"""Where click's `Context.meta` has the reader."""

STANDARD_INPUT: Final = "standard input"

LARGEST: Final = 1_000_000_000
"""Bytes of one file."""
_IS_READ: Final = "escadre.admin.standard-input-is-read"


class Document(NamedTuple):
    """One document of a text: JSON values, and where it begins, "file.yaml, line 3"."""

    place: str
    value: Any


Reader = Callable[[bytes, str], Iterable[Document]]
"""Reads every document of a text that is called so. Raises click.ClickException, which names the file and line."""


class Misuse(click.ClickException):
    """What was typed, or a file, is wrong."""

    exit_code = 2


def read_objects(path: str) -> list[Object]:
    """Read the Kubernetes objects of a file, `-` being standard input: YAML documents, JSON, JSON lines, arrays, Lists.

    Raises click.ClickException, which names the file, and the line where it can.
    """
    return [obj for document in read_documents(path) for obj in objects_of(document)]


def read_documents(path: str) -> Iterable[Document]:
    """Read the documents of a file, `-` being standard input. Raises click.ClickException."""
    return parse(read_bytes(path), name_of(path))


def parse(text: bytes, name: str) -> Iterable[Document]:
    """Read the documents of a text that is called so. Raises click.ClickException."""
    reader: Reader = click.get_current_context().meta[READER]
    return reader(text, name)


def objects_of(document: Document) -> Iterator[Object]:
    """Yield the Kubernetes objects of a document: itself, or the items of an array or a List. Raises Misuse."""
    if isinstance(document.value, list):
        for index, item in enumerate(document.value):
            yield from objects_of(Document(f"{document.place}, item {index}", item))
    elif (items := _items(document.place, _checked(document))) is not None:
        for index, item in enumerate(items):
            place = f"{document.place}, items[{index}]"
            yield from objects_of(Document(place, _completed(document.value, item)))
    else:
        yield document.value


def read_bytes(path: str) -> bytes:
    """Read a file, `-` being standard input, which can be read once. Raises Misuse."""
    if not path:
        raise Misuse("the name of a file is empty")
    try:
        content = _standard_input() if path == "-" else _of_file(path)
    except OSError as error:
        raise Misuse(f"{name_of(path)} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise Misuse(f"{path!r} is not a file name: {error}") from error
    if len(content) > LARGEST:
        raise Misuse(f"{name_of(path)} is larger than {LARGEST:,} bytes, which is all that is read of one file")
    return content


def _standard_input() -> bytes:
    meta = click.get_current_context().meta
    if meta.get(_IS_READ):
        raise Misuse("standard input cannot be two things at once: give a file for one of them")
    meta[_IS_READ] = True
    return sys.stdin.buffer.read(LARGEST + 1)


def _of_file(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(LARGEST + 1)


def printable(text: str) -> str:
    """Return a text that does nothing to a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def name_of(path: str) -> str:
    return STANDARD_INPUT if path == "-" else path


def _checked(document: Document) -> Object:
    value = document.value
    if not isinstance(value, dict):
        raise Misuse(f"{document.place}: this is no Kubernetes object, but {_described(value)}")
    for field in ("apiVersion", "kind"):
        if not isinstance(value.get(field), str) or not value[field]:
            raise Misuse(f"{document.place}: this is no Kubernetes object: it has no {field}")
    return value


def _described(value: Any) -> str:
    return "null" if value is None else f"a {'text' if isinstance(value, str) else 'number or truth value'}"


def _items(place: str, obj: Object) -> list[Any] | None:
    """Return the items of a List, or of a list of one kind (PodList); None for any other object. Raises Misuse."""
    items = obj.get("items")
    if obj["kind"] == "List" and items is None:
        return []
    if obj["kind"] == "List" and not isinstance(items, list):
        raise Misuse(f"{place}: the items of a List are no list")
    return items if obj["kind"].endswith("List") and isinstance(items, list) else None


def _completed(of: Object, item: Any) -> Any:
    """Return an item of a list; those of a PodList do not say what they are."""
    if not isinstance(item, dict) or of["kind"] == "List":
        return item
    return {"apiVersion": of["apiVersion"], "kind": of["kind"].removesuffix("List")} | item
