"""The orphans beside one application: the condition that tells of them, and the answer to who asks for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from agent.engine.assignment import OrphanedResources
from agent.engine.orphans import OrphanRules, describe, orphans_among
from agent.syncer.orphans import OrphanWatch
from agent.syncer.standing import Standing
from agent.syncer.targets import Targets

WARNING: Final = "OrphanedResourceWarning"


class Orphaned:
    """Keeps an application's condition up to date."""

    def __init__(self, watch: OrphanWatch, assigned: Callable[[str], bool], standing: Standing) -> None:
        self._watch = watch
        self._assigned = assigned
        self._standing = standing
        # What the condition was made from:
        self._wanted: OrphanedResources | None = None
        self._rules: OrphanRules | None = None
        self._place: tuple[str, int] = ("", 0)
        self._targets: Targets | None = None

    def note(self) -> None:
        """Bring the condition up to date. While not all is known, what was said of a namespace stays said."""
        standing = self._standing
        assignment, targets = standing.assignment, standing.targets
        wanted, namespace = assignment.orphans, assignment.namespace
        silent = wanted is None or not wanted.warn or assignment.deletion is not None
        if silent or namespace != self._place[0]:
            self._place = (namespace, 0)
            standing.clear(WARNING)
        if silent or wanted is None or targets is None or not self._watch.known(namespace):
            return
        place = (namespace, self._watch.edition(namespace))
        if place == self._place and targets is self._targets and wanted == self._wanted:
            return
        if self._rules is None or wanted != self._wanted:
            self._rules = OrphanRules(wanted)
        self._wanted, self._place, self._targets = wanted, place, targets
        own = {*targets.resources, *targets.hooks}
        orphans = orphans_among(self._watch.seen(namespace), self._rules, self._assigned, own)
        if orphans:
            standing.condition(WARNING, describe(orphans, namespace))
        else:
            standing.clear(WARNING)
