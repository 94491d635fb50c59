"""The bodies of an agent's enrolment; `hub.pki.enrolment` reads and makes them."""

from __future__ import annotations

from pydantic import BaseModel

from hub.api.models.base import Reply, Time


class EnrolBody(BaseModel):
    """What a newer agent adds is passed over."""

    token: str
    csr: str
    """PEM, signed by the key it is for."""
    agent_version: str = ""


class RecoverBody(BaseModel):
    certificate: str
    """The last one the hub issued, PEM."""
    csr: str
    """PEM, signed by that certificate's key."""
    agent_version: str = ""


class SigningKeyItem(Reply):
    id: str
    public_key: str
    """Ed25519, base64."""


class EnrolReply(Reply):
    certificate: str
    """PEM."""
    chain: list[str]
    authorities: list[str]
    signing_keys: list[SigningKeyItem]
    cluster: str
    cluster_uid: str
    gateway: str
    """host:port of the gRPC link."""
    not_before: Time
    not_after: Time


class AuthoritiesReply(Reply):
    authorities: list[str]
    """PEM."""
