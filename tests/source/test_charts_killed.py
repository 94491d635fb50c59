"""A hub that is killed in the middle of a fetch: the next one finds nothing half done."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lives import ROOT, environment
from tests.source.chart_servers import ChartRepository, Tls, make_tls, package, serve_charts

FETCH = """
import asyncio, json, sys
from pathlib import Path
from hub.domain.application import Source
from hub.domain.place import place_of
from hub.domain.repository import Access
from hub.source.charts import Charts
from hub.source.policy import SourcePolicy

async def main(root, ca_file, url):
    charts = Charts(Path(root), lambda url, project: Access(), SourcePolicy(ca_file=Path(ca_file)))
    source = Source(url, chart="web", target_revision="1.0.0")
    found = await charts.resolve(place_of(source), source)
    print(json.dumps([entry.path for entry in found.tree.walk("")]))
    await charts.close()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return make_tls(tmp_path)


@pytest.fixture
def repository(tmp_path: Path, tls: Tls) -> Iterator[ChartRepository]:
    with serve_charts(tmp_path / "served", tls) as repository:
        repository.add(package(tmp_path, "web", "1.0.0"))
        yield repository


def fetch(root: Path, tls: Tls, repository: ChartRepository) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", FETCH, str(root), str(tls.ca_file), f"{repository.front.url}/charts"]
    return subprocess.Popen(command, env=environment(), cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("held", ["index", r"\.tgz"])
def test_killed_in_the_middle_of_a_fetch(tmp_path: Path, tls: Tls, repository: ChartRepository, held: str) -> None:
    root = tmp_path / "data"
    repository.front.hold = held
    process = fetch(root, tls, repository)
    assert repository.front.held.wait(30)
    process.kill()
    process.communicate(timeout=30)
    assert list(root.rglob("partial-*")) != []
    assert list(root.rglob("*.git")) == []
    repository.front.hold = ""
    said, _ = fetch(root, tls, repository).communicate(timeout=60)
    assert json.loads(said) == ["Chart.yaml", "templates/map.yaml"]
    assert list(root.rglob("partial-*")) == []
