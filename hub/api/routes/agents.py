"""Where agents that have no valid certificate yet, or no more, get one. No session: the token or the old key is the
proof."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import JSONResponse

from hub.api.context import Api, ApiDep, address_of
from hub.api.errors import documented
from hub.api.models.agent import AuthoritiesReply, EnrolBody, EnrolReply, RecoverBody
from hub.api.routes.router import public_router
from hub.errors import NotFound
from hub.pki.authority import IssuedCertificate
from hub.pki.enrolment import enrolment_reply, read_enrol_body, read_recover_body
from hub.pki.refusals import Caller

router = public_router("agents", prefix="/agent/v1")

_ERRORS = ("bad-csr", "bad-key", "not-found", "too-many-requests", "too-many-certificates", "authority-expired")


@router.get("/authorities", operation_id="listAuthorities", summary="The authorities an agent may pin")
async def authorities(request: Request, api: ApiDep) -> AuthoritiesReply:
    api.door.take(address_of(request), api.services.clock())
    return AuthoritiesReply.model_validate(api.services.enrolments.authorities())


@router.post(
    "/enrol",
    operation_id="enrol",
    summary="Exchange a join token for a cluster's certificate",
    response_model=EnrolReply,
    responses=documented("join-token-refused", *_ERRORS),
)
async def enrol(body: EnrolBody, request: Request, api: ApiDep) -> JSONResponse:
    api.door.take(address_of(request), api.services.clock())
    token, csr, version = read_enrol_body(body.model_dump())
    issued = await api.services.enrolments.enrol(token, csr, Caller(address_of(request), version))
    return await _reply(api, issued)


@router.post(
    "/recover",
    operation_id="recover",
    summary="Exchange an expired certificate for a new one",
    response_model=EnrolReply,
    responses=documented("recovery-refused", "certificate-revoked", "bad-certificate", *_ERRORS),
)
async def recover(body: RecoverBody, request: Request, api: ApiDep) -> JSONResponse:
    api.door.take(address_of(request), api.services.clock())
    certificate, csr, version = read_recover_body(body.model_dump())
    issued = await api.services.enrolments.recover(certificate, csr, Caller(address_of(request), version))
    return await _reply(api, issued)


async def _reply(api: Api, issued: IssuedCertificate) -> JSONResponse:
    services = api.services
    cluster = await services.store.get_cluster(issued.record.cluster)
    if cluster is None:
        raise NotFound("this cluster was removed from the hub: add it again with `escadre cluster add`")
    return JSONResponse(
        enrolment_reply(issued, services.pki, cluster=cluster.name, gateway=services.settings.gateway_address)
    )
