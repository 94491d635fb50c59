"""An application in words: what `app get` shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hub.cli.apps import resource_text, source_text
from hub.cli.text import ago, bold, clean, fields, paint, plural, table
from hub.cli.values import display_name
from hub.domain.revision import SourceRevision

Detail = Mapping[str, Any]
Row = Mapping[str, Any]
_MOST_REVISIONS = 5
_MOST_ROWS = 50
"""Resources shown of one cluster; JSON has more."""


def detail_lines(detail: Detail, *, wide: bool = False) -> list[str]:
    """Return the whole page."""
    rows: Sequence[Row] = detail["clusters"]
    lines = _head(detail)
    if detail["conditions"]:
        lines += ["", bold("Conditions:"), *_conditions(detail["conditions"])]
    lines += ["", *_clusters(rows, wide=wide)] if rows else ["", "On no cluster."]
    for row in rows:
        lines += _cluster(row)
    return lines


def _head(detail: Detail) -> list[str]:
    summary, refresh = detail["summary"], detail["refresh"]
    is_compared = all(condition["type"] != "ComparisonError" for condition in detail["conditions"])
    pairs = [
        ("Name", display_name(summary)),
        ("Project", summary["project"]),
        ("Labels", ", ".join(f"{key}={value}" for key, value in summary["labels"].items())),
        *_sources(summary["sources"]),
        *(("Destination", destination) for destination in summary["destinations"]),
        ("Sync policy", _policy(summary, detail["manifest"])),
        *_revisions(refresh),
        ("Looked at", _looked_at(refresh)),
        ("Sync", _sync(summary, is_compared=is_compared)),
        ("Deployed", "" if is_compared else _deployed(detail["clusters"])),
        ("Health", _health(summary)),
        ("Operation", _failed(detail["failed_operation"])),
        ("Deletion", _deletion(detail.get("deletion"))),
    ]
    return fields((name, value if name in ("Sync", "Health", "Operation") else clean(value)) for name, value in pairs)


def _policy(summary: Row, manifest: Detail) -> str:
    words = str(summary["sync_policy"])
    automated = ((manifest.get("spec") or {}).get("syncPolicy") or {}).get("automated")
    if words == "manual":
        return "manual: it is synced when somebody asks for it"
    if automated == {}:
        return f"{words}: new commits are synced by themselves; nothing is pruned, and drift is left to be seen"
    return words


def _sources(sources: Sequence[Row]) -> list[tuple[str, str]]:
    """Return the sources, and of several what they may be named by."""
    if len(sources) < 2:
        return [("Source", source_text(source)) for source in sources]
    told = []
    for position, source in enumerate(sources, 1):
        roles = ", ".join(f"{word} {source[word]}" for word in ("name", "ref") if source.get(word))
        told.append((f"Source {position}", f"{source_text(source)} ({roles})" if roles else source_text(source)))
    return told


def _revisions(refresh: Detail) -> list[tuple[str, str]]:
    """Return what was last read, of each source."""
    revisions = refresh["revisions"]
    if not revisions:
        return [("Revision", str(refresh["revision"]))]
    if len(revisions) == 1:
        return [("Revision", f"{refresh['revision']}  {_commit(revisions[0])}".rstrip())]
    return [
        (f"Revision {position}", f"{SourceRevision('', revision['revision']).short}  {_commit(revision)}".rstrip())
        for position, revision in enumerate(revisions, 1)
    ]


def _commit(revision: Row) -> str:
    subject = revision["message"].partition("\n")[0]
    # One that is no commit is known by its digest.
    digest = revision.get("digest", "")
    exact = digest[:19] if digest != revision["revision"] else ""
    return ", ".join(filter(None, (subject, revision["author"], ago(revision["committed_at"]), exact)))


def _looked_at(refresh: Detail) -> str:
    asked = {"normal": "a new look was asked for", "hard": "rendering anew was asked for"}
    return ", ".join(filter(None, (ago(refresh["refreshed_at"]), asked.get(refresh["requested"], ""))))


def _sync(summary: Row, *, is_compared: bool) -> str:
    counts = summary["clusters"]
    if not is_compared:
        return f"{paint(clean(summary['sync']))}: what is to be cannot be found out, see the conditions"
    if not counts["total"]:
        return paint(clean(summary["sync"]))
    return f"{paint(clean(summary['sync']))} ({counts['synced']} of {plural(counts['total'], 'cluster')})"


def _deployed(rows: Sequence[Row]) -> str:
    """Return what stays in force: each revision that was synced last, and on how many clusters."""
    counts = Counter(str(row["synced_revision"]) for row in rows)
    told = [
        f"{f'revision {revision}' if revision else 'nothing yet'} on {number} of {plural(len(rows), 'cluster')}"
        for revision, number in counts.most_common(_MOST_REVISIONS)
    ]
    more = len(counts) - len(told)
    return ", ".join([*told, *([f"and {plural(more, 'other revision')}"] if more else [])])


def _health(summary: Row) -> str:
    counts = summary["clusters"]
    if not counts["total"]:
        return paint(clean(summary["health"]))
    away = f", {counts['unreachable']} unreachable" if counts["unreachable"] else ""
    return f"{paint(clean(summary['health']))} ({counts['healthy']} of {plural(counts['total'], 'cluster')}{away})"


def _failed(operation: Detail | None) -> str:
    if not operation:
        return ""
    who = f"{operation['kind']} asked for by {operation['initiated_by']} {ago(operation['started_at'])}"
    return f"{clean(who)} {paint('Failed')}: {clean(operation['message'])}"


def _deletion(deletion: Detail | None) -> str:
    if not deletion:
        return ""
    fate = "with all it put on clusters" if deletion["cascade"] else "leaving what it put on clusters"
    return f"asked for by {deletion['requested_by']} {ago(deletion['requested_at'])}, {fate}"


def _conditions(conditions: Iterable[Detail]) -> list[str]:
    return [f"  {clean(c['type'])}: {clean(c['message'])} (since {ago(c['last_transition_at'])})" for c in conditions]


def _clusters(rows: Sequence[Row], *, wide: bool) -> list[str]:
    titles = ["CLUSTER", "AGENT", "SYNC", "HEALTH", "REVISION", "NOT FINE", "LAST OPERATION"]
    cells = [
        [
            row["cluster"],
            row["liveness"],
            row["sync"],
            row["health"],
            row["synced_revision"] or row["revision"],
            f"{row['not_fine']} of {row['total']}",
            _operation(row["operation"]),
        ]
        for row in rows
    ]
    if wide:
        titles += ["ASSIGNED", "GENERATION", "OBSERVED", "LABELS"]
        for line, row in zip(cells, rows, strict=True):
            labels = ",".join(f"{key}={value}" for key, value in row["labels"].items())
            generations = f"{row['observed_generation']} of {row['generation']}"
            line += [row["revision"], generations, ago(row["observed_at"]), labels]
    return table(titles, cells)


def _operation(operation: Detail | None) -> str:
    if not operation:
        return ""
    when = ago(operation["finished_at"] or operation["started_at"])
    counted = f" {operation['done']} of {operation['total']}" if not operation["finished_at"] else ""
    dry = "dry-run " if operation["dry_run"] else ""
    return f"{dry}{operation['kind']} {operation['phase']}{counted} {when}".rstrip()


def _cluster(row: Row) -> list[str]:
    """Return what is to be said of one cluster beyond its line in the table; nothing when all is fine."""
    told = _troubles(row)
    resources = row["resources"]
    if resources:
        told += _resources(row, resources)
        told += _drift(resources, is_applied=row["revision"] == row["synced_revision"])
    if row["last_drift"] and not any(resource["drift"] for resource in resources):
        told += _last_drift(row["last_drift"])
    return ["", bold(f"Cluster {clean(row['cluster'])}:"), *told] if told else []


def _troubles(row: Row) -> list[str]:
    told = []
    if row["liveness"] != "Connected":
        since = f" {ago(row['since'])}" if row["since"] else ""
        never = "its agent has never connected" if row["liveness"] == "NeverConnected" else f"unreachable{since}"
        told.append(f"  {paint(never, 'Unreachable')}; what is shown is the last that was known")
    if row["refusal"]:
        told.append(f"  {paint('the agent refused the assignment', 'Failed')}: {clean(row['refusal'])}")
    if row["held"]:
        told.append("  held back: the hub was restored from a backup, and waits for a refresh")
    if row["deleting"]:
        told.append("  being removed from this cluster")
    if row["message"] and row["health"] != "Healthy":
        told.append(f"  {paint(clean(row['health']))}: {clean(row['message'])}")
    operation = row["operation"]
    if operation and operation["phase"] in ("Running", "Terminating"):
        told.append(f"  {operation['kind']} {paint(operation['phase'])}: {clean(operation['message'])}")
    if operation and operation["phase"] in ("Failed", "Error"):
        told.append(f"  {operation['kind']} {paint(operation['phase'])}: {clean(operation['message'])}")
        bad = [r for r in operation["results"] if r["status"] == "SyncFailed" or r["state"] == "Failed"]
        told += [f"    {clean(resource_text(result))}: {clean(result['message'])}" for result in bad]
    return told + _conditions(row["conditions"])


def _resources(row: Row, resources: Sequence[Row]) -> list[str]:
    shown = resources[:_MOST_ROWS]
    cells = [
        [
            resource_text(resource),
            resource["sync"],
            resource["health"],
            resource["message"] or ("to be pruned" if resource["requires_pruning"] else ""),
        ]
        for resource in shown
    ]
    lines = table(("RESOURCE", "SYNC", "HEALTH", "MESSAGE"), cells, indent="  ")
    left = row["not_fine"] - len(shown)
    return lines + ([f"  and {left} more: see `escadre app resources`"] if left > 0 else [])


def _drift(resources: Sequence[Row], *, is_applied: bool) -> list[str]:
    """Return every field that differs. What has not been applied yet is no drift."""
    title = "Drift of" if is_applied else "Differences of"
    lines: list[str] = []
    for resource in resources[:_MOST_ROWS]:
        if resource["drift"]:
            lines.append(f"  {title} {clean(resource_text(resource))}:")
            lines += [f"    {drift_text(field)}" for field in resource["drift"]]
    return lines


def _last_drift(drift: Detail) -> list[str]:
    healed = f", healed {ago(drift['healed_at'])}" if drift["healed_at"] else ""
    head = f"  Last drift: {clean(resource_text(drift))} {drift['change']}, seen {ago(drift['seen_at'])}{healed}"
    return [head, *(f"    {drift_text(field)}" for field in drift["fields"])]


def drift_text(field: Detail) -> str:
    """Return a field that differs: from what, to what, by whom and when."""
    before, after = field["assigned"] or "absent", field["live"] or "absent"
    likely = "probably " if field["likely"] else ""
    who = f", {likely}by {field['manager']}" if field["manager"] else ""
    when = f" {ago(field['changed'])}" if field["changed"] else ""
    return clean(f"{field['path']}: {_short(before)} → {_short(after)}{who}{when}")


def _short(text: str) -> str:
    return text if len(text) <= 120 else text[:117] + "..."
