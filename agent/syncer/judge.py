"""Judging one object: is it as assigned, and if not, which fields, who and when.

The API server itself is asked, by a server-side-apply dry run of the assigned manifest; what it would make of it is
compared with what is there. So defaulting, admission and the spelling of quantities are no drift.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.engine.compare_options import DEFAULT_OPTIONS, CompareOptions, StatusOf, object_options
from agent.engine.drift import FieldDrift, attribute, compare, content_hash, stated
from agent.engine.ignore import IgnoreRules
from agent.engine.reconcile import Target
from agent.engine.resource import MANAGED_LABEL, Object
from agent.kube.client import ApplyOptions, Kind, KubeClient
from agent.syncer.lenient import without_unknown_fields

DRY_RUN = ApplyOptions(dry_run=True)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of one object. `drift` empty and `missing` False: it is as assigned."""

    digest: str
    content_hash: bytes
    missing: bool = False
    resource_version: str = ""
    drift: tuple[FieldDrift, ...] = ()
    label_removed: bool = False

    @property
    def synced(self) -> bool:
        return not self.missing and not self.drift


async def judge(
    client: KubeClient,
    kind: Kind,
    target: Target,
    manifest: Object,
    live: Object | None,
    ignore: IgnoreRules,
    options: CompareOptions = DEFAULT_OPTIONS,
    *,
    validate: bool = True,
) -> Verdict:
    """Compare the live object with its assigned manifest. Raises KubeError.

    `live` is the object as the watch has just brought it, None when it has to be asked for. It is asked for as well
    when it is in another version of its kind, and when the answer is about a later state than the watch has told of.
    """
    if live is None or live["apiVersion"] != kind.api_version:
        live = await client.get(kind, target.key.namespace, target.key.name)
    if live is None:
        return Verdict(target.digest, b"", missing=True)
    predicted = await predict(client, kind, manifest, validate=validate)
    if predicted["metadata"].get("resourceVersion") != live["metadata"].get("resourceVersion"):
        live = await client.get(kind, target.key.namespace, target.key.name)
    return compare_with(predicted, live, target, ignore, options)


async def predict(client: KubeClient, kind: Kind, manifest: Object, *, validate: bool) -> Object:
    """Ask what the cluster would make of a manifest; without `validate` fields it does not know are left out."""
    if validate:
        return await client.apply(kind, manifest, DRY_RUN)
    return await without_unknown_fields(lambda obj: client.apply(kind, obj, DRY_RUN), manifest)


def compare_with(
    predicted: Object,
    live: Object | None,
    target: Target,
    ignore: IgnoreRules,
    options: CompareOptions = DEFAULT_OPTIONS,
) -> Verdict:
    """Judge from a dry run's answer. Pure.

    What admission alone would change counts only where the object asks for that (`IncludeMutationWebhook=true`).
    """
    if live is None or predicted["metadata"].get("uid") != live["metadata"].get("uid"):
        # The object was replaced between reading and asking: what is live is not what the answer is about.
        return Verdict(target.digest, b"", missing=True)
    hash_ = content_hash(live)
    version = live["metadata"].get("resourceVersion", "")
    if content_hash(predicted) == hash_ and options.ignore_status is StatusOf.ALL:
        return Verdict(target.digest, hash_, resource_version=version)
    differences = compare(predicted, live, ignore.for_object(target.key), options)
    if differences and not object_options(predicted).include_mutation_webhook:
        differences = stated(differences, predicted, live)
    drift = attribute(differences, live["metadata"].get("managedFields") or [])
    labels = live["metadata"].get("labels") or {}
    unlabelled = labels.get(MANAGED_LABEL) != "true"
    return Verdict(target.digest, hash_, resource_version=version, drift=tuple(drift), label_removed=unlabelled)
