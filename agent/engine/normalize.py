"""What of an object counts when it is compared, and how two spellings of one state are made one.

Half of what an object holds is the server's own book-keeping, and some of the rest can be written in two ways that
mean the same. Reporting either as drift would teach people not to read drift.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any, Final

import orjson

from agent.engine.compare_options import DEFAULT_OPTIONS, CompareOptions
from agent.engine.resource import Object, split_api_version

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""Where client-side apply keeps what it applied: book-keeping, like managedFields, that happens to be an annotation."""

_BUSY_METADATA: Final = frozenset({"resourceVersion", "managedFields", "generation"})

_SERVER_METADATA: Final = _BUSY_METADATA | {
    "uid",
    "creationTimestamp",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
}

_EMPTY_IS_ABSENT: Final = ("labels", "annotations", "finalizers", "ownerReferences")
"""The server drops these when they are empty."""


def content_hash(obj: Object) -> bytes:
    """Return 16 bytes that change when the object does, its status and the server's book-keeping aside.

    Runs for every watch event, so nothing is copied but the two outermost maps.
    """
    content = {k: v for k, v in obj.items() if k != "status"}
    metadata = content.get("metadata")
    if isinstance(metadata, dict):
        content["metadata"] = {k: v for k, v in metadata.items() if k not in _BUSY_METADATA}
    return hashlib.blake2b(canonical(content), digest_size=16).digest()


def canonical(value: Any) -> bytes:
    """Return a JSON value as bytes, equal values to equal bytes: JSON with sorted keys wherever that can be written.

    What orjson does not write (more than 254 levels, integers beyond 64 bits, lone surrogates) gets a form of its own.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return b"".join(_tokens(value))


def _tokens(value: Any) -> Iterator[bytes]:
    """Yield a value piece by piece, however deep it is: a stack of its own instead of Python's."""
    stack: list[tuple[bytes, Any]] = [(b"", value)]
    while stack:
        before, item = stack.pop()
        yield before
        if isinstance(item, dict):
            stack.append((b"}", _NOTHING))
            stack.extend((_scalar(key) + b":", item[key]) for key in sorted(item, reverse=True))
            yield b"{"
        elif isinstance(item, list):
            stack.append((b"]", _NOTHING))
            stack.extend((b",", member) for member in reversed(item))
            yield b"["
        elif item is not _NOTHING:
            yield _scalar(item)


_NOTHING: Final = object()


def _scalar(value: Any) -> bytes:
    return repr(value).encode("utf-8", "surrogatepass")


def comparable(obj: Object, options: CompareOptions = DEFAULT_OPTIONS) -> Object:
    """Return an object reduced to what is compared: no status, no server metadata, one spelling for what has two.

    Shares everything it can with the object, and changes nothing in it. Wrong types are left as they are.
    """
    hidden = "status" if options.hides_status(obj) else None
    content = {k: v for k, v in obj.items() if k != hidden}
    metadata = content.get("metadata")
    if isinstance(metadata, dict):
        content["metadata"] = _comparable_metadata(metadata)
    kind = content.get("kind")
    if kind == "Secret":
        fold_string_data(content)
        _drop_empty_data(content)
    elif kind in ("Role", "ClusterRole") and _group_of(content) == "rbac.authorization.k8s.io":
        _settle_rules(content, options)
    return content


def _comparable_metadata(metadata: Object) -> Object:
    kept = {k: v for k, v in metadata.items() if k not in _SERVER_METADATA and (v or k not in _EMPTY_IS_ABSENT)}
    annotations = kept.get("annotations")
    if isinstance(annotations, dict) and LAST_APPLIED in annotations:
        rest = {k: v for k, v in annotations.items() if k != LAST_APPLIED}
        if rest:
            kept["annotations"] = rest
        else:
            del kept["annotations"]
    return kept


def _group_of(obj: Object) -> str:
    api_version = obj.get("apiVersion")
    return split_api_version(api_version)[0] if isinstance(api_version, str) else ""


def fold_string_data(secret: Object) -> None:
    """Do what the server does on every write: `stringData` is merged into `data`, over what was there.

    The object is changed in place, nothing below it is. What is not of its type stays as it is.
    """
    plain, data = secret.get("stringData"), secret.get("data")
    if isinstance(plain, dict) and isinstance(data, dict | None) and all(isinstance(v, str) for v in plain.values()):
        secret["data"] = {**(data or {}), **{k: base64_of(v) for k, v in plain.items()}}
        del secret["stringData"]


def _drop_empty_data(secret: Object) -> None:
    for section in ("data", "stringData"):
        if section in secret and not secret[section]:
            del secret[section]


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogatepass")).decode("ascii")


def _settle_rules(role: Object, options: CompareOptions) -> None:
    """Empty rules and none mean the same. Rules of an aggregated ClusterRole belong to the control plane."""
    aggregated = role.get("aggregationRule") is not None and options.ignore_aggregated_roles
    if "rules" in role and (not role["rules"] or aggregated):
        del role["rules"]


def alike(a: Any, b: Any) -> bool:
    """Say whether two values are written alike. Cheap, and never true of what differs; 1 and 1.0 are not alike.

    Most of two objects that are compared is the same, and comparing it in Python would take thirty times as long.
    """
    if a is b:
        return True
    try:
        return bool(
            orjson.dumps(a) == orjson.dumps(b)
            # The order of keys means nothing, but what differs here nearly always differs in more than that.
            or (a == b and orjson.dumps(a, option=_SORTED) == orjson.dumps(b, option=_SORTED))
        )
    except (TypeError, RecursionError):
        return False


_SORTED: Final = orjson.OPT_SORT_KEYS


def same(a: Any, b: Any) -> bool:
    """Compare two values that are neither maps nor lists, as JSON does: true is not 1, but 1 is 1.0."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    return bool(a == b)
