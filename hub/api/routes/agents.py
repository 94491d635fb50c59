"""Where agents that have no valid certificate yet, or no more, get one. No session: the token or the old key is the
proof."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import Request
from starlette.responses import JSONResponse

from hub.api.context import Api, ApiDep, address_of
from hub.api.errors import documented
from hub.api.models.agent import AuthoritiesReply, EnrolBody, EnrolReply, RecoverBody
from hub.api.routes.router import public_router
from hub.errors import Invalid, NotFound
from hub.pki.authority import IssuedCertificate
from hub.pki.enrolment import enrolment_reply, read_enrol_body, read_recover_body
from hub.pki.refusals import Caller

router = public_router("agents", prefix="/agent/v1")

_ERRORS = ("bad-csr", "bad-key", "not-found", "too-many-requests", "too-many-certificates", "authority-expired")


def _body_of(model: type[Any]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.get("/authorities", operation_id="listAuthorities", summary="The authorities an agent may pin")
async def authorities(request: Request, api: ApiDep) -> AuthoritiesReply:
    api.door.take(address_of(request), api.services.clock())
    return AuthoritiesReply.model_validate(api.services.enrolments.authorities())


@router.post(
    "/enrol",
    operation_id="enrol",
    summary="Exchange a join token for a cluster's certificate",
    response_model=EnrolReply,
    openapi_extra=_body_of(EnrolBody),
    responses=documented("join-token-refused", *_ERRORS),
)
async def enrol(request: Request, api: ApiDep) -> JSONResponse:
    api.door.take(address_of(request), api.services.clock())
    token, csr, version = read_enrol_body(await _json(request))
    issued = await api.services.enrolments.enrol(token, csr, Caller(address_of(request), version))
    return await _reply(api, issued)


@router.post(
    "/recover",
    operation_id="recover",
    summary="Exchange an expired certificate for a new one",
    response_model=EnrolReply,
    openapi_extra=_body_of(RecoverBody),
    responses=documented("recovery-refused", "certificate-revoked", "bad-certificate", *_ERRORS),
)
async def recover(request: Request, api: ApiDep) -> JSONResponse:
    api.door.take(address_of(request), api.services.clock())
    certificate, csr, version = read_recover_body(await _json(request))
    issued = await api.services.enrolments.recover(certificate, csr, Caller(address_of(request), version))
    return await _reply(api, issued)


async def _json(request: Request) -> Any:
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise Invalid("the body is not JSON", code="bad-body") from error


async def _reply(api: Api, issued: IssuedCertificate) -> JSONResponse:
    services = api.services
    cluster = await services.store.get_cluster(issued.record.cluster)
    if cluster is None:
        raise NotFound("this cluster was removed from the hub: add it again with `escadre cluster add`")
    return JSONResponse(
        enrolment_reply(
            issued, services.pki, cluster=cluster.name, gateway=services.settings.gateway_address
        )
    )
