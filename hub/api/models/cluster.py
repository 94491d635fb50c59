"""Clusters, and how their agents join."""

from __future__ import annotations

from pydantic import Field

from hub.api.models.base import Reply, Request, Time


class ClusterItem(Reply):
    name: str
    uid: str
    labels: dict[str, str]
    server: str
    liveness: str
    """NeverConnected | Connected | Unreachable"""
    since: Time | None
    last_seen_at: Time | None
    agent_version: str
    simulated: bool
    kubernetes_version: str
    applications: int
    """How many are assigned to it."""
    created_at: Time | None


class ClusterList(Reply):
    items: list[ClusterItem]
    continue_: str = Field(serialization_alias="continue")


class ClusterAdd(Request):
    name: str = Field(min_length=1, max_length=253)
    labels: dict[str, str] = Field(default={}, max_length=100)
    server: str = Field(default="", max_length=500)
    """The address applications may name it by."""


class ClusterPatch(Request):
    labels: dict[str, str | None] = Field(default={}, max_length=100)
    """Labels to set; null removes one. Others stay."""
    server: str | None = Field(default=None, max_length=500)


class JoinReply(Reply):
    """What an agent needs in order to join. The token is shown this once."""

    cluster: str
    token: str
    expires_at: Time
    ca_pin: str
    hub: str
    """host:port of the hub's HTTPS port."""
    command: str
    """How to start the agent with it; the token is read from a file."""


class ClusterRemoved(Reply):
    cluster: str
    applications: list[str]
    """Those that were assigned there."""
    message: str
    """What becomes of what is on the cluster."""
