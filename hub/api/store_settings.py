"""Finding and storing the system-wide settings: the same rules for both routes that do."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hub.api.context import Api, Caller
from hub.api.models.objects import Action
from hub.domain.settings import SETTING, SystemSettings, decode


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """Settings that are to be stored, over those that are."""

    wanted: SystemSettings
    stored: SystemSettings

    @property
    def action(self) -> Action:
        if self.wanted.data == self.stored.data:
            return "unchanged"
        return "configured" if self.stored.data else "created"


async def read_settings(api: Api, caller: Caller) -> SystemSettings:
    """Raises PermissionDenied."""
    # They have their effect on every cluster: who may look at, or change, all of them may do so with these.
    caller.require("clusters", "get")
    return decode(await api.services.store.get_setting(SETTING))


async def prepare_settings(api: Api, caller: Caller, wanted: SystemSettings) -> SettingsChange:
    """Raises PermissionDenied."""
    caller.require("clusters", "update")
    return SettingsChange(wanted, decode(await api.services.store.get_setting(SETTING)))


async def store_settings(api: Api, caller: Caller, change: SettingsChange) -> SystemSettings:
    """Store them, and have every agent told."""
    if change.action == "unchanged":
        return change.stored
    services = api.services
    result = replace(change.wanted, changed_at=services.clock(), changed_by=caller.name)
    await services.store.put_setting(SETTING, result.encode())
    await services.audit.record("SettingsChanged", _words(change), actor=caller.name)
    await services.bus.publish("settings")
    return result


def _words(change: SettingsChange) -> str:
    if not change.wanted.data:
        return "the system-wide settings are the default ones again"
    before, after = change.stored.data, change.wanted.data
    keys = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    return f"system-wide settings were changed: {', '.join(keys)}"
