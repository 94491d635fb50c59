"""How an application is kept in sync (`syncPolicy`, `ignoreDifferences`) ⇄ the domain."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from hub.domain.application import Automated, Backoff, IgnoreDifference, NamespaceMetadata, Retry, SyncPolicy
from hub.domain.names import annotations_problem, labels_problem
from hub.formats import served
from hub.formats.duration import format_duration, parse_duration
from hub.formats.errors import FormatError, shown
from hub.formats.fields import Fields, Problems, described, did_you_mean
from hub.formats.yaml import load_document

AUTOMATED_WORDS = {
    **dict.fromkeys(("automated", "automatic", "auto", "true"), True),
    **dict.fromkeys(("manual", "none", "false", ""), False),
}
"""What people write for "keep it in sync by itself", here and on the command line, and for its opposite."""

SYNC_OPTIONS_ANNOTATION = "argocd.argoproj.io/sync-options"

_IGNORE_DIFFERENCES = re.compile(r"(?:^|,)\s*IgnoreDifferences=")
_LONGEST_EXPRESSION = 10_000


def read_sync_policy(fields: Fields | None) -> SyncPolicy:
    if fields is None:
        return SyncPolicy()
    policy = SyncPolicy(
        automated=_read_automated(fields),
        sync_options=_read_sync_options(fields),
        retry=_read_retry(fields.child("retry")),
        namespace=_read_namespace(fields.child("managedNamespaceMetadata")),
    )
    fields.finish()
    return policy


def write_sync_policy(policy: SyncPolicy) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if policy.automated is not None:
        found = {
            "prune": policy.automated.prune,
            "selfHeal": policy.automated.self_heal,
            "allowEmpty": policy.automated.allow_empty,
        }
        result["automated"] = {key: value for key, value in found.items() if value}
    if policy.sync_options:
        result["syncOptions"] = list(policy.sync_options)
    if policy.namespace is not None:
        metadata = {"labels": dict(policy.namespace.labels), "annotations": dict(policy.namespace.annotations)}
        result["managedNamespaceMetadata"] = {key: value for key, value in metadata.items() if value}
    if policy.retry is not None:
        backoff = policy.retry.backoff
        result["retry"] = {
            "limit": policy.retry.limit,
            "backoff": {
                "duration": format_duration(backoff.duration),
                "factor": int(backoff.factor) if backoff.factor.is_integer() else backoff.factor,
                "maxDuration": format_duration(backoff.max_duration),
            },
        }
        if policy.retry.refresh:
            result["retry"]["refresh"] = True
    return result


def read_ignore_differences(spec: Fields, annotations: Mapping[str, str]) -> tuple[IgnoreDifference, ...]:
    """Read the spec's list, and what the sync-options annotation of the application adds to it."""
    found = [_read_ignore_difference(child) for child in spec.children("ignoreDifferences")]
    for value in _annotated(annotations.get(SYNC_OPTIONS_ANNOTATION, ""), spec.problems):
        path = f"metadata.annotations[{SYNC_OPTIONS_ANNOTATION}]"
        entry = _read_ignore_difference(Fields(value, f"{path}.IgnoreDifferences", spec.problems))
        if entry not in found:
            found.append(entry)
    return tuple(found)


def write_ignore_difference(entry: IgnoreDifference) -> dict[str, Any]:
    found: dict[str, Any] = {
        "group": entry.group,
        "kind": entry.kind,
        "name": entry.name,
        "namespace": entry.namespace,
        "jsonPointers": list(entry.json_pointers),
        "jqPathExpressions": list(entry.jq_path_expressions),
        "managedFieldsManagers": list(entry.managed_fields_managers),
    }
    return {key: value for key, value in found.items() if value}


def sync_option_problem(option: str) -> str:
    """Say what is wrong with one of syncOptions; nothing when it is one that Escadre serves."""
    name, equals, value = option.partition("=")
    values = served.SYNC_OPTIONS.get(name)
    if values is None:
        return f"is not a known sync option{did_you_mean(name, served.SYNC_OPTIONS)}"
    if not equals or value not in values:
        return f"is not a known sync option: write {name}={' or '.join(values)}"
    unserved = served.SYNC_OPTIONS_UNSERVED.get(option)
    return f"is not served: {unserved}" if unserved else ""


def _read_automated(fields: Fields) -> Automated | None:
    value = fields.get("automated")
    if isinstance(value, (bool, str)):
        word = str(value).strip().lower()
        if word not in AUTOMATED_WORDS:
            fields.fail("automated", f'is {described(value)}: write "automated: {{}}" to turn it on, or leave it out')
        return Automated() if AUTOMATED_WORDS.get(word) else None
    automated = fields.child("automated")
    if automated is None:
        return None
    found = Automated(automated.flag("prune"), automated.flag("selfHeal"), automated.flag("allowEmpty"))
    enabled = automated.flag("enabled", default=True)
    automated.finish()
    return found if enabled else None


def _read_namespace(fields: Fields | None) -> NamespaceMetadata | None:
    if fields is None:
        return None
    labels, annotations = fields.text_map("labels"), fields.text_map("annotations")
    for key, problem in (("labels", labels_problem(labels)), ("annotations", annotations_problem(annotations))):
        if problem:
            fields.fail(key, problem)
    fields.finish()
    return NamespaceMetadata(labels, annotations)


def _read_sync_options(fields: Fields) -> tuple[str, ...]:
    options = fields.texts("syncOptions")
    for index, option in enumerate(options):
        if problem := sync_option_problem(option):
            fields.problems.unserved.append(f"{fields.at('syncOptions')}[{index}] {shown(option)!r} {problem}")
    return options


def _read_retry(fields: Fields | None) -> Retry | None:
    if fields is None:
        return None
    # A retry without a limit is none, as in Argo CD, which leaves a limit of 0 out of what it exports.
    limit = fields.integer("limit", 0, least=-(2**31))
    backoff = _read_backoff(fields.child("backoff"))
    refresh = fields.flag("refresh")
    fields.finish()
    return Retry(max(limit, -1), backoff, refresh)


def _read_backoff(fields: Fields | None) -> Backoff:
    default = Backoff()
    if fields is None:
        return default
    backoff = Backoff(
        _read_duration(fields, "duration", default.duration),
        _read_factor(fields, default.factor),
        _read_duration(fields, "maxDuration", default.max_duration),
    )
    fields.finish()
    return backoff


def _read_factor(fields: Fields, default: float) -> float:
    factor = fields.get("factor")
    if factor is None:
        return default
    if isinstance(factor, (int, float)) and not isinstance(factor, bool) and 1 <= factor <= 1000:
        return float(factor)
    fields.fail("factor", f"is {described(factor)}, but a number from 1 to 1000 is wanted")
    return default


def _read_duration(fields: Fields, key: str, default: float) -> float:
    value = fields.get(key)
    if value is None or value == "":
        return default
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        fields.fail(key, f'is {described(value)}: write a duration like "5s" or "3m"')
        return default
    try:
        return parse_duration(value)
    except ValueError as error:
        fields.fail(key, f"{error} (it is {described(value)})")
        return default


def _read_ignore_difference(fields: Fields) -> IgnoreDifference:
    entry = IgnoreDifference(
        kind=fields.required("kind", 'name a kind, or "*" for all'),
        group=fields.text("group"),
        name=fields.text("name"),
        namespace=fields.text("namespace"),
        json_pointers=fields.texts("jsonPointers"),
        jq_path_expressions=fields.texts("jqPathExpressions"),
        managed_fields_managers=fields.texts("managedFieldsManagers"),
    )
    fields.finish()
    for index, pointer in enumerate(entry.json_pointers):
        if not pointer.startswith("/"):
            fields.fail(
                f"jsonPointers[{index}]", f"is {described(pointer)}: a pointer begins with '/', as /spec/replicas"
            )
    for key, expressions in (("jsonPointers", entry.json_pointers), ("jqPathExpressions", entry.jq_path_expressions)):
        if any(len(expression) > _LONGEST_EXPRESSION for expression in expressions):
            fields.fail(key, f"holds one of more than {_LONGEST_EXPRESSION} characters")
    if not (entry.json_pointers or entry.jq_path_expressions or entry.managed_fields_managers):
        fields.fail("", "ignores nothing: give jsonPointers, jqPathExpressions or managedFieldsManagers")
    return entry


def _annotated(options: str, problems: Problems) -> list[Mapping[str, Any]]:
    """Return the JSON mappings that stand behind IgnoreDifferences= in the annotation. They hold commas themselves."""
    found: list[Mapping[str, Any]] = []
    decoder = json.JSONDecoder()
    place = _IGNORE_DIFFERENCES.search(options)
    while place is not None:
        start = place.end()
        try:
            _, end = decoder.raw_decode(options, start)
            value = load_document(options[start:end], name=SYNC_OPTIONS_ANNOTATION)
        except (ValueError, RecursionError, FormatError):
            value, end = None, start
        if isinstance(value, Mapping):
            found.append(value)
        else:
            problems.errors.append(
                f"metadata.annotations[{SYNC_OPTIONS_ANNOTATION}] has an IgnoreDifferences that is not a JSON mapping, "
                'like {"kind":"Deployment","jsonPointers":["/spec/replicas"]}'
            )
        place = _IGNORE_DIFFERENCES.search(options, end)
    return found
