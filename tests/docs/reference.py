"""The tables of the manual that repeat what the code says are made from the code.

    python -m tests.docs.reference

writes them anew, each between its marks (`<!-- NAME -->`, `<!-- end of NAME -->`); a test compares them.
"""

from __future__ import annotations

import re
import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from agent.config import _parser as agent_parser
from hub.api.errors import CATALOGUE, IN_ANSWERS
from hub.config import Settings
from hub.formats import served
from tests.docs.metrics import declared_metrics
from tests.docs.pages import ROOT


def hub_settings() -> str:
    rows = []
    for name, field in Settings.model_fields.items():
        flag = f"`--{name.replace('_', '-')}`"
        default = _default(field.default) if not field.is_required() else "needed"
        rows.append((f"{flag}<br>`ESCADRE_{name.upper()}`", _kind(field.annotation), default, field.description or ""))
    return _table(("Flag and variable", "Value", "Default", "Meaning"), rows)


def agent_settings() -> str:
    commands = next(action for action in agent_parser({})._actions if action.dest == "command").choices
    assert isinstance(commands, dict)
    rows = []
    for action in commands["run"]._actions:
        if action.dest == "help":
            continue
        text, _, variable = str(action.help).rpartition(" [")
        kind = "one of " + ", ".join(action.choices) if action.choices else _kind(action.type)
        default = f"`{action.default}`" if action.default is not None else ""
        if action.nargs == 0:
            kind, default = "switch", "off"
        rows.append((f"`{action.option_strings[0]}`<br>`{variable.rstrip(']')}`", kind, default, text))
    return _table(("Flag and variable", "Value", "Default", "Meaning"), rows)


def error_codes() -> str:
    rows = [(f"`{c}`", str(m.status), m.meaning, m.advice) for c, m in sorted(CATALOGUE.items())]
    return _table(("Code", "Status", "It means", "What to do"), rows)


def answer_codes() -> str:
    return _table(("Code", "It means"), [(f"`{code}`", text) for code, text in sorted(IN_ANSWERS.items())])


def unserved_application() -> str:
    return _unserved(
        {
            "": served.APPLICATION,
            "metadata.": served.METADATA,
            "spec.": served.APPLICATION_SPEC,
            "spec.source.": served.SOURCE,
            "spec.source.helm.": served.HELM,
            "spec.source.kustomize.": served.KUSTOMIZE,
        }
    )


def unserved_project() -> str:
    return _unserved({"spec.": served.PROJECT_SPEC})


def metrics() -> str:
    rows = [
        (f"`{m.name}`", m.kind, ", ".join(f"`{label}`" for label in m.labels), m.help.rstrip("."))
        for m in declared_metrics()
    ]
    return _table(("Metric", "Type", "Labels", "It tells"), rows)


def unserved_settings() -> str:
    rows = [(f"`{key}`", text) for key, text in sorted(served.SETTINGS.items())]
    return _table(("Key", "What is so instead"), rows)


TABLES: Mapping[str, tuple[str, Callable[[], str]]] = {
    "hub settings": ("docs/settings.md", hub_settings),
    "agent settings": ("docs/settings.md", agent_settings),
    "error codes": ("docs/errors.md", error_codes),
    "answer codes": ("docs/errors.md", answer_codes),
    "unserved application": ("docs/applications.md", unserved_application),
    "unserved project": ("docs/applications.md", unserved_project),
    "unserved settings": ("docs/system-settings.md", unserved_settings),
    "metrics": ("docs/metrics.md", metrics),
}
"""Name between the marks → page, and what makes the table."""


def current(name: str) -> str:
    """Return what the page has between the marks. Raises LookupError when it has not both of them."""
    path, _ = TABLES[name]
    found = _between(name).search((ROOT / path).read_text("utf-8"))
    if found is None:
        raise LookupError(f"{path} lacks <!-- {name} --> or <!-- end of {name} -->")
    return found[1]


def _write(name: str) -> None:
    path, make = TABLES[name]
    current(name)
    page: Path = ROOT / path
    text = _between(name).sub(lambda _: f"<!-- {name} -->\n{make()}<!-- end of {name} -->", page.read_text("utf-8"))
    page.write_text(text, "utf-8")


def _between(name: str) -> re.Pattern[str]:
    return re.compile(rf"<!-- {name} -->\n(.*?)<!-- end of {name} -->", re.DOTALL)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    lines += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _unserved(fields: Mapping[str, Mapping[str, str]]) -> str:
    rows = [(f"`{prefix}{name}`", text) for prefix, table in fields.items() for name, text in sorted(table.items())]
    return _table(("Field", "What is so instead"), rows)


def _kind(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        return _kind(next(a for a in arguments if a is not type(None)))
    if origin is tuple:
        return f"{_kind(arguments[0])}, more with commas between"
    if origin is typing.Literal:
        return "one of " + ", ".join(arguments)
    return {int: "whole number", float: "number", Path: "path"}.get(annotation, "text")


def _default(value: Any) -> str:
    if value is PydanticUndefined or value in (None, "", ()) or isinstance(value, SecretStr):
        return ""
    shown = ",".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)
    return f"`{shown}`"


def main() -> None:
    for name in TABLES:
        try:
            _write(name)
        except LookupError as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()
