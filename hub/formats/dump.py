"""Writing YAML that reads back as what it was: here, in Kubernetes, and in tools of either YAML version."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from hub.formats.scalars import resolve_plain

_TEXT_TAG = "tag:yaml.org,2002:str"


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """Write text of several lines as such, because people read and change it.

    PyYAML quotes the words of YAML 1.1 (`yes`, `12:30:45`) by itself, but knows nothing of `y` and `1e3`.
    """
    style = "|" if "\n" in text else None if isinstance(resolve_plain(text), str) else "'"
    return dumper.represent_scalar(_TEXT_TAG, text, style=style)


_Dumper.add_representer(str, _represent_text)


def dump_yaml(value: Any) -> str:
    """Return one document, ending in a newline. Keys keep their order."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**31 - 1)
    return text


def dump_documents(values: Iterable[Any]) -> str:
    """Return many documents, each after a line of dashes."""
    return "".join(f"---\n{dump_yaml(value)}" for value in values)
