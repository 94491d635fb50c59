"""The one way in which commands print what the hub told them: a table for people, JSON and YAML for programs.

JSON and YAML are the API's own replies, field by field, so what reads them need not know how tables look.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import click
import orjson

from hub.cli.text import clean, table

Format = Literal["table", "wide", "json", "yaml", "name"]
Item = Mapping[str, Any]
FORMATS = ("table", "wide", "json", "yaml", "name")

_STEERING = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    text: Callable[[Item], object]
    wide: bool = False
    """Only shown with `-o wide`."""


def output_option(*formats: Format) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `-o`. Without arguments: all formats."""
    choices = formats or FORMATS
    return click.option(
        "-o",
        "--output",
        type=click.Choice(choices),
        default=choices[0],
        show_default=True,
        help="How to print.",
    )


def print_items(
    output: str,
    items: Sequence[Item],
    columns: Sequence[Column],
    *,
    name: Callable[[Item], object],
    none: str,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Print a list. `none` is told when it is empty; `more` stands beside the items in JSON and YAML."""
    if output in ("json", "yaml"):
        print_value(output, {"items": list(items), **(more or {})})
    elif output == "name":
        print_names(name(item) for item in items)
    elif not items:
        click.echo(none, err=True)
    else:
        shown = [column for column in columns if output == "wide" or not column.wide]
        rows = [[_cell(column.text(item)) for column in shown] for item in items]
        print_lines(table([column.title for column in shown], rows))


def print_item(output: str, item: Item, lines: Callable[[], Iterable[str]], *, name: object) -> None:
    """Print one object."""
    if output in ("json", "yaml"):
        print_value(output, item)
    elif output == "name":
        print_names([name])
    else:
        print_lines(lines())


def print_value(output: str, value: Any) -> None:
    click.echo(yaml_text(value) if output == "yaml" else json_text(value), nl=False)


def yaml_text(value: Any) -> str:
    """Return one document in which nothing can steer a terminal."""
    from hub.formats.dump import dump_yaml

    text = dump_yaml(value)
    # YAML leaves characters as they are that turn the direction of writing round; JSON is YAML, too, and escapes them.
    return json_text(value) if _STEERING.search(text) else text


def json_text(value: Any) -> str:
    """Return indented JSON in which nothing can steer a terminal."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()
    return _STEERING.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def print_names(names: Iterable[object]) -> None:
    print_lines(clean(name) for name in names)


def print_lines(lines: Iterable[str]) -> None:
    text = "\n".join(lines)
    if text:
        click.echo(text)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ",".join(f"{key}={word}" for key, word in value.items())
    if isinstance(value, list | tuple):
        return ",".join(str(word) for word in value)
    return str(value)
