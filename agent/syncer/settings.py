"""The system-wide settings in force on this cluster. They come from the hub, and are on disk before they are in force.

An agent that starts without its hub goes on with the last ones it was given.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence

import orjson

from agent.engine.assignment import IgnoreDifference
from agent.engine.fields import Path
from agent.engine.health.overrides import Overrides
from agent.engine.ignore import IgnoreRules, ObjectIgnores
from agent.engine.resource import GroupKind, Object, ResourceKey
from agent.engine.settings import SystemSettings, read_settings
from agent.engine.updates import update_hash
from agent.storage import Storage
from agent.yamlvalues import read_yaml

log = logging.getLogger(__name__)

CONTENT = "settings"
CLUSTERS = "settings-clusters"
"""Under which names the disk has them."""

_STATUS: Path = ("status",)


class Settings:
    """What is set, for whoever has to do with it. Values are replaced, never changed."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.current = SystemSettings()
        self.digest = ""
        """Hex SHA-256 of what the hub sent; "" where it never sent any."""
        self._own: dict[str, tuple[IgnoreDifference, ...]] = {}
        """Tracking name → what an application ignores itself."""
        self._updates: dict[str, IgnoreRules] = {}

    # --- what is in force

    @property
    def health(self) -> Overrides:
        return self.current.health

    def excludes(self, kind: GroupKind) -> bool:
        """Tell whether objects of a kind are left alone."""
        return self.current.filter.excludes(kind)

    def register(self, tracking_name: str, ignored: tuple[IgnoreDifference, ...]) -> None:
        """Note what an application ignores by itself: an update of nothing else counts for none."""
        self._own[tracking_name] = ignored
        self._updates.pop(tracking_name, None)

    def update_hash(self, tracking_name: str, key: ResourceKey, obj: Object, content: bytes) -> bytes:
        """Return what stays the same of an object over updates that mean nothing; `content` is its content hash."""
        ignores = self.update_ignores(tracking_name, key)
        # The status is no part of the content hash either.
        return content if _hides_only_status(ignores, obj) else update_hash(obj, ignores)

    def update_ignores(self, tracking_name: str, key: ResourceKey) -> ObjectIgnores:
        own = self._own.get(tracking_name, ())
        name = tracking_name if own else ""
        rules = self._updates.get(name)
        if rules is None:
            rules = self._updates[name] = self.current.compare.update_rules(own)
        return rules.for_object(key)

    # --- where they come from

    def restore(self) -> None:
        """Take up what is on disk. Raises StorageError."""
        content = self._storage.get(CONTENT)
        if content is None:
            return
        clusters = orjson.loads(self._storage.get(CLUSTERS) or "[]")
        found = self.read(content.encode(), clusters)
        if found is not None:
            self.put_in_force(found, content.encode())

    def read(self, content: bytes, clusters: Sequence[str]) -> SystemSettings | None:
        """Read what the hub has sent; None for what is no settings at all. Nothing changes by it."""
        try:
            data = orjson.loads(content)
        except ValueError:
            data = None
        if not isinstance(data, dict) or not all(isinstance(text, str) for text in data.values()):
            log.error("the system-wide settings are no mapping of texts; those held stay in force")
            return None
        return read_settings(data, tuple(clusters), read_yaml, self.current)

    def save(self, content: bytes, clusters: Sequence[str]) -> None:
        """Write down what the hub has sent. Raises StorageError."""
        self._storage.put(CONTENT, content.decode())
        self._storage.put(CLUSTERS, orjson.dumps(list(clusters)).decode())

    def put_in_force(self, settings: SystemSettings, content: bytes) -> None:
        for problem in settings.problems:
            log.warning("system-wide settings: %s; it has no effect", problem)
        self.current = settings
        self.digest = hashlib.sha256(content).hexdigest()
        self._updates.clear()


def _hides_only_status(ignores: ObjectIgnores, obj: Object) -> bool:
    """Tell, of most objects, that what may be hidden of them is not there, without taking them apart."""
    if ignores.expressions or ignores.managers or _STATUS not in ignores.pointers:
        return False
    return not any(_reaches(obj, pointer) for pointer in ignores.pointers if pointer != _STATUS)


def _reaches(value: object, pointer: Path) -> bool:
    """Tell whether there is something at a place; what is no map on the way there counts as such."""
    for step in pointer:
        if not isinstance(value, dict):
            return True
        if step not in value:
            return False
        value = value[step]
    return True
