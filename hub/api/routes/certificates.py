"""What hosts are believed by: SSH host keys, and authorities of TLS. Nothing of it is secret."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query

from hub.api.context import ApiDep, CallerDep
from hub.api.convert_entries import certificate_item
from hub.api.errors import documented
from hub.api.models.repository import CertificateList, CertificatesPut, CertificatesRemoved, CertificatesStored
from hub.api.params import Continue, Limit, page
from hub.api.routes.router import private_router
from hub.api.store_entries import carry_out_trust, prepare_trust, refuse_trust, remove_trust
from hub.domain.glob import glob_match
from hub.domain.known_hosts import parse_known_hosts
from hub.domain.repository import HostTrust
from hub.errors import Invalid, NotFound

router = private_router("certificates")

OfType = Annotated[Literal["", "ssh", "https"], Query(alias="type", description="Only host keys, or only TLS.")]
OfSubtype = Annotated[str, Query(max_length=100, description="Only keys of this type, such as ssh-ed25519.")]
Server = Annotated[str, Query(max_length=260, description="Only this host's; * and ? stand for others.")]
Upsert = Annotated[bool, Query(description="Replace certificates that a host has already.")]


@router.get("/certificates", operation_id="listCertificates", summary="Host keys and certificates, by server")
async def list_certificates(
    api: ApiDep,
    caller: CallerDep,
    kind: OfType = "",
    subtype: OfSubtype = "",
    server: Server = "",
    limit: Limit = 1000,
    after: Continue = "",
) -> CertificateList:
    found = [
        item
        for item in await api.services.store.list_host_trust()
        if _wanted(item, kind, subtype, server) and caller.may("certificates", "get", item.server)
    ]
    found.sort(key=_order)
    items, rest = page(found, [_order(item) for item in found], limit, after)
    return CertificateList(items=[certificate_item(item) for item in items], continue_=rest)


@router.put(
    "/certificates",
    operation_id="putCertificates",
    summary="Believe hosts by these keys and certificates",
    responses=documented("invalid", "conflict"),
)
async def put_certificates(
    body: CertificatesPut, api: ApiDep, caller: CallerDep, upsert: Upsert = False
) -> CertificatesStored:
    caller.require("certificates", "create")
    items: list[HostTrust] = []
    if body.known_hosts:
        try:
            items += parse_known_hosts(body.known_hosts)
        except ValueError as error:
            raise Invalid(str(error)) from error
    if body.certificates or body.server:
        items.append(HostTrust("https", body.server, "", body.certificates))
    if not items:
        raise Invalid("neither lines of known_hosts nor certificates are given")
    change = await prepare_trust(api, caller, items)
    if not upsert:
        await refuse_trust(api, change)
    await carry_out_trust(api, caller, change)
    return CertificatesStored(
        created=[f"{item.server} {item.subtype}".strip() for item in change.wanted], unchanged=change.unchanged
    )


@router.delete(
    "/certificates",
    operation_id="removeCertificates",
    summary="Believe a host no more by what is given",
    responses=documented("invalid", "not-found"),
)
async def remove_certificates(
    api: ApiDep, caller: CallerDep, server: Server = "", kind: OfType = "", subtype: OfSubtype = ""
) -> CertificatesRemoved:
    caller.require("certificates", "delete", server or "*")
    if not server:
        raise Invalid("name the server, or * for all")
    found = [item for item in await api.services.store.list_host_trust() if _wanted(item, kind, subtype, server)]
    if not found:
        raise NotFound(f"nothing is kept for {server}")
    await remove_trust(api, caller, found)
    return CertificatesRemoved(removed=len(found))


def _wanted(item: HostTrust, kind: str, subtype: str, server: str) -> bool:
    if (kind and item.kind != kind) or (subtype and item.subtype != subtype):
        return False
    names = [item.server, *item.server.split(",")]
    wanted = server.lower()
    # Written out, [host]:port would be a pattern of its own.
    return not server or any(wanted == name or glob_match(wanted, name) for name in map(str.lower, names))


def _order(item: HostTrust) -> str:
    return f"{item.server[:200]} {item.kind} {item.subtype} {item.id}"
