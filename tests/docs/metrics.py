"""Which metrics the hub has, read from where they are declared: what a scrape shows depends on what has happened."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.docs.pages import ROOT

_KINDS = {
    "Counter": "counter",
    "CounterMetricFamily": "counter",
    "Gauge": "gauge",
    "GaugeMetricFamily": "gauge",
    "Histogram": "histogram",
    "HistogramMetricFamily": "histogram",
    "InfoMetricFamily": "info",
    "Info": "info",
    "Summary": "summary",
    "SummaryMetricFamily": "summary",
}
_SUFFIX = {"counter": "_total", "info": "_info"}


@dataclass(frozen=True, slots=True)
class Declared:
    name: str
    """As a scrape shows it."""
    kind: str
    labels: tuple[str, ...]
    help: str


def declared_metrics() -> list[Declared]:
    """Return every metric declared in the hub, by name."""
    found = [metric for path in sorted((ROOT / "hub").rglob("*.py")) for metric in _in_file(path)]
    return sorted(found, key=lambda metric: metric.name)


def _in_file(path: Path) -> Iterator[Declared]:
    text = path.read_text("utf-8")
    if "prometheus_client" not in text:
        return
    for scope in ast.walk(ast.parse(text)):
        if isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lists = {
                node.targets[0].id: node.value
                for node in ast.walk(scope)
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
            }
            for node in ast.walk(scope):
                if isinstance(node, ast.Call) and (metric := _declared(node, lists)):
                    yield metric


def _declared(call: ast.Call, lists: dict[str, ast.expr]) -> Declared | None:
    kind = _KINDS.get(call.func.id) if isinstance(call.func, ast.Name) else None
    if kind is None or len(call.args) < 2 or not all(isinstance(a, ast.Constant) for a in call.args[:2]):
        return None
    name, help = (str(argument.value) for argument in call.args[:2] if isinstance(argument, ast.Constant))
    suffix = _SUFFIX.get(kind, "")
    shown = name if name.endswith(suffix) else name + suffix
    return Declared(shown, kind, _labels(call, kind, lists), help)


def _labels(call: ast.Call, kind: str, lists: dict[str, ast.expr]) -> tuple[str, ...]:
    named = next((keyword.value for keyword in call.keywords if keyword.arg in ("labels", "labelnames")), None)
    third = call.args[2] if len(call.args) > 2 else None
    value = named if named is not None else third
    if isinstance(value, ast.Name):
        value = lists.get(value.id)
    if isinstance(value, (ast.List, ast.Tuple)):
        return tuple(str(item.value) for item in value.elts if isinstance(item, ast.Constant))
    if kind == "info" and isinstance(value, ast.Dict):
        return tuple(str(key.value) for key in value.keys if isinstance(key, ast.Constant))
    return ()
