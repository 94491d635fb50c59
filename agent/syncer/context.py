"""What all applications of one cluster share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agent.hubclient.outbox import Outbox
from agent.kube.client import KubeClient
from agent.storage import Storage
from agent.syncer.clock import Clock
from agent.syncer.doubt import Doubt
from agent.syncer.live import LiveState
from agent.syncer.orphans import OrphanWatch
from agent.syncer.served import Served
from agent.syncer.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    client: KubeClient
    storage: Storage
    live: LiveState
    served: Served
    outbox: Outbox
    clock: Clock
    doubt: Doubt
    settings: Settings
    orphans: OrphanWatch
    assigned: Callable[[str], bool]
    """Whether an application of this tracking name is assigned to this cluster."""
