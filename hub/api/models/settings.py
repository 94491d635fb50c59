"""The system-wide settings."""

from __future__ import annotations

from pydantic import ConfigDict

from hub.api.models.base import Reply, Request, Time
from hub.formats.settings import DATA_BYTES


class SettingsReply(Reply):
    data: dict[str, str]
    """The served part of argocd-cm's `data`, as it was given; empty when everything is as it is by default."""
    changed_at: Time | None
    """When they were set last; null when they never were."""
    changed_by: str
    warnings: list[str]
    """Keys that were given and are not served, each with what to know about it. Only in answer to a change."""


class SettingsPut(Request):
    model_config = ConfigDict(str_max_length=DATA_BYTES)

    data: dict[str, str]
    """Everything that is to be set, as in argocd-cm: what is left out is as it is by default."""
