"""What Applications and AppProjects have in common: their kind and their metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.domain.application import CASCADE_FINALIZER, DEFAULT_NAMESPACE
from hub.domain.names import annotations_problem, labels_problem, name_problem, namespace_problem
from hub.formats import served
from hub.formats.errors import FormatError, shown
from hub.formats.fields import Fields, described
from hub.formats.limits import Document

API_VERSION = "argoproj.io/v1alpha1"

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_SERVER_FIELDS = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)
"""What a Kubernetes API server adds to an object; an export carries it, and it means nothing elsewhere."""


@dataclass(frozen=True, slots=True)
class Metadata:
    name: str
    namespace: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    finalizers: tuple[str, ...]


def as_document(source: Document | Mapping[str, Any]) -> Document:
    """Return a document for an object that was never text, too."""
    return source if isinstance(source, Document) else Document(source, "", 0)


def check_kind(document: Document, kind: str) -> Mapping[str, Any]:
    """Return the document's mapping. Raises FormatError when it is not an object of the kind."""
    value = document.value
    if not isinstance(value, Mapping):
        raise FormatError(
            f"this is {described(value)}, but an object of kind {kind} is wanted",
            name=document.name,
            line=document.line,
        )
    found, version = value.get("kind"), value.get("apiVersion")
    if found == kind and version == API_VERSION:
        return value
    raise FormatError(
        f"this is {worded_kind(value)}, but {API_VERSION} {kind} is wanted", name=document.name, line=document.line
    )


def display_name(value: Mapping[str, Any], kind: str) -> str:
    """Name an object for a message, however wrong it is."""
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return f'{kind} "{shown(name)}"' if isinstance(name, str) and name else f"{kind} without a name"


def read_metadata(top: Fields) -> Metadata:
    fields = top.child("metadata") or Fields({}, "metadata", top.problems)
    name = fields.required("name")
    namespace = fields.text("namespace") or DEFAULT_NAMESPACE
    labels, annotations = fields.text_map("labels"), fields.text_map("annotations")
    finalizers = fields.texts("finalizers")
    for key, problem in (
        ("name", name_problem(name) if name else ""),
        ("namespace", namespace_problem(namespace)),
        ("labels", labels_problem(labels)),
        ("annotations", annotations_problem(annotations)),
    ):
        if problem:
            value = fields.value.get(key)
            fields.fail(key, f"{shown(value)!r} {problem}" if isinstance(value, str) else problem)
    for index, finalizer in enumerate(finalizers):
        if not (finalizer == CASCADE_FINALIZER or finalizer.startswith(CASCADE_FINALIZER + "/")):
            fields.problems.unserved.append(
                f"{fields.at('finalizers')}[{index}] {shown(finalizer)!r} is not served: nothing acts on it here"
            )
    fields.ignore(*_SERVER_FIELDS)
    fields.unserved(served.METADATA)
    fields.finish()
    annotations.pop(_LAST_APPLIED, None)
    return Metadata(name, namespace, labels, annotations, finalizers)


def as_written(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object without what only the server it came from has put there."""
    result = {key: item for key, item in value.items() if key not in ("status", "operation")}
    written = value.get("metadata")
    metadata = {k: v for k, v in written.items() if k not in _SERVER_FIELDS} if isinstance(written, Mapping) else {}
    annotations = metadata.get("annotations")
    if isinstance(annotations, Mapping) and _LAST_APPLIED in annotations:
        del metadata["annotations"]
        if kept := {key: item for key, item in annotations.items() if key != _LAST_APPLIED}:
            metadata["annotations"] = kept
    return {**result, "metadata": metadata}


def write_metadata(written: Mapping[str, Any], metadata: Metadata) -> dict[str, Any]:
    """Return an object's metadata: as written, with what Escadre knows of in its present state."""
    result: dict[str, Any] = {**written, "name": metadata.name, "namespace": metadata.namespace}
    for key, value in (
        ("labels", dict(metadata.labels)),
        ("annotations", dict(metadata.annotations)),
        ("finalizers", list(metadata.finalizers)),
    ):
        if value:
            result[key] = value
        elif result.get(key):
            del result[key]
    if metadata.namespace == DEFAULT_NAMESPACE and "namespace" not in written:
        del result["namespace"]
    return result


def worded_kind(value: Mapping[str, Any]) -> str:
    """Say what kind of object a mapping claims to be."""
    words = [shown(word) for key in ("apiVersion", "kind") if isinstance(word := value.get(key), str) and word]
    return " ".join(words) if len(words) == 2 else "an object without apiVersion and kind"
