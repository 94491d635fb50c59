"""Where Git servers and registries say that something was pushed. No session: a signature or a secret is the proof."""

from __future__ import annotations

from fastapi import Request

from hub.api.context import ApiDep, address_of
from hub.api.errors import documented
from hub.api.guard import WEBHOOK
from hub.api.models.webhook import WebhookReply
from hub.api.routes.router import public_router

router = public_router("webhooks", prefix="")


@router.post(
    WEBHOOK,
    operation_id="receiveWebhook",
    summary="Have the repository of a push asked at once",
    responses=documented("webhook-refused", "webhook-unknown", "webhook-unreadable", "too-many-requests", "busy"),
)
async def receive(request: Request, api: ApiDep) -> WebhookReply:
    provider, outcome = await api.webhooks.receive(request, address_of(request))
    return WebhookReply(provider=provider, outcome=outcome)
