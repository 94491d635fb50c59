"""What `Validate=false` means under server-side apply, which refuses every field that the cluster's schema does not
know: such fields are left out, one after the other, as the server names them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from agent.engine.resource import Object
from agent.kube import errors

UNKNOWN_FIELDS: Final = 50
"""That are left out of one object, at most."""

_UNKNOWN_FIELD: Final = re.compile(r"\.([\w.\[\]\-/\"=]+): field not declared in schema")
_STEP: Final = re.compile(r"[^.\[\]]+|\[[^\]]*\]")


async def without_unknown_fields(apply: Callable[[Object], Awaitable[Object]], manifest: Object) -> Object:
    """Apply a manifest, as far as the cluster knows its fields. Raises KubeError."""
    for _ in range(UNKNOWN_FIELDS):
        try:
            return await apply(manifest)
        except errors.Rejected as error:
            found = _UNKNOWN_FIELD.search(error.message)
            smaller = _without(manifest, found.group(1)) if found else None
            if smaller is None:
                raise
            manifest = smaller
    return await apply(manifest)


def _without(manifest: Object, path: str) -> Object | None:
    """Return a manifest without a field, "spec.template.unknown"; None when it has none such."""
    pruned = _pruned(manifest, _STEP.findall(path))
    return pruned if isinstance(pruned, dict) and pruned != manifest else None


def _pruned(value: Any, steps: list[str]) -> Any:
    if isinstance(value, list):
        # Items are named by their keys; whichever has such a field loses it.
        below = steps[1:] if steps and steps[0].startswith("[") else steps
        return [_pruned(item, below) for item in value] if below else value
    if not steps or not isinstance(value, dict) or steps[0] not in value:
        return value
    if len(steps) == 1:
        return {name: item for name, item in value.items() if name != steps[0]}
    return {**value, steps[0]: _pruned(value[steps[0]], steps[1:])}
