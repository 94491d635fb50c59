"""Hides the values of Secrets, so that drift and diffs can leave the cluster and the secrets cannot.

A mask is a row of plus signs. Within one comparison equal values of one key get equal masks and different values get
masks of different length, so that people see that a value changed, and neither what it is nor how long.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson

from agent.engine.normalize import LAST_APPLIED, base64_of, canonical
from agent.engine.resource import Object

MASK: Final = "++++++++"

_PLAIN_FIELDS: Final = frozenset({"apiVersion", "kind", "metadata", "type", "immutable"})
"""What a Secret shows. Any other field at its top is hidden, those the API does not know included."""

_COPY_ANNOTATIONS: Final = frozenset(
    {
        "banzaicloud.com/last-applied",
        "kapp.k14s.io/original",
        "objectset.rio.cattle.io/applied",
    }
)
"""Annotations in which other tools keep a copy of the whole object, packed in ways of their own."""


def is_secret(obj: Object) -> bool:
    """Tell whether an object's values are to be hidden: a Secret, of whatever API group."""
    return obj.get("kind") == "Secret"


def mask_secret(obj: Object) -> Object:
    """Return a copy of an object with its secret values masked; an object that is no Secret is returned as it is."""
    return _Masker().mask(obj) if is_secret(obj) else obj


def mask_pair(assigned: Object, live: Object) -> tuple[Object, Object]:
    """Return copies of two objects masked together: equal values stay equal, different ones stay different."""
    masker = _Masker()
    return masker.mask(assigned), masker.mask(live)


class _Masker:
    """The masks given out within one comparison."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], list[bytes]] = {}

    def mask(self, secret: Object) -> Object:
        masked: Object = {}
        for name, value in secret.items():
            if name not in _PLAIN_FIELDS:
                masked[name] = self._section(name, value)
            else:
                masked[name] = self._metadata(value) if name == "metadata" else value
        return masked

    def _section(self, section: str, value: Any) -> Any:
        """Mask one top field. What `stringData` holds is known by the form it would have in `data`."""
        group, encode = ("data", _as_data) if section == "stringData" else (section, _as_is)
        if isinstance(value, dict):
            return {key: self._value((group, str(key)), encode(v)) for key, v in value.items()}
        return self._value((group, ""), value)

    def _value(self, where: tuple[str, str], value: Any) -> Any:
        if value is None:
            return None
        seen = self._seen.setdefault(where, [])
        identity = canonical(value)
        if identity not in seen:
            seen.append(identity)
        return MASK + "+" * seen.index(identity)

    def _metadata(self, metadata: Any) -> Any:
        annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
        if not isinstance(annotations, dict):
            return metadata
        return {**metadata, "annotations": {name: self._annotation(name, v) for name, v in annotations.items()}}

    def _annotation(self, name: str, value: Any) -> Any:
        if name in _COPY_ANNOTATIONS:
            return self._value(("annotation", name), value)
        if name != LAST_APPLIED:
            return value
        try:
            applied = orjson.loads(value)
        except (TypeError, orjson.JSONDecodeError):
            applied = None
        if not isinstance(applied, dict):
            return self._value(("annotation", name), value)
        return canonical(self.mask(applied)).decode("utf-8", "replace")


_Encode = Callable[[Any], Any]


def _as_is(value: Any) -> Any:
    return value


def _as_data(value: Any) -> Any:
    return base64_of(value) if isinstance(value, str) else value
