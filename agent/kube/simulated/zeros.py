"""Fields the API server does not give back when they are false, 0 or empty, type by type.

What the server publishes of its types does not tell these fields from those that keep a zero (`replicas: 0`); their
Go types do, from which `python -m tests.kube.zero_table` writes `zeros.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

import orjson

_REPLACED: Final[Mapping[str, tuple[str, ...]]] = {
    "core.v1.ServicePort": ("targetPort",),
    "rbac.v1.RoleRef": ("apiGroup",),
}
"""Fields that are written when they are empty, but have a default that takes the place of an empty value."""


@cache
def zeros() -> Mapping[str, frozenset[str]]:
    """Return the fields of every type that has any, by the type's name in types.json."""
    table: dict[str, list[str]] = orjson.loads(files("agent.kube.simulated").joinpath("zeros.json").read_bytes())
    return {name: frozenset(fields).union(_REPLACED.get(name, ())) for name, fields in table.items()} | {
        name: frozenset(fields) for name, fields in _REPLACED.items() if name not in table
    }
