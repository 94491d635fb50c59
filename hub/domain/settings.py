"""System-wide settings: what is set once for every application and every cluster.

They are the `data` of Argo CD's ConfigMap `argocd-cm`, as far as it is served, and go to every agent as they are. Like
an assignment they are a level: the newest replace all before them, and `digest` tells whether two are the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from hub.domain.manifest import canonical_json, digest_of

SETTING = "argocd-cm"
"""Under which name the store keeps them."""


@dataclass(frozen=True, slots=True)
class SystemSettings:
    """Key → text, and who has set them. Without any data everything is as it is by default."""

    data: Mapping[str, str] = field(default_factory=dict)
    changed_at: datetime | None = None
    changed_by: str = ""

    def content(self) -> bytes:
        """Return what agents are given: the data as canonical JSON."""
        return canonical_json(dict(self.data))

    def encode(self) -> str:
        """Return them as one document for the store."""
        at = self.changed_at.isoformat() if self.changed_at is not None else ""
        return canonical_json({"data": dict(self.data), "changed_at": at, "changed_by": self.changed_by}).decode()


NO_SETTINGS_DIGEST = digest_of(SystemSettings().content())


def decode(text: str | None) -> SystemSettings:
    """Read what `encode` wrote; None is what was never set."""
    if text is None:
        return SystemSettings()
    value = json.loads(text)
    at = datetime.fromisoformat(value["changed_at"]) if value["changed_at"] else None
    return SystemSettings(value["data"], at, value["changed_by"])
