"""What state a live object is in, and what that makes of an application.

Each kind of Kubernetes has its rule in a file of its own; every other kind is judged by the conventions most custom
resources keep (`conventions`). A health always comes with its reason in words.
"""

from agent.engine.health.assess import GROUP_RULES, RULES, assess, is_ignored
from agent.engine.health.model import Health, HealthStatus, worst
from agent.engine.health.overrides import NO_OVERRIDES, Overrides

__all__ = [
    "GROUP_RULES",
    "NO_OVERRIDES",
    "RULES",
    "Health",
    "HealthStatus",
    "Overrides",
    "assess",
    "is_ignored",
    "worst",
]
