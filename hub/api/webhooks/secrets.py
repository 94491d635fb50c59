"""What webhooks are believed by, as the store keeps it: one encrypted value."""

from __future__ import annotations

import base64
import json

from hub.domain.manifest import canonical_json
from hub.domain.webhook_secrets import WebhookSecrets
from hub.pki.contract import Sealer
from hub.store.contract import Store

SETTING = "sealed/webhooks"
"""Under which name the store keeps it, and what it is encrypted for."""


class SecretsReader:
    def __init__(self, store: Store, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer
        self._text = ""
        self._known = WebhookSecrets()

    async def read(self) -> WebhookSecrets:
        """Raises StoreUnavailable, KeyFileError."""
        text = await self._store.get_setting(SETTING) or ""
        if text != self._text:
            # Another replica may have stored them.
            self._known, self._text = _unsealed(text, self._sealer), text
        return self._known


def sealed(secrets: WebhookSecrets, sealer: Sealer) -> str:
    return base64.b64encode(sealer.seal(canonical_json(dict(secrets.values)), SETTING)).decode()


def _unsealed(text: str, sealer: Sealer) -> WebhookSecrets:
    if not text:
        return WebhookSecrets()
    return WebhookSecrets(json.loads(sealer.unseal(base64.b64decode(text), SETTING)))
