"""What events from outside are believed by: keys of Argo CD's Secret `argocd-secret`, and a few of the hub's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

GITHUB = "webhook.github.secret"
GITLAB = "webhook.gitlab.secret"
BITBUCKET = "webhook.bitbucket.secret"
BITBUCKET_UUID = "webhook.bitbucket.uuid"
BITBUCKET_SERVER = "webhook.bitbucketserver.secret"
GOGS = "webhook.gogs.secret"
AZURE_USER = "webhook.azuredevops.username"
AZURE_PASSWORD = "webhook.azuredevops.password"  # noqa: S105 - the key's name
REGISTRY = "webhook.registry.secret"

KEYS = (
    GITHUB,
    GITLAB,
    BITBUCKET,
    BITBUCKET_UUID,
    BITBUCKET_SERVER,
    GOGS,
    AZURE_USER,
    AZURE_PASSWORD,
    REGISTRY,
)


@dataclass(frozen=True, slots=True)
class WebhookSecrets:
    """Key → secret; only those that are set."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)

    def get(self, key: str) -> bytes:
        """Return a secret, nothing where it is not set."""
        return self.values.get(key, "").encode()
