"""From what a chart's templates gave to documents in the order of `helm template`.

Helm splits the text itself, before anything reads it as YAML, and more leniently: `---apiVersion: v1` ends one document
and begins the next. Then plain objects are put in order by their kinds, and hooks after them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hub.formats.errors import FormatError
from hub.formats.limits import Limits
from hub.formats.yaml import Document, load_documents
from hub.render.errors import RenderError

_SEPARATOR = re.compile(r"^---[ \t]*", re.MULTILINE)
_HOOK = "helm.sh/hook"
_TESTS = frozenset(("test", "test-success"))
_HOOKS = _TESTS | {
    f"{when}-{what}" for when in ("pre", "post") for what in ("install", "upgrade", "delete", "rollback")
}
_KINDS = (
    *("PriorityClass", "Namespace", "NetworkPolicy", "ResourceQuota", "LimitRange", "PodSecurityPolicy"),
    *("PodDisruptionBudget", "ServiceAccount", "Secret", "SecretList", "ConfigMap", "StorageClass", "PersistentVolume"),
    *("PersistentVolumeClaim", "CustomResourceDefinition", "ClusterRole", "ClusterRoleList", "ClusterRoleBinding"),
    *("ClusterRoleBindingList", "Role", "RoleList", "RoleBinding", "RoleBindingList", "Service", "DaemonSet", "Pod"),
    *("ReplicationController", "ReplicaSet", "Deployment", "HorizontalPodAutoscaler", "StatefulSet", "Job", "CronJob"),
    *("IngressClass", "Ingress", "APIService", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"),
)
_PLACES = {kind: place for place, kind in enumerate(_KINDS)}


@dataclass(frozen=True, slots=True)
class _Piece:
    documents: list[Document]
    hook: str | None

    @property
    def place(self) -> tuple[bool, int, str]:
        head = self.documents[0].value if self.documents else {}
        kind = str(head.get("kind") or "") if isinstance(head, dict) else ""
        place = _PLACES.get(kind)
        return self.hook is not None, len(_KINDS) if place is None else place, "" if place is not None else kind


def in_order(templates: Mapping[str, str], limits: Limits) -> Iterator[Document]:
    """Yield the documents of templates: name → text. Raises FormatError, RenderError.

    An object with a hook that Helm does not know is left out, as Helm does.
    """
    texts = [
        (name, line, text)
        for name in sorted(templates, key=str.encode)
        if not name.rpartition("/")[2].startswith("_")
        for line, text in _split(templates[name])
    ]
    if len(texts) > limits.documents:
        raise RenderError(
            f"The chart puts out more than {limits.documents:,} documents: look for a loop in a template, or split it.",
            code="too-large",
        )
    pieces = [_piece(name, line, text, limits) for name, line, text in texts]
    for piece in sorted(pieces, key=lambda piece: piece.place):
        if not _is_unknown(piece.hook):
            yield from piece.documents


def is_test(value: Any) -> bool:
    """Whether an object is one of the chart's tests."""
    hook = _hook(value)
    return hook is not None and not _TESTS.isdisjoint(_events(hook))


def _split(text: str) -> Iterator[tuple[int, str]]:
    """Yield the documents of a text, each with the number of lines above it."""
    start = line = counted = 0
    for found in (*_SEPARATOR.finditer(text), None):
        piece = text[start : found.start() if found else len(text)]
        if body := piece.lstrip():
            begins = start + len(piece) - len(body)
            line += text.count("\n", counted, begins)
            counted = begins
            yield line, body
        start = found.end() if found else len(text)


def _piece(name: str, line: int, text: str, limits: Limits) -> _Piece:
    documents = [
        Document(document.value, document.name, document.line + line) for document in _read(name, line, text, limits)
    ]
    for document in documents[:1]:
        _check(document)
    return _Piece(documents, _hook(documents[0].value) if documents else None)


def _read(name: str, line: int, text: str, limits: Limits) -> list[Document]:
    try:
        return load_documents(text, name=name, limits=limits)
    except FormatError as error:
        # Told by its line in the whole.
        raise FormatError(
            error.problem,
            name=name,
            line=error.line and error.line + line,
            column=error.column,
            advice=error.advice,
        ) from error


def _check(document: Document) -> None:
    """Helm refuses annotations that cannot be text, whatever else is in the object."""
    for key, value in (_annotations(document.value) or {}).items():
        if isinstance(value, dict | list):
            raise RenderError(
                f"{document.name}, line {document.line}: the annotation {key[:100]} is no text: write it in quotes.",
                code="invalid-manifest",
            )


def _annotations(value: Any) -> dict[str, Any] | None:
    metadata = value.get("metadata") if isinstance(value, dict) else None
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return annotations if isinstance(annotations, dict) else None


def _hook(value: Any) -> str | None:
    annotations = _annotations(value) or {}
    return str(annotations[_HOOK] or "") if _HOOK in annotations else None


def _events(hook: str) -> set[str]:
    return {event.strip().lower() for event in hook.split(",")}


def _is_unknown(hook: str | None) -> bool:
    return hook is not None and not _events(hook) <= _HOOKS
