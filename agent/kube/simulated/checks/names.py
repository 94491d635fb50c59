"""The rules for names, labels, annotations and finalizers, which hold for every kind."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from agent.engine.resource import GroupKind, Object
from agent.kube.simulated.problems import Problems

_LABEL: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_LABEL: Final = re.compile(_LABEL)
_SUBDOMAIN: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_QUALIFIED: Final = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_LABEL_VALUE: Final = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")

MAX_ANNOTATIONS: Final = 256 * 1024
"""Bytes of all annotations of an object together."""

_AS_LABEL: Final = frozenset({GroupKind("", "Namespace"), GroupKind("", "Service")})
_PATH_SEGMENT: Final = "rbac.authorization.k8s.io"
_STANDARD_FINALIZERS: Final = frozenset({"foregroundDeletion", "kubernetes", "orphan"})
_MAX_CRON_JOB: Final = 52


def check_metadata(group_kind: GroupKind, tree: Object, before: Object | None, problems: Problems) -> None:
    """Check the metadata of an object, or what changed in it."""
    metadata = tree["metadata"]
    was: Object = before["metadata"] if before else {}
    if before is None:
        _check_name(group_kind, metadata["name"], problems)
    labels = metadata.get("labels")
    if labels and labels != was.get("labels"):
        for key, value in labels.items():
            text = label_problem(key, value)
            if text:
                problems.invalid("metadata.labels", value if qualified(key) else key, text)
    annotations = metadata.get("annotations")
    if annotations and annotations != was.get("annotations"):
        _check_annotations(annotations, problems)
    finalizers = metadata.get("finalizers")
    if finalizers and finalizers != was.get("finalizers"):
        _check_finalizers(finalizers, was, problems)
    for owner in metadata.get("ownerReferences") or ():
        for key in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(key):
                problems.invalid(f"metadata.ownerReferences.{key}", "", "must not be empty")


def _check_name(group_kind: GroupKind, name: str, problems: Problems) -> None:
    if group_kind in _AS_LABEL:
        good, most, rule = _DNS_LABEL.fullmatch(name), 63, "a lowercase RFC 1123 label"
    elif group_kind.group == _PATH_SEGMENT:
        good, most, rule = re.fullmatch(r"(?!\.\.?$)[^/%]+", name), 1024, "a path segment without '/' and '%'"
    else:
        good, most, rule = _SUBDOMAIN.fullmatch(name), 253, "a lowercase RFC 1123 subdomain"
    if good is None or len(name) > most:
        problems.invalid("metadata.name", name, f"must be {rule} of at most {most} characters")
    elif group_kind.kind == "CronJob" and len(name) > _MAX_CRON_JOB:
        problems.invalid("metadata.name", name, f"must be no more than {_MAX_CRON_JOB} characters")


def _check_annotations(annotations: Object, problems: Problems) -> None:
    size = 0
    for key, value in annotations.items():
        if not qualified(key.lower()):
            problems.invalid("metadata.annotations", key, "must be a qualified name")
        size += len(key) + len(value.encode())
    if size > MAX_ANNOTATIONS:
        problems.add("metadata.annotations", f"Too long: may not be more than {MAX_ANNOTATIONS} bytes")


def _check_finalizers(finalizers: Any, was: Object, problems: Problems) -> None:
    for index, finalizer in enumerate(finalizers):
        field = f"metadata.finalizers[{index}]"
        if not qualified(finalizer):
            problems.invalid("metadata.finalizers", finalizer, "must be a qualified name")
        elif "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
            problems.invalid(field, finalizer, "name is neither a standard finalizer name nor is it fully qualified")
        elif "deletionTimestamp" in was and finalizer not in was.get("finalizers", ()):
            problems.forbidden(
                "metadata.finalizers",
                f"no new finalizers can be added if the object is being deleted, found new finalizers [{finalizer}]",
            )


@lru_cache(maxsize=16_384)
def label_problem(key: object, value: object) -> str:
    """Return what is wrong with a label, or nothing."""
    if not qualified(key):
        return "a label's key must be a qualified name: [prefix/]name, of at most 63 characters"
    if not isinstance(value, str):
        return "expected string"
    if len(value) > 63 or _LABEL_VALUE.fullmatch(value) is None:
        return "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.'"
    return ""


@lru_cache(maxsize=16_384)
def qualified(key: object) -> bool:
    """Tell whether a key is `[prefix/]name` as labels have it."""
    if not isinstance(key, str):
        return False
    prefix, slash, name = key.rpartition("/")
    if slash and not subdomain(prefix):
        return False
    return len(name) <= 63 and _QUALIFIED.fullmatch(name) is not None


def subdomain(name: str) -> bool:
    """Tell whether a name is a DNS subdomain."""
    return len(name) <= 253 and _SUBDOMAIN.fullmatch(name) is not None


def dns_label(name: object) -> bool:
    """Tell whether a name is a DNS label."""
    return isinstance(name, str) and len(name) <= 63 and _DNS_LABEL.fullmatch(name) is not None
