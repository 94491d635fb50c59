"""What the lists look like: the tables people read, and the JSON, YAML and names that programs read."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.cli import samples
from tests.cli.conftest import Terminal
from tests.cli.fakehub import FakeHub


def lines(text: str) -> list[str]:
    return text.splitlines()


def test_app_list_shows_every_application_over_all_its_clusters(hub: FakeHub, run: Terminal) -> None:
    counts = {"total": 3, "synced": 2, "healthy": 1, "unreachable": 1}
    items = [
        samples.summary(),
        samples.summary("db", sync="OutOfSync", health="Degraded", clusters=counts, condition_count=2, deleting=True),
        samples.summary("web") | {"namespace": "team-a", "id": "team-a/web", "sync_policy": "automated, self-heal"},
    ]
    hub.on("GET", "/applications", {"items": items, "continue": ""})
    outcome = run("app", "list")
    assert (outcome.code, outcome.err) == (0, "")
    assert lines(outcome.out) == [
        "NAME         PROJECT   SYNC        HEALTH     CLUSTERS            REVISION   SYNC POLICY            NOTES",
        "web          default   Synced      Healthy    1                   c0ffee0    manual",
        "db           default   OutOfSync   Degraded   3 (1 unreachable)   c0ffee0    manual                 "
        "being deleted, 2 conditions",
        "team-a/web   default   Synced      Healthy    1                   c0ffee0    automated, self-heal",
    ]


def test_wide_shows_more(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", "/applications", {"items": [samples.summary(labels={"team": "a", "x": "y"})], "continue": ""})
    title, first = lines(run("app", "list", "-o", "wide").out)
    assert title.split()[-4:] == ["DESTINATIONS", "SOURCES", "LABELS", "AGE"]
    assert "region=eu/web   https://git.example/shop.git web @ main   team=a,x=y   3d" in first


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_json_and_yaml_are_the_apis_own_words(hub: FakeHub, run: Terminal, output: str) -> None:
    items = [samples.summary(), samples.summary("db")]
    hub.on("GET", "/applications", {"items": items, "continue": ""})
    out = run("app", "list", "-o", output).out
    assert (json.loads(out) if output == "json" else yaml.safe_load(out)) == {"items": items}


def test_names_are_one_a_line(hub: FakeHub, run: Terminal) -> None:
    other = samples.summary("web") | {"namespace": "team-a"}
    hub.on("GET", "/applications", {"items": [samples.summary(), other], "continue": ""})
    assert run("app", "list", "-o", "name").out == "web\nteam-a/web\n"


def test_all_pages_are_read(hub: FakeHub, run: Terminal) -> None:
    first = {"items": [samples.cluster("a")], "continue": "a"}
    hub.on("GET", "/clusters", first, {"items": [samples.cluster("b")], "continue": ""})
    assert run("cluster", "list", "-o", "name").out == "a\nb\n"
    assert [request.query.get("continue") for request in hub.asked("GET", "/clusters")] == [None, "a"]


def test_an_empty_list_says_so_and_prints_nothing(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", "/clusters", {"items": [], "continue": ""})
    outcome = run("cluster", "list")
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err == "No clusters: add one with `escadre cluster add NAME`.\n"
    assert json.loads(run("cluster", "list", "-o", "json").out) == {"items": []}


def test_selection_is_the_hubs(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", "/applications", {"items": [], "continue": ""})
    run("app", "list", "-p", "shop", "-l", "tier in (a,b)", "--cluster", "edge-1")
    assert hub.requests[-1].query == {"project": "shop", "selector": "tier in (a,b)", "cluster": "edge-1"}
    assert hub.requests[-1].headers["authorization"] == "Bearer esc_token"


def test_cluster_list(hub: FakeHub, run: Terminal) -> None:
    away = samples.cluster("edge-2", liveness="NeverConnected", since=None, labels={}, kubernetes_version="")
    simulated = samples.cluster("sim", simulated=True, applications=0)
    hub.on("GET", "/clusters", {"items": [samples.cluster(), away, simulated], "continue": ""})
    assert lines(run("cluster", "list").out) == [
        "NAME     AGENT            SINCE    APPLICATIONS   KUBERNETES   VERSION             LABELS",
        "edge-1   Connected        5h ago   2              v1.36.3      0.1.0               region=eu,tier=edge",
        "edge-2   NeverConnected            2                           0.1.0",
        "sim      Connected        5h ago   0              v1.36.3      0.1.0 (simulated)   region=eu,tier=edge",
    ]


def test_history(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", "/applications/web/history", {"items": [samples.history(2), samples.history(1, revisions=[])]})
    assert lines(run("app", "history", "web", "--cluster", "edge-1", "--limit", "5").out) == [
        "CLUSTER   ID   DEPLOYED   REVISION   BY    COMMIT",
        "edge-1    2    3m ago     c0ffee0    ada   Serve more (Ada <ada@example.com>)",
        "edge-1    1    3m ago     c0ffee0    ada",
    ]
    assert hub.requests[-1].query == {"cluster": "edge-1", "limit": "5"}


def test_resources(hub: FakeHub, run: Terminal) -> None:
    items = [
        samples.resource(message="0 of 2 are available") | {"cluster": "edge-1"},
        samples.resource("ConfigMap", "old", health="", requires_pruning=True) | {"cluster": "edge-1"},
    ]
    hub.on("GET", "/applications/web/resources", {"items": items, "truncated": True})
    outcome = run("app", "resources", "web")
    assert lines(outcome.out) == [
        "CLUSTER   GROUP   KIND         NAMESPACE   NAME   SYNC        HEALTH     MESSAGE",
        "edge-1    apps    Deployment   web         web    OutOfSync   Degraded   0 of 2 are available",
        "edge-1            ConfigMap    web         old    OutOfSync              to be pruned",
    ]
    assert "ask for one cluster" in outcome.err
    assert json.loads(run("app", "resources", "web", "-o", "json").out)["truncated"] is True


def test_orphaned_resources(hub: FakeHub, run: Terminal) -> None:
    found = samples.orphans("edge-1", ("", "ConfigMap", "web", "left"), ("apps", "Deployment", "web", "old"))
    hub.on("GET", "/applications/web/orphans", {"items": [found, samples.orphans("edge-2")]})
    outcome = run("app", "resources", "web", "--orphaned")
    assert lines(outcome.out) == [
        "CLUSTER   GROUP   KIND         NAMESPACE   NAME",
        "edge-1            ConfigMap    web         left",
        "edge-1    apps    Deployment   web         old",
    ]
    assert (outcome.code, outcome.err) == (0, "")
    assert json.loads(run("app", "resources", "web", "--orphaned", "-o", "json").out)["items"][0] == found
    assert lines(run("app", "resources", "web", "--orphaned", "-o", "name").out)[0] == "edge-1 ConfigMap web/left"


def test_no_orphaned_resources(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", "/applications/web/orphans", {"items": [samples.orphans("edge-1")]})
    outcome = run("app", "resources", "web", "--orphaned", "--cluster", "edge-1")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "No orphaned resources.\n")


def test_orphaned_resources_that_are_not_all_told(hub: FakeHub, run: Terminal) -> None:
    """That nothing is known is not that there is nothing."""
    some = samples.orphans("edge-1", ("", "ConfigMap", "web", "left"), more=7, unseen=["Secret (v1): forbidden"])
    away = samples.orphans("edge-2", error="the agent of edge-2 is not connected")
    hub.on("GET", "/applications/web/orphans", {"items": [some, away]})
    outcome = run("app", "resources", "web", "--orphaned")
    assert outcome.code >= 2 and len(lines(outcome.out)) == 2
    assert "warning: edge-1 has 7 more than could be told" in outcome.err
    assert "warning: not looked at on edge-1: Secret (v1): forbidden" in outcome.err
    assert "no answer from edge-2 (the agent of edge-2 is not connected)" in outcome.err
    hub.on("GET", "/applications/web/orphans", {"items": [away]})
    outcome = run("app", "resources", "web", "--orphaned")
    assert outcome.code >= 2 and "No orphaned" not in outcome.err


def test_drift_says_what_by_whom_and_when(hub: FakeHub, run: Terminal) -> None:
    gone = samples.field_drift(path=".metadata.labels.x", assigned='"y"', live="", likely=True)
    items = [samples.drift(fields=[samples.field_drift(), gone]), samples.drift(healed_at=samples.at(minutes=1.9))]
    hub.on("GET", "/applications/web/drifts", {"items": items})
    first = lines(run("app", "drift", "web").out)[1]
    assert first == (
        "2m ago   edge-1    apps/Deployment web/web   modified   not healed   .spec.replicas: 2 → 5, by kubectl-edit "
        '2m ago; .metadata.labels.x: "y" → absent, probably by kubectl-edit 2m ago'
    )


def test_events_of_the_fleet_and_of_an_application(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", "/events", {"items": [samples.event(cluster="edge-1")]})
    hub.on("GET", "/applications/web/events", {"items": [samples.event()]})
    assert lines(run("events", "--app", "team-a/web", "--limit", "7").out) == [
        "WHEN     SEVERITY   REASON          APPLICATION   CLUSTER   BY    MESSAGE",
        "2m ago   info       SyncRequested   web           edge-1    ada   a sync was asked for",
    ]
    assert hub.requests[-1].query == {"application": "team-a/web", "limit": "7"}
    assert "APPLICATION" not in run("app", "events", "web").out


def test_projects(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", "/projects", {"items": [samples.project()]})
    assert lines(run("proj", "list").out) == [
        "NAME   APPLICATIONS   DESTINATIONS   SOURCES",
        "shop   3              edge-*/web     https://git.example/*",
    ]


def test_text_from_elsewhere_cannot_steer_the_terminal(hub: FakeHub, run: Terminal) -> None:
    nasty = "\x1b[2J\x1b]0;x\x07fine\r\nforged   line\u202e\x9b31m"
    values: dict[str, Any] = {"revision": nasty, "project": nasty}
    hub.on("GET", "/applications", {"items": [samples.summary(**values)], "continue": ""})
    for output in ("table", "wide", "json", "yaml", "name"):
        out = run("app", "list", "-o", output).out
        assert not set(out) & set("\x1b\x07\r\x9b\u202e"), output
    assert len(lines(run("app", "list").out)) == 2


def test_there_are_no_colours_off_a_terminal(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", "/applications", {"items": [samples.summary(sync="OutOfSync")], "continue": ""})
    assert "\x1b" not in run("app", "list").out
