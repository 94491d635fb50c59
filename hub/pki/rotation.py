"""Replacing the authorities without a moment in which an agent trusts the wrong one.

A rotation replaces the certificate authority and the manifest-signing key together, in three steps with time between
them: made known (next), signing (active, the old one retiring), and the old one forgotten (retired). Agents that were
away meanwhile still find the hub, because the new authority is vouched for by the old one until that is retired.

Each step here is decided from values: which records to write, in which order, or why not.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hub.domain.pki import Authority, AuthorityKind, AuthorityState, CertificateRecord
from hub.errors import Conflict
from hub.pki.keyring import Keyring

_NAMED = 5


def check_prepare(keyring: Keyring) -> None:
    """Raises Conflict while another rotation is under way."""
    if keyring.records(AuthorityState.NEXT):
        raise Conflict("a rotation is prepared already: activate it", code="rotation-under-way")
    if keyring.records(AuthorityState.RETIRING):
        raise Conflict("the last rotation is not finished: retire the old authority first", code="rotation-under-way")


def plan_activate(keyring: Keyring, now: datetime, overlap: timedelta, *, force: bool) -> list[Authority]:
    """Return the records to write, in order: new ones sign before old ones stop, so that a step cut short leaves
    one that signs. Raises Conflict when nothing is prepared, or has not been known for `overlap`."""
    prepared = keyring.records(AuthorityState.NEXT)
    if not prepared:
        raise Conflict("no rotation is prepared", code="rotation-not-prepared")
    ready = max(record.created_at for record in prepared) + overlap
    if now < ready and not force:
        message = f"not every replica knows the new authority yet: activate after {ready:%H:%M:%S} UTC"
        raise Conflict(message, code="rotation-too-early")
    kinds = {record.kind for record in prepared}
    outgoing = [record for record in keyring.records(AuthorityState.ACTIVE) if record.kind in kinds]
    return [replace(record, state=AuthorityState.ACTIVE.value) for record in prepared] + [
        replace(record, state=AuthorityState.RETIRING.value) for record in outgoing
    ]


def plan_retire(
    keyring: Keyring, certificates: Collection[CertificateRecord], now: datetime, *, force: bool
) -> list[Authority]:
    """Return the records to write; their private keys are destroyed.

    `certificates` are those with which an agent may still come, expired ones among them. Raises Conflict when nothing
    is retiring, or when an agent would be locked out and `force` is not given.
    """
    outgoing = keyring.records(AuthorityState.RETIRING)
    if not outgoing:
        raise Conflict("no authority is retiring", code="rotation-not-active")
    ids = {record.id for record in outgoing if record.kind == AuthorityKind.CA}
    reason = _who_needs(ids, [c for c in certificates if c.revoked_at is None], now)
    if reason and not force:
        raise Conflict(f"the old authority is still needed: {reason}", code="authority-in-use")
    return [replace(record, state=AuthorityState.RETIRED.value, private_key=b"") for record in outgoing]


def _who_needs(ids: Collection[str], certificates: Sequence[CertificateRecord], now: datetime) -> str:
    valid = [c for c in certificates if c.authority in ids and c.not_after > now]
    if valid:
        last = max(c.not_after for c in valid)
        return f"{len(valid)} certificates it signed are valid, the last until {last:%Y-%m-%d %H:%M} UTC"
    newest: dict[str, CertificateRecord] = {}
    for certificate in sorted(certificates, key=lambda c: c.not_before):
        newest[certificate.cluster] = certificate
    away = sorted(uid for uid, certificate in newest.items() if certificate.authority in ids)
    if not away:
        return ""
    named = ", ".join(away[:_NAMED]) + (", …" if len(away) > _NAMED else "")
    return f"{len(away)} clusters have been away since before the rotation and could not come back: {named}"
