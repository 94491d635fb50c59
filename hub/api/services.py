"""What the API is given by whoever starts it: nothing in this package opens, builds or configures anything else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from hub import __version__
from hub.access.accounts import Accounts
from hub.access.audit import Audit
from hub.access.roles import Authorizer
from hub.access.sessions import Sessions
from hub.api.metrics import MetricSource, Telemetry
from hub.fleet.desk import Desk
from hub.fleet.post import Post
from hub.pki.authority import PublicKeyInfrastructure
from hub.pki.enrolment import Enrolments
from hub.pki.join import JoinTokens
from hub.pki.revocation import Revocations
from hub.source.contract import Sealer
from hub.source.probe import Prober
from hub.store.bus import Bus
from hub.store.contract import Store

Clock = Callable[[], datetime]
"""Gives the time, aware and in UTC."""


@dataclass(frozen=True, slots=True)
class ApiSettings:
    hub_address: str
    """host:port at which agents and people reach this API: what `cluster add` tells new agents."""
    gateway_address: str
    """host:port of the agents' gRPC link, told at enrolment."""
    file_prefixes: Sequence[Path] = ()
    """Directories that file:// repositories may lie in; see `hub.source.policy`."""
    version: str = __version__
    metrics_public: bool = True
    """Whether `/metrics`, which names applications, projects and clusters, is served without a session."""
    agent_requests_per_minute: int = 600
    """Of enrolment and recovery, from one address: a whole fleet may join from behind one."""
    watchers: int = 200
    """Event streams open at once."""


@dataclass(frozen=True, slots=True)
class Services:
    store: Store
    bus: Bus
    desk: Desk
    post: Post
    accounts: Accounts
    sessions: Sessions
    authorizer: Authorizer
    audit: Audit
    pki: PublicKeyInfrastructure
    enrolments: Enrolments
    join_tokens: JoinTokens
    revocations: Revocations
    settings: ApiSettings
    clock: Clock
    sealer: Sealer
    """Encrypts what is registered of repositories, and what webhooks are believed by."""
    prober: Prober
    metric_sources: Sequence[MetricSource] = ()
    telemetry: Telemetry = field(default_factory=Telemetry)
    """Give its methods to the parts that see what it counts."""
