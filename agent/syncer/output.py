"""What a hook that failed has written: the last lines of its pods, for the people who have to find out why.

Only of hooks that failed, and only a little: the output of what runs well is nobody's business outside its cluster. An
object that is to tell nothing says so (`escadre.io/hook-output: none`).
"""

from __future__ import annotations

import contextlib
from typing import Any, Final

from agent.engine.health.model import cut
from agent.engine.resource import GroupKind, Object, ResourceKey
from agent.kube import errors
from agent.kube.client import Kind, KubeClient
from agent.syncer.stuck import pods_of

LINES: Final = 20
BYTES: Final = 4096
"""Of one container, and of all together."""
PODS: Final = 2
"""The newest, of those that failed."""
ANNOTATION: Final = "escadre.io/hook-output"
_SOURCES: Final = (GroupKind("batch", "Job"), GroupKind("", "Pod"))


async def output_of(client: KubeClient, kind: Kind | None, key: ResourceKey) -> str:
    """Return the end of what a failed hook has written, "" where there is nothing or it cannot be had."""
    if kind is None or kind.group_kind not in _SOURCES:
        return ""
    with contextlib.suppress(errors.KubeError):
        found = await client.get(kind, key.namespace, key.name)
        if found is None or (found["metadata"].get("annotations") or {}).get(ANNOTATION) == "none":
            return ""
        pods = [found] if kind.group_kind.kind == "Pod" else await pods_of(client, key)
        failed = sorted(filter(_has_failed, pods), key=lambda pod: str(pod["metadata"].get("creationTimestamp")))
        texts = [text for pod in failed[-PODS:] for text in await _written(client, pod)]
        return cut("\n".join(texts), BYTES)
    return ""


def _has_failed(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") == "Failed"


async def _written(client: KubeClient, pod: Object) -> list[str]:
    metadata, status = pod["metadata"], pod.get("status") or {}
    texts = []
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        ended: dict[str, Any] = (container.get("state") or {}).get("terminated") or {}
        if not ended or ended.get("exitCode") == 0:
            continue
        text = str(ended.get("message") or "")
        with contextlib.suppress(errors.KubeError):
            name = container.get("name", "")
            text = await client.logs(metadata["namespace"], metadata["name"], name, lines=LINES, limit=BYTES) or text
        if text.strip():
            texts.append(f"{metadata['name']} ({container.get('name')}): {text.strip()}")
    return texts
