"""Small versions of the benches: that they run, measure something, and say what their table promises."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from agent.engine.resource import MANAGED_LABEL
from tests.benchmarks import __main__ as program
from tests.benchmarks import (
    clone,
    drift,
    engine,
    fanout,
    health_latency,
    helm,
    hub_size,
    monorepo,
    narrow,
    one_cluster,
    polling,
    restart,
    steady,
    waves,
)
from tests.benchmarks import table as table_module
from tests.benchmarks.fanout import percentile
from tests.benchmarks.plane import start_plane
from tests.benchmarks.table import BEGIN, BENCHES, END, met, table, write_page
from tests.controlplane.cluster import ControlPlane
from tests.syncer.objects import group_of

Figures = Mapping[str, float]


def promised(name: str, figures: Figures) -> bool:
    return BENCHES[name].reach.keys() <= figures.keys()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with start_plane(tmp_path_factory.mktemp("plane"), audited=True) as plane:
        yield plane


@pytest.fixture
def plane(shared: ControlPlane) -> Iterator[ControlPlane]:
    """One that nothing of an earlier bench is on any more."""
    yield shared
    definition = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group_of('bench')}"
    shared.request("DELETE", f"/api/v1/namespaces/default/configmaps?labelSelector={MANAGED_LABEL}")
    if shared.exists(definition):
        shared.request("DELETE", definition)
    deadline = time.monotonic() + 30
    while shared.exists(definition):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
async def test_fanout_of_a_few_agents(tmp_path: Path) -> None:
    figures = await fanout.run(tmp_path, agents=5, rounds=2)
    assert promised("fanout", figures)
    assert 0 < figures["p50_s"] <= figures["p99_s"] <= figures["max_s"] < 10


@pytest.mark.slow
async def test_restart_of_a_hub_of_a_few_agents(tmp_path: Path) -> None:
    figures = await restart.run(tmp_path, agents=5, apps=4, aftermath=1.0)
    assert promised("restart", figures)
    assert figures["assignments"] == 20
    assert 0 < figures["seconds"] < 60
    assert (figures["blobs_sent"], figures["assignments_sent"], figures["statuses_sent"]) == (0, 0, 0)


@pytest.mark.slow
async def test_narrow_with_a_few_applications(tmp_path: Path) -> None:
    figures = await narrow.run(tmp_path, apps=20, rounds=2)
    assert promised("narrow", figures)
    assert (figures["renders"], figures["looks"]) == (1, 1)
    assert 0 < figures["seconds"] < 10


@pytest.mark.slow
async def test_a_monorepo_with_a_few_applications(tmp_path: Path) -> None:
    figures = await monorepo.run(tmp_path, apps=30, rounds=2)
    assert promised("monorepo", figures)
    assert (figures["renders"], figures["looks"]) == (3, 3)
    assert 0 < figures["seconds"] < 10 and 50 < figures["hub_rss_mb"] < 500


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_polling_a_few_repositories_of_which_one_hangs(tmp_path: Path) -> None:
    figures = await polling.run(tmp_path, repositories=6)
    assert promised("polling", figures)
    assert figures["ls_remotes"] == 6
    assert 0 < figures["slowest_other_s"] < 10 < figures["hanging_s"]


@pytest.mark.slow
async def test_cloning_a_few_megabytes(tmp_path: Path) -> None:
    figures = await clone.run(tmp_path, megabytes=8)
    assert promised("clone", figures)
    assert figures["mirror_mb"] >= 8 and 50 < figures["hub_rss_mb"] < 500


@pytest.mark.slow
async def test_size_of_a_hub_with_a_few_agents(tmp_path: Path) -> None:
    figures = await hub_size.run(tmp_path, agents=4, rest=2.0)
    assert promised("hub-size", figures)
    assert 50 < figures["rss_mb"] < 500
    assert 0 <= figures["cpu_percent"] < 50


@pytest.mark.slow
@pytest.mark.controlplane
@pytest.mark.timeout(300)
async def test_one_real_cluster_with_a_few_applications(tmp_path: Path, plane: ControlPlane) -> None:
    figures = await one_cluster.run(tmp_path, apps=10, rounds=1, plane=plane)
    assert promised("one-cluster", figures)
    assert 0 < figures["ratio"] < 2
    assert 0 < figures["hub_agent_cpu_s"] < 20


@pytest.mark.slow
@pytest.mark.controlplane
@pytest.mark.timeout(300)
async def test_drift_of_a_few_objects(tmp_path: Path, plane: ControlPlane) -> None:
    figures = await drift.run(tmp_path, apps=1, plane=plane)
    assert promised("drift", figures)
    assert figures["objects"] == 10
    assert 0 < figures["healed_p50_s"] <= figures["healed_p99_s"] < 10


@pytest.mark.slow
@pytest.mark.controlplane
@pytest.mark.timeout(300)
async def test_steady_with_a_few_objects(tmp_path: Path, plane: ControlPlane) -> None:
    figures = await steady.run(tmp_path, apps=2, objects=20, seconds=5.0, plane=plane)
    assert promised("steady", figures)
    assert figures["managed"] == 40 and figures["api_requests"] == 0
    assert 0 < figures["cpu_percent"] < 100


@pytest.mark.slow
@pytest.mark.controlplane
@pytest.mark.timeout(300)
async def test_health_of_a_few_objects(tmp_path: Path, plane: ControlPlane) -> None:
    figures = await health_latency.run(tmp_path, objects=5, plane=plane)
    assert promised("health-latency", figures)
    assert 0 < figures["p50_s"] <= figures["p99_s"] < 10


@pytest.mark.slow
@pytest.mark.controlplane
@pytest.mark.timeout(300)
async def test_a_few_waves(tmp_path: Path, plane: ControlPlane) -> None:
    figures = await waves.run(tmp_path, waves=3, plane=plane)
    assert promised("waves", figures)
    assert figures["seconds"] > 4 and figures["idle_s"] < 10


@pytest.mark.slow
async def test_a_few_charts(tmp_path: Path) -> None:
    figures = await helm.run(tmp_path, applications=6, charts=2, alone=3)
    assert promised("helm", figures)
    assert (figures["renders"], figures["repeat_renders"]) == (6, 0)
    assert 0 < figures["seconds"] < 30 and 0 < figures["ratio"] < 20


@pytest.mark.slow
async def test_the_engine_with_a_few_objects(tmp_path: Path) -> None:
    figures = await engine.run(tmp_path, objects=60)
    assert promised("engine", figures)
    assert 0 < figures["seconds"] < 1 and 10 < figures["rss_mb"] < 200


def test_every_bench_has_a_module_that_says_from_when_to_when() -> None:
    for name in BENCHES:
        module = program.module_of(name)
        assert callable(module.run)
        assert "easured" in (module.__doc__ or "") or "watched for a minute" in (module.__doc__ or "")


def test_one_bench_writes_its_figures_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(root: Path) -> Figures:
        assert root.is_dir()
        return {"renders": 1, "seconds": 0.1}

    monkeypatch.setattr(narrow, "run", run)
    target = tmp_path / "figures.json"
    monkeypatch.setattr(sys, "argv", ["bench", "--only", "narrow", "--json", str(target)])
    assert program.main() == 0
    assert json.loads(target.read_text()) == {"name": "narrow", "figures": {"renders": 1, "seconds": 0.1}}


def test_a_bench_that_fails_is_told_and_leaves_the_others_their_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def good(root: Path) -> Figures:
        return {"seconds": 0.1}

    async def bad(root: Path) -> Figures:
        raise RuntimeError("not within 60 s")

    page = tmp_path / "performance.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    monkeypatch.setattr(table_module, "PAGE", page)
    for name in BENCHES:
        monkeypatch.setattr(program.module_of(name), "run", bad if name == "drift" else good)
    monkeypatch.setattr(sys, "argv", ["bench"])
    assert program.main() == 1
    assert "not within 60 s" in capsys.readouterr().err
    assert page.read_text().count("`seconds` 0.1 |") == len(BENCHES) - 1
    assert page.read_text().count("did not finish") == 1


def test_the_page_gets_the_figures_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"# Performance\n{BEGIN}\nold figures\n{END}\nThe end.\n")
    write_page({"fanout": {"p50_s": 0.5, "p99_s": 2.5, "agents": 1000}}, page)
    text = page.read_text()
    assert text.startswith(f"# Performance\n{BEGIN}\n")
    assert text.endswith(f"{END}\nThe end.\n")
    assert "old figures" not in text
    assert "`p50_s` 0.5, `p99_s` **2.5** (short), `agents` 1000 |" in text


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("# Performance\n")
    with pytest.raises(ValueError, match="has no"):
        write_page({"narrow": {"renders": 1, "seconds": 0.1}}, page)
    assert page.read_text() == "# Performance\n"


def test_what_falls_short_says_why() -> None:
    text = table({"fanout": {"p50_s": 1.5, "p99_s": 1.9}, "narrow": {"renders": 1, "seconds": 0.1}})
    assert text.count("- `") == 1 and f"- `fanout`: {BENCHES['fanout'].reason}" in text
    assert "short, and why" not in table({"fanout": {"p50_s": 0.5, "p99_s": 1.9}})


def test_large_counts_are_written_in_full() -> None:
    assert "`assignments` 100000 |" in table({"restart": {"seconds": 20.0, "blobs_sent": 0, "assignments": 100000}})


@pytest.mark.parametrize(
    ("how", "value", "expected"),
    [("<", 1.0, False), ("<", 0.9, True), ("≤", 1.0, True), ("≥", 1.0, True), ("≥", 0.9, False), ("=", 1.0, True)],
)
def test_what_is_to_be_reached(how: str, value: float, expected: bool) -> None:
    assert met(how, 1.0, value) is expected


def test_percentile_is_a_value_that_was_measured() -> None:
    values = [float(n) for n in range(1, 101)]
    assert percentile(values, 0.99) == 99.0
    assert percentile(values, 0.5) == 50.0
    assert percentile([7.0], 0.99) == 7.0
