"""What is wrong with an object, gathered while it is checked, and said the way an API server says it."""

from __future__ import annotations

from typing import Any

from agent.engine.resource import Object
from agent.kube.errors import Rejected

_MAX_SHOWN = 20
_MAX_VALUE = 200


class Problems:
    """Collects what is wrong. Values are shown shortened, and those of Secrets not at all."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: list[tuple[str, str]] = []

    def required(self, field: str, text: str = "") -> None:
        """Something that must be there is not."""
        self._found.append((field, f"Required value{': ' + text if text else ''}"))

    def invalid(self, field: str, value: Any, text: str) -> None:
        """A value that cannot be."""
        self._found.append((field, f"Invalid value: {_shown(value)}: {text}"))

    def forbidden(self, field: str, text: str) -> None:
        """Something that may not be there, or may not change."""
        self._found.append((field, f"Forbidden: {text}"))

    def unsupported(self, field: str, value: Any, choices: tuple[str, ...]) -> None:
        """A value that is none of those possible."""
        listed = ", ".join(f'"{choice}"' for choice in choices)
        self._found.append((field, f"Unsupported value: {_shown(value)}: supported values: {listed}"))

    def add(self, field: str, text: str) -> None:
        """Anything else."""
        self._found.append((field, text))

    def raise_any(self, kind: str, tree: Object) -> None:
        """Raise Rejected when something is wrong. `kind` is as messages name it, "Deployment.apps"."""
        if not self._found:
            return
        texts = [f"{field}: {text}" if field else text for field, text in self._found[:_MAX_SHOWN]]
        listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
        fields = tuple(dict.fromkeys(field for field, _ in self._found if field))
        raise Rejected(f'{kind} "{tree["metadata"].get("name", "")}" is invalid: {listed}', fields)


def _shown(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= _MAX_VALUE else f"{text[:_MAX_VALUE]}..."
