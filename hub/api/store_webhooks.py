"""Applying what webhooks are believed by: stored encrypted, replaced as a whole, and never shown again."""

from __future__ import annotations

from dataclasses import dataclass

from hub.api.context import Api, Caller
from hub.api.models.objects import Action
from hub.api.webhooks.secrets import SETTING, sealed
from hub.domain.webhook_secrets import WebhookSecrets


@dataclass(frozen=True, slots=True)
class WebhookChange:
    """Secrets that are to be stored, over those that are."""

    wanted: WebhookSecrets
    stored: WebhookSecrets

    @property
    def action(self) -> Action:
        if self.wanted == self.stored:
            return "unchanged"
        return "configured" if self.stored.values else "created"


async def prepare_webhooks(api: Api, caller: Caller, wanted: WebhookSecrets) -> WebhookChange:
    """Raises PermissionDenied."""
    caller.require("repositories", "update")
    return WebhookChange(wanted, await api.webhook_secrets.read())


async def store_webhooks(api: Api, caller: Caller, change: WebhookChange) -> None:
    if change.action == "unchanged":
        return
    services = api.services
    await services.store.put_setting(SETTING, sealed(change.wanted, services.sealer))
    await services.audit.record("WebhookSecretsChanged", _words(change), actor=caller.name)


def _words(change: WebhookChange) -> str:
    before, after = change.stored.values, change.wanted.values
    parts = []
    if changed := sorted(key for key in after if before.get(key) != after[key]):
        parts.append(f"set: {', '.join(changed)}")
    if removed := sorted(before.keys() - after.keys()):
        parts.append(f"removed: {', '.join(removed)}")
    return f"what webhooks are believed by was {'; '.join(parts)}"
