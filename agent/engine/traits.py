"""What an object's annotations ask of a sync: its wave, whether it is a hook and of which phases, and its options.

Argo CD's annotations are read, and Helm's where Argo CD's do not say otherwise. Most objects ask for nothing; they
share one `PLAIN`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeGuard

from agent.engine.resource import GroupKind, Object

HOOK: Final = "argocd.argoproj.io/hook"
HOOK_DELETE_POLICY: Final = "argocd.argoproj.io/hook-delete-policy"
SYNC_WAVE: Final = "argocd.argoproj.io/sync-wave"
SYNC_OPTIONS: Final = "argocd.argoproj.io/sync-options"
COMPARE_OPTIONS: Final = "argocd.argoproj.io/compare-options"
HELM_HOOK: Final = "helm.sh/hook"
HELM_HOOK_WEIGHT: Final = "helm.sh/hook-weight"
HELM_HOOK_DELETE_POLICY: Final = "helm.sh/hook-delete-policy"
HELM_RESOURCE_POLICY: Final = "helm.sh/resource-policy"
TIME_LIMIT: Final = "escadre.io/time-limit"
"""How long an operation waits for this object: for a hook to end, for anything else to be healthy or gone."""

ANNOTATIONS: Final = (
    HOOK,
    HOOK_DELETE_POLICY,
    SYNC_WAVE,
    SYNC_OPTIONS,
    COMPARE_OPTIONS,
    HELM_HOOK,
    HELM_HOOK_WEIGHT,
    HELM_HOOK_DELETE_POLICY,
    HELM_RESOURCE_POLICY,
    TIME_LIMIT,
)
"""An object that carries none of these is plain."""

CRD: Final = GroupKind("apiextensions.k8s.io", "CustomResourceDefinition")


class SyncPhase(StrEnum):
    """The phases of a sync, and the two of a deletion."""

    PRE_SYNC = "PreSync"
    SYNC = "Sync"
    POST_SYNC = "PostSync"
    SYNC_FAIL = "SyncFail"
    PRE_DELETE = "PreDelete"
    POST_DELETE = "PostDelete"


class DeletePolicy(StrEnum):
    """When a hook's object is deleted."""

    BEFORE_CREATION = "BeforeHookCreation"
    SUCCEEDED = "HookSucceeded"
    FAILED = "HookFailed"


_HELM_PHASES: Final = {
    "pre-install": SyncPhase.PRE_SYNC,
    "pre-upgrade": SyncPhase.PRE_SYNC,
    "post-install": SyncPhase.POST_SYNC,
    "post-upgrade": SyncPhase.POST_SYNC,
    "pre-delete": SyncPhase.PRE_DELETE,
    "post-delete": SyncPhase.POST_DELETE,
}
_HELM_POLICIES: Final = {
    "before-hook-creation": DeletePolicy.BEFORE_CREATION,
    "hook-succeeded": DeletePolicy.SUCCEEDED,
    "hook-failed": DeletePolicy.FAILED,
}
_HELM_CRD: Final = "crd-install"
"""Helm 2's mark of a CRD, which is an object like any other."""
_SKIP: Final = "Skip"
"""Counts where no phase stands beside it."""
_KNOWN: Final = frozenset({_SKIP, *SyncPhase})
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(h|ms|m|s)")
_DURATION: Final = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:h|ms|m|s)){1,4}")
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,30}")
_LARGEST: Final = 2**63 - 1
"""What a wave may be, either side of 0: it is told as a 64-bit number."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What one object asks for."""

    wave: int = 0
    hook: frozenset[SyncPhase] | None = None
    """The phases a hook runs in; none of them for one that is to be skipped, or that only others know (Helm's tests).
    None: no hook."""
    delete_policies: frozenset[DeletePolicy] = frozenset()
    """Of a hook."""
    sync_options: tuple[str, ...] = ()
    compare_options: frozenset[str] = frozenset()
    kept: bool = False
    """Whether Helm's resource policy says to keep it."""
    defines: GroupKind | None = None
    """The kind that a CustomResourceDefinition brings."""
    time_limit: float | None = None
    """Seconds; None where the object does not say."""

    @property
    def is_hook(self) -> bool:
        return self.hook is not None

    def option(self, name: str) -> str | None:
        """Return the value of a sync option: "false" of "Prune=false"; None when it is not given. The last one
        counts."""
        found = None
        for option in self.sync_options:
            key, equals, value = option.partition("=")
            if key == name and equals:
                found = value
        return found


PLAIN: Final = Traits()


def traits_of(obj: Object) -> Traits:
    """Read an object's traits. Never raises: what cannot be read counts as not given."""
    metadata = obj.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if not isinstance(annotations, dict):
        annotations = {}
    defined = _defined(obj)
    if defined is None and not any(name in annotations for name in ANNOTATIONS):
        return PLAIN
    hook = _hook(annotations)
    return Traits(
        wave=_wave(annotations),
        hook=hook,
        delete_policies=_policies(annotations) if hook is not None else frozenset(),
        sync_options=tuple(items_of(annotations, SYNC_OPTIONS)),
        compare_options=frozenset(items_of(annotations, COMPARE_OPTIONS)),
        kept="keep" in items_of(annotations, HELM_RESOURCE_POLICY),
        defines=defined,
        time_limit=seconds_of(annotations.get(TIME_LIMIT)),
    )


def items_of(annotations: Mapping[str, Any], name: str) -> list[str]:
    """Return the items of a value that is a list with commas."""
    value = annotations.get(name)
    if not isinstance(value, str):
        return []
    return [item.strip() for item in value.split(",") if item.strip()]


def _hook(annotations: Mapping[str, Any]) -> frozenset[SyncPhase] | None:
    if HOOK in annotations:
        items = items_of(annotations, HOOK)
        if set(items) & _KNOWN == {_SKIP}:
            return frozenset()
        phases = frozenset(phase for phase in SyncPhase if phase.value in items)
        if phases:
            return phases
        # None that Argo CD knows; Helm's, if there are any, say when it runs.
        return _helm_hook(annotations) or frozenset()
    return _helm_hook(annotations)


def _helm_hook(annotations: Mapping[str, Any]) -> frozenset[SyncPhase] | None:
    if HELM_HOOK not in annotations:
        return None
    items = items_of(annotations, HELM_HOOK)
    if items == [_HELM_CRD]:
        return None
    return frozenset(_HELM_PHASES[item] for item in items if item in _HELM_PHASES)


def _policies(annotations: Mapping[str, Any]) -> frozenset[DeletePolicy]:
    given = items_of(annotations, HOOK_DELETE_POLICY)
    policies = {policy for policy in DeletePolicy if policy.value in given}
    policies |= {
        _HELM_POLICIES[item] for item in items_of(annotations, HELM_HOOK_DELETE_POLICY) if item in _HELM_POLICIES
    }
    return frozenset(policies or {DeletePolicy.BEFORE_CREATION})


def _wave(annotations: Mapping[str, Any]) -> int:
    for name in (SYNC_WAVE, HELM_HOOK_WEIGHT):
        value = annotations.get(name)
        if is_wave(value):
            return int(value)
    return 0


def is_wave(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and bool(_WHOLE.fullmatch(value)) and abs(int(value)) <= _LARGEST


def seconds_of(value: Any) -> float | None:
    """Read a duration as Go writes it, "1h30m"."""
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value))


def _defined(obj: Object) -> GroupKind | None:
    if obj.get("kind") != CRD.kind or not str(obj.get("apiVersion")).startswith(CRD.group + "/"):
        return None
    spec = obj.get("spec")
    names = spec.get("names") if isinstance(spec, dict) else None
    if not isinstance(spec, dict) or not isinstance(names, dict):
        return None
    return GroupKind(str(spec.get("group") or ""), str(names.get("kind") or ""))
