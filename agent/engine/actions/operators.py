"""Built-in actions of operators that are asked by an annotation or a field."""

from __future__ import annotations

from typing import Final

from agent.engine.actions.edits import RESTARTED_AT, annotating, at, now, setting
from agent.engine.actions.model import BuiltIn
from agent.engine.resource import GroupKind, Object

_KEDA_PAUSED: Final = "autoscaling.keda.sh/paused"
_HIBERNATION: Final = "cnpg.io/hibernation"
_FLUX: Final = {
    "helm.toolkit.fluxcd.io": "HelmRelease",
    "image.toolkit.fluxcd.io": "ImageRepository ImageUpdateAutomation",
    "kustomize.toolkit.fluxcd.io": "Kustomization",
    "notification.toolkit.fluxcd.io": "Receiver",
    "source.toolkit.fluxcd.io": "Bucket GitRepository HelmChart HelmRepository OCIRepository",
}


def _suspended(obj: Object) -> bool:
    return at(obj, "spec", "suspend") is True


def _annotated(name: str, value: str, obj: Object) -> bool:
    return bool(at(obj, "metadata", "annotations", name) == value)


_FLUX_ACTIONS: Final = {
    "reconcile": BuiltIn(
        annotating("reconcile.fluxcd.io/requestedAt", now), _suspended, "Reconcile", "fa fa-fw fa-sync"
    ),
    "resume": BuiltIn(
        setting("spec", "suspend", to=False), lambda obj: not _suspended(obj), "Resume", "fa fa-fw fa-play"
    ),
    "suspend": BuiltIn(setting("spec", "suspend", to=True), _suspended, "Suspend", "fa fa-fw fa-pause"),
}
_KEDA_ACTIONS: Final = {
    "pause": BuiltIn(
        annotating(_KEDA_PAUSED, "true"),
        lambda obj: _annotated(_KEDA_PAUSED, "true", obj),
        "Pause",
        "fa fa-fw fa-pause",
    ),
    "resume": BuiltIn(
        annotating(_KEDA_PAUSED, "false"),
        lambda obj: not _annotated(_KEDA_PAUSED, "true", obj),
        "Resume",
        "fa fa-fw fa-play",
    ),
}
_REFRESH: Final = {
    "refresh": BuiltIn(annotating("force-sync", now), display_name="Refresh", icon_class="fa fa-fw fa-sync")
}

ACTIONS: Final[dict[GroupKind, dict[str, BuiltIn]]] = {
    **{GroupKind(group, kind): _FLUX_ACTIONS for group, kinds in _FLUX.items() for kind in kinds.split()},
    GroupKind("external-secrets.io", "ClusterExternalSecret"): _REFRESH,
    GroupKind("external-secrets.io", "ExternalSecret"): _REFRESH,
    GroupKind("external-secrets.io", "PushSecret"): {"push": _REFRESH["refresh"]},
    GroupKind("keda.sh", "ScaledJob"): _KEDA_ACTIONS,
    GroupKind("keda.sh", "ScaledObject"): _KEDA_ACTIONS,
    GroupKind("postgresql.cnpg.io", "Cluster"): {
        "reload": BuiltIn(annotating("cnpg.io/reloadedAt", now), display_name="Reload", icon_class="fa fa-fw fa-sync"),
        "restart": BuiltIn(annotating(RESTARTED_AT, now), display_name="Restart", icon_class="fa fa-fw fa-redo"),
        "resume": BuiltIn(
            annotating(_HIBERNATION, "off"),
            lambda obj: not _annotated(_HIBERNATION, "on", obj),
            "Resume",
            "fa fa-fw fa-play",
        ),
        "suspend": BuiltIn(
            annotating(_HIBERNATION, "on"),
            lambda obj: _annotated(_HIBERNATION, "on", obj),
            "Suspend",
            "fa fa-fw fa-pause",
        ),
    },
}
