"""Judging one object: is it as assigned, and if not, which fields, who and when.

The API server itself is asked, by a server-side-apply dry run of the assigned manifest; what it would make of it is
compared with what is there. So defaulting, admission and the spelling of quantities are no drift.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.engine.drift import FieldDrift, attribute, compare, content_hash
from agent.engine.ignore import IgnoreRules
from agent.engine.reconcile import Target
from agent.engine.resource import MANAGED_LABEL, Object, ResourceKey
from agent.kube.client import ApplyOptions, Kind, KubeClient

DRY_RUN = ApplyOptions(dry_run=True)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of one object. `drift` empty and `missing` False: it is as assigned."""

    digest: str
    content_hash: bytes
    missing: bool = False
    drift: tuple[FieldDrift, ...] = ()
    label_removed: bool = False

    @property
    def synced(self) -> bool:
        return not self.missing and not self.drift


async def judge(
    client: KubeClient, kind: Kind, target: Target, manifest: Object, live: Object | None, ignore: IgnoreRules
) -> Verdict:
    """Compare one live object (None: there is none) with its assigned manifest. Raises KubeError."""
    if live is None:
        return Verdict(target.digest, b"", missing=True)
    predicted = await client.apply(kind, manifest, DRY_RUN)
    return compare_with(predicted, live, target, ignore)


def compare_with(predicted: Object, live: Object, target: Target, ignore: IgnoreRules) -> Verdict:
    """Judge from a dry run's answer. Pure."""
    if predicted["metadata"].get("uid") != live["metadata"].get("uid"):
        # The object was replaced between reading and asking: what is live is not what the answer is about.
        return Verdict(target.digest, b"", missing=True)
    hash_ = content_hash(live)
    if content_hash(predicted) == hash_:
        return Verdict(target.digest, hash_)
    differences = compare(predicted, live, ignore.for_object(target.key))
    drift = attribute(differences, live["metadata"].get("managedFields") or [])
    labels = live["metadata"].get("labels") or {}
    return Verdict(target.digest, hash_, drift=tuple(drift), label_removed=labels.get(MANAGED_LABEL) != "true")


async def fetch(client: KubeClient, kind: Kind, key: ResourceKey) -> Object | None:
    return await client.get(kind, key.namespace, key.name)
