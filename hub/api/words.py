"""Policies and destinations in words, as lists and people show them. Pure."""

from __future__ import annotations

from hub.domain.application import Destination, SyncPolicy


def sync_policy_words(policy: SyncPolicy) -> str:
    """Return "manual", or "automated" with what it does by itself: "automated, prune, self-heal"."""
    if policy.automated is None:
        return "manual"
    details = {
        "prune": policy.automated.prune,
        "self-heal": policy.automated.self_heal,
        "allow-empty": policy.automated.allow_empty,
    }
    return ", ".join(["automated", *(word for word, is_on in details.items() if is_on)])


def destination_words(destination: Destination) -> str:
    """Return "<clusters>/<namespace>": a cluster's name or address, a label selector, or "*" for every cluster."""
    if destination.selector is not None:
        clusters = str(destination.selector) or "*"
    else:
        clusters = destination.name or destination.server
    return f"{clusters}/{destination.namespace}" if destination.namespace else clusters
