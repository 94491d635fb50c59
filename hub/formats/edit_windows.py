"""Changing the sync windows of an AppProject in the words of the command line (`project windows …`).

As in `hub.formats.edit`, the object is changed as its owner wrote it, and whether the outcome makes sense is for
`parse_project` to say. A window is named by its place in the list, from 0, as in Argo CD.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.errors import NotFound
from hub.formats.errors import FormatError

_Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class WindowFlags:
    """What was given on the command line. None: not given; the field is left as it is."""

    kind: str | None = None
    schedule: str | None = None
    duration: str | None = None
    time_zone: str | None = None
    applications: tuple[str, ...] | None = None
    """Instead of those there are, as are the next two."""
    namespaces: tuple[str, ...] | None = None
    clusters: tuple[str, ...] | None = None
    manual_sync: bool | None = None
    and_operator: bool | None = None
    sync_overrun: bool | None = None
    description: str | None = None

    def changes(self) -> _Object:
        """Return what is given, in the words of the YAML."""
        given: dict[str, Any] = {
            "kind": self.kind,
            "schedule": self.schedule,
            "duration": self.duration,
            "timeZone": self.time_zone,
            "applications": None if self.applications is None else list(self.applications),
            "namespaces": None if self.namespaces is None else list(self.namespaces),
            "clusters": None if self.clusters is None else list(self.clusters),
            "manualSync": self.manual_sync,
            "andOperator": self.and_operator,
            "syncOverrun": self.sync_overrun,
            "description": self.description,
        }
        return {key: value for key, value in given.items() if value is not None}


def add_window(manifest: Mapping[str, Any], flags: WindowFlags) -> _Object:
    """Return the project with one window more, the last; the one given is left alone. Raises FormatError."""
    result, windows = _copied(manifest)
    windows.append({key: value for key, value in flags.changes().items() if value not in ("", [], False)})
    return result


def update_window(manifest: Mapping[str, Any], id: int, flags: WindowFlags) -> _Object:
    """Return the project with a window changed; what is emptied is taken away. Raises FormatError, NotFound."""
    result, windows = _copied(manifest)
    window = _window(windows, id)
    for key, value in flags.changes().items():
        if value in ("", [], False):
            window.pop(key, None)
        else:
            window[key] = value
    return result


def delete_window(manifest: Mapping[str, Any], id: int) -> _Object:
    """Return the project without a window: those behind it move up. Raises FormatError, NotFound."""
    result, windows = _copied(manifest)
    _window(windows, id)
    del windows[id]
    if not windows:
        del result["spec"]["syncWindows"]
    return result


def _copied(manifest: Mapping[str, Any]) -> tuple[_Object, list[Any]]:
    result: _Object = copy.deepcopy(dict(manifest))
    spec = result.setdefault("spec", {})
    windows = spec.get("syncWindows") if isinstance(spec, dict) else spec
    if windows is None:
        windows = spec["syncWindows"] = []
    if not isinstance(windows, list):
        raise FormatError("spec.syncWindows of the project is not a list: correct it with `escadre apply` first")
    return result, windows


def _window(windows: list[Any], id: int) -> _Object:
    if not 0 <= id < len(windows):
        known = f"the last one is {len(windows) - 1}" if windows else "it has none"
        raise NotFound(f"the project has no sync window {id}: {known}")
    window = windows[id]
    if not isinstance(window, dict):
        raise FormatError(f"spec.syncWindows[{id}] is not a mapping: correct it with `escadre apply` first")
    return window
