"""How objects are compared, where that can be chosen: for the whole system, and by an annotation of one object.

System-wide it is `resource.compareoptions` of Argo CD's `argocd-cm`, for an object the annotation
`argocd.argoproj.io/compare-options`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from agent.engine.resource import GroupKind, Object, split_api_version

COMPARE_OPTIONS_ANNOTATION: Final = "argocd.argoproj.io/compare-options"
CRD: Final = GroupKind("apiextensions.k8s.io", "CustomResourceDefinition")


class StatusOf(StrEnum):
    """Whose status is left out of every comparison (`ignoreResourceStatusField`)."""

    ALL = "all"
    CRD = "crd"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """`resource.compareoptions`."""

    ignore_aggregated_roles: bool = True
    """Rules of a ClusterRole with an aggregationRule are the control plane's. It overwrites whatever is written there,
    so a difference could never be healed."""
    ignore_status: StatusOf = StatusOf.ALL
    ignore_differences_on_updates: bool = True
    """An update of nothing but what `ignoreDifferences` hides counts for none."""

    def hides_status(self, obj: Object) -> bool:
        """Tell whether an object's status is left out."""
        if self.ignore_status is StatusOf.ALL:
            return True
        return self.ignore_status is StatusOf.CRD and _is_crd(obj)


DEFAULT_OPTIONS: Final = CompareOptions()


def _is_crd(obj: Object) -> bool:
    api_version = obj.get("apiVersion")
    group = split_api_version(api_version)[0] if isinstance(api_version, str) else ""
    return GroupKind(group, str(obj.get("kind"))) == CRD


def read_compare_options(value: Any) -> tuple[CompareOptions, list[str]]:
    """Read `resource.compareoptions`, with what is wrong in it. Keys that are not given keep their default."""
    if value is None:
        return DEFAULT_OPTIONS, []
    if not isinstance(value, Mapping):
        return DEFAULT_OPTIONS, ["resource.compareoptions is not a mapping"]
    problems = [f"resource.compareoptions: there is no option {key!r}" for key in value if key not in _OPTIONS]
    flags = {}
    for key, name in _FLAGS.items():
        given = value.get(key)
        if given is None:
            continue
        if isinstance(given, bool) or str(given) in ("true", "false"):
            flags[name] = given in (True, "true")
        else:
            problems.append(f"resource.compareoptions: {key} is true or false, not {given!r}")
    status = _STATUS.get(value.get(_STATUS_KEY, StatusOf.ALL))
    if status is None:
        problems.append(f"resource.compareoptions: {_STATUS_KEY} is all, crd or none, not {value[_STATUS_KEY]!r}")
    return CompareOptions(**flags, ignore_status=status or StatusOf.ALL), problems


_STATUS_KEY: Final = "ignoreResourceStatusField"
_FLAGS: Final = {
    "ignoreAggregatedRoles": "ignore_aggregated_roles",
    "ignoreDifferencesOnResourceUpdates": "ignore_differences_on_updates",
}
_OPTIONS: Final = frozenset({*_FLAGS, _STATUS_KEY})
_STATUS: Final[Mapping[Any, StatusOf]] = {
    # YAML reads a bare off as false.
    **{status.value: status for status in StatusOf},
    "off": StatusOf.NONE,
    "false": StatusOf.NONE,
    False: StatusOf.NONE,
}


@dataclass(frozen=True, slots=True)
class ObjectOptions:
    """What one object asks for by its annotation."""

    ignore_extraneous: bool = False
    include_mutation_webhook: bool = False
    """What admission changes beyond the manifest counts too."""


_NOTHING_ASKED: Final = ObjectOptions()


def object_options(obj: Object) -> ObjectOptions:
    """Read the annotation of an object. What means nothing here is passed over: `ServerSideDiff` is always on."""
    metadata = obj.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    text = annotations.get(COMPARE_OPTIONS_ANNOTATION) if isinstance(annotations, dict) else None
    if not isinstance(text, str):
        return _NOTHING_ASKED
    given = {option.strip() for option in text.split(",")}
    return ObjectOptions(
        ignore_extraneous=not given.isdisjoint({"IgnoreExtraneous", "IgnoreExtraneous=true"}),
        include_mutation_webhook="IncludeMutationWebhook=true" in given,
    )


def counts_when_extraneous(live: Object) -> bool:
    """Say whether an object that is live, tracked and not assigned makes its application OutOfSync.

    One that asks for `IgnoreExtraneous` does not. It is told as it is, and pruned by a sync that prunes, all the same.
    """
    return not object_options(live).ignore_extraneous
