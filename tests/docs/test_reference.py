"""What the code has, the manual tells."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from agent.engine.actions.resource import BUILT_IN
from hub.api.errors import CATALOGUE
from hub.api.metrics import Telemetry
from hub.cli.docs import walk
from hub.domain.cluster import Liveness
from hub.domain.operation import OperationPhase
from hub.domain.status import ConditionType, HealthStatus, SyncStatus
from hub.formats import served
from hub.render.model import RenderLimits
from tests.docs.commands import problem
from tests.docs.metrics import declared_metrics
from tests.docs.pages import ROOT, page
from tests.docs.reference import TABLES, current

_TOLD = re.compile(r"`((?:escadre|escadre-hub|escadre-agent) [a-z][^`{}]*)`")


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_what_the_code_says(name: str) -> None:
    _, make = TABLES[name]
    assert current(name) == make(), "run `make docs`"


def test_every_built_in_action_is_in_its_page() -> None:
    told = {code for _, code in page("docs/actions.md").code()}
    assert {name for actions in BUILT_IN.values() for name in actions} <= told
    text = page("docs/actions.md").text
    missing = [kind for kind in BUILT_IN if "fluxcd" not in kind.group and kind.kind not in text]
    assert not missing, "Flux's are told together"


def test_every_command_is_in_its_page() -> None:
    documented = set(page("docs/cli.md").headings())
    missing = [path for path, _, _ in walk() if path not in documented]
    assert not missing, f"run `make docs`: {missing} are missing"


def test_every_condition_has_its_heading() -> None:
    documented = set(page("docs/troubleshooting.md").headings())
    assert {condition.value for condition in ConditionType} <= documented


@pytest.mark.parametrize("words", [SyncStatus, HealthStatus, OperationPhase])
def test_every_state_is_told(words: type[SyncStatus] | type[HealthStatus] | type[OperationPhase]) -> None:
    text = page("docs/concepts.md").text
    assert [word.value for word in words if word.value not in text] == []


def test_every_liveness_is_told() -> None:
    text = page("docs/troubleshooting.md").text + page("docs/concepts.md").text
    assert [word.value for word in Liveness if word.value not in text and word is not Liveness.CONNECTED] == []


def test_every_sync_option_is_told() -> None:
    text = page("docs/applications.md").text
    assert [option for option in served.SYNC_OPTIONS if option not in text] == []


def test_limits_of_a_render_are_the_ones_told() -> None:
    limits = RenderLimits()
    mib = 1024 * 1024
    told = (
        f"One render may take {limits.seconds:.0f} seconds, read {limits.input_bytes // mib} MB and give "
        f"{limits.resources:,} objects of {limits.resource_bytes // mib} MB each and "
        f"{limits.output_bytes // mib} MB together."
    )
    assert told in page("docs/applications.md").text


def test_metrics_declared_are_those_a_scrape_shows() -> None:
    telemetry = Telemetry()
    telemetry.api_request("GET", 200, 0.1)
    shown = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(generate_latest(telemetry.registry).decode())
        if not family.name.endswith("_created")
    }
    declared = {metric.name for metric in declared_metrics()}
    assert shown <= declared


def test_commands_that_messages_recommend_are_there() -> None:
    wrong = []
    for path, line, text in _strings():
        wrong += [f"{path}:{line}: {found}" for told in _TOLD.findall(text) if (found := problem(told))]
    for code, entry in CATALOGUE.items():
        wrong += [f"error code {code}: {found}" for told in _TOLD.findall(entry.advice) if (found := problem(told))]
    assert not wrong, "\n".join(wrong)


def _strings() -> Iterator[tuple[str, int, str]]:
    """Yield every text of the programs: what they may say to people."""
    for folder in ("hub", "agent"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield from _strings_of(path)


def _strings_of(path: Path) -> Iterator[tuple[str, int, str]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts = (value.value if isinstance(value, ast.Constant) else "NAME" for value in node.values)
            yield str(path.relative_to(ROOT)), node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield str(path.relative_to(ROOT)), node.lineno, node.value
