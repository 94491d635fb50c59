"""Which updates of an object mean anything: `ignoreResourceUpdates`.

Some objects are written many times a minute with nothing to see in them: a leader's lease, an autoscaler's notes. An
update that leaves the hash made here as it was needs no look at the object. Whoever skips one for that has to look at
the object's health all the same: it is in the status, which is left out here as Argo CD leaves it out.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from agent.engine.assignment import IgnoreDifference
from agent.engine.fields import ABSENT
from agent.engine.ignore import ObjectIgnores
from agent.engine.normalize import canonical
from agent.engine.resource import Object

ALWAYS_LEFT_OUT: Final = frozenset({"resourceVersion", "generation", "managedFields"})
"""Metadata that no update has to leave alone to count for none."""

_AUTOSCALING: Final = "autoscaling.alpha.kubernetes.io/"


def _notes(*names: str) -> tuple[str, ...]:
    """Return the pointers to annotations. Pointers, for these are looked at with every event of common kinds."""
    return tuple("/metadata/annotations/" + name.replace("~", "~0").replace("/", "~1") for name in names)


DEFAULT_UPDATES: Final = (
    IgnoreDifference(group="*", kind="*", json_pointers=("/status",)),
    IgnoreDifference(
        kind="ConfigMap",
        json_pointers=_notes(
            "cluster-autoscaler.kubernetes.io/last-updated", "control-plane.alpha.kubernetes.io/leader"
        ),
    ),
    IgnoreDifference(kind="Endpoints", json_pointers=("/metadata", "/subsets")),
    IgnoreDifference(
        group="discovery.k8s.io", kind="EndpointSlice", json_pointers=("/metadata", "/endpoints", "/ports")
    ),
    IgnoreDifference(
        group="apps",
        kind="ReplicaSet",
        json_pointers=_notes(
            "deployment.kubernetes.io/desired-replicas",
            "deployment.kubernetes.io/max-replicas",
            "rollout.argoproj.io/desired-replicas",
        ),
    ),
    IgnoreDifference(
        group="autoscaling",
        kind="HorizontalPodAutoscaler",
        json_pointers=_notes(
            *(f"{_AUTOSCALING}{name}" for name in ("behavior", "conditions", "current-metrics", "metrics"))
        ),
    ),
)
"""What is left out where the settings say nothing else of a kind: its status, and the notes that controllers keep."""


def update_hash(obj: Object, ignore: ObjectIgnores) -> bytes:
    """Return 16 bytes that stay the same over updates that mean nothing: book-keeping, and what is ignored.

    `ignore` are the rules for updates (`Customizations.update_rules`) that apply to the object. Its own
    `managedFields` are read where a rule names a manager. Nothing is changed in place.
    """
    hidden, _ = ignore.trees(obj, {})
    kept: Any = hidden.prune(obj)
    content = {} if kept is ABSENT else dict(kept)
    metadata = content.get("metadata")
    if isinstance(metadata, dict):
        content["metadata"] = {k: v for k, v in metadata.items() if k not in ALWAYS_LEFT_OUT}
    return hashlib.blake2b(canonical(content), digest_size=16).digest()
