"""Finding out that a hook gets nowhere: its Job has no pod that ever became ready, or its Pod never started."""

from __future__ import annotations

import contextlib
from typing import Final

from agent.engine.health import assess
from agent.engine.resource import GroupKind, Object, ResourceKey
from agent.kube import errors
from agent.kube.client import Kind, KubeClient

START_SECONDS: Final = 900.0
"""How long a hook may take until one of its pods runs."""
PODS_NAMED: Final = 3
_JOB: Final = GroupKind("batch", "Job")
_POD: Final = GroupKind("", "Pod")


async def why_stuck(client: KubeClient, key: ResourceKey, kind: Kind | None, seconds: float) -> str:
    """Say why a hook that has run for so many seconds is not going to end; "" while it may."""
    if kind is None or seconds < START_SECONDS or kind.group_kind not in (_JOB, _POD):
        return ""
    with contextlib.suppress(errors.KubeError):
        found = await client.get(kind, key.namespace, key.name)
        if found is not None and never_started(found):
            pods = await pods_of(client, key) if kind.group_kind == _JOB else [found]
            reasons = "; ".join(dict.fromkeys(filter(None, map(_reason, pods[:PODS_NAMED]))))
            return f"nothing of it has run in {START_SECONDS / 60:.0f} minutes" + (f" ({reasons})" if reasons else "")
    return ""


def never_started(obj: Object) -> bool:
    """Say whether no pod of a Job, or nothing of a Pod, ever ran. Pure."""
    status = obj.get("status") or {}
    if obj.get("kind") == "Pod":
        return status.get("phase") in (None, "", "Pending")
    return not any(status.get(count) for count in ("ready", "succeeded", "failed", "terminating"))


async def pods_of(client: KubeClient, key: ResourceKey) -> list[Object]:
    kind = (await client.discover()).preferred.get(_POD)
    if kind is None:
        return []
    selector = f"batch.kubernetes.io/job-name={key.name}"
    return (await client.list(kind, namespace=key.namespace, selector=selector)).items


def _reason(pod: Object) -> str:
    health = assess(pod)
    return health.message if health is not None else ""
