"""Crossplane: its packages and definitions, and the resources that its providers manage.

A managed resource that nobody has taken up yet is on its way, while configuration reports nothing at all.
"""

from __future__ import annotations

from typing import Final

from agent.engine.health.conditions import Condition, conditions
from agent.engine.health.model import Health, degraded, healthy, progressing, suspended, worst_of
from agent.engine.health.reading import View

_CONFIGURATION: Final = frozenset(
    {
        "ClusterProviderConfig",
        "ClusterProviderConfigUsage",
        "Composition",
        "CompositionRevision",
        "ControllerConfig",
        "DeploymentRuntimeConfig",
        "EnvironmentConfig",
        "ImageConfig",
        "Lock",
        "ManagedResourceActivationPolicy",
        "ProviderConfig",
        "ProviderConfigUsage",
        "StoreConfig",
        "Usage",
        "ClusterUsage",
    }
)
_GOOD: Final = frozenset({"Established", "Healthy", "Installed", "Offered", "Ready", "RevisionHealthy", "Succeeded"})
_FAILING: Final = frozenset({"Healthy", "Installed", "LastAsyncOperation", "RevisionHealthy", "Succeeded", "Synced"})
"""Conditions for which false is a failure; Ready is false of all that is being made."""


def crossplane(obj: View) -> Health:
    reported = conditions(obj.map("status"))
    if not reported:
        if obj.text("kind") in _CONFIGURATION:
            return healthy()
        return progressing("its provider has not taken it up yet")
    judged = [health for c in reported.values() if (health := _judged(c)) is not None]
    return worst_of(judged) if judged else progressing("its provider has not said yet whether it is ready")


def _judged(condition: Condition) -> Health | None:
    if condition.false and condition.reason == "ReconcilePaused":
        return suspended(condition.words())
    if condition.false and condition.type in _FAILING:
        return degraded(condition.words())
    if condition.type in _GOOD:
        return healthy() if condition.true else progressing(condition.words())
    return None
