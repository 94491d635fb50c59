"""The pages of single objects, whole: what `app get` says of an application that is well, and of one that is not."""

from __future__ import annotations

import json
from textwrap import dedent
from typing import Any

from hub.domain.settings import SystemSettings
from hub.formats.objects import parse_objects
from tests.cli import samples
from tests.cli.conftest import Terminal
from tests.cli.fakehub import FakeHub


def page(text: str) -> str:
    return dedent(text).lstrip("\n")


def test_an_application_that_is_well(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", "/applications/web", samples.detail())
    outcome = run("app", "get", "web")
    assert outcome.code == 0
    assert outcome.out == page("""
        Name:         web
        Project:      default
        Source:       https://git.example/shop.git web @ main
        Destination:  region=eu/web
        Sync policy:  manual: it is synced when somebody asks for it
        Revision:     c0ffee0  Serve more, Ada <ada@example.com>, 1h ago
        Looked at:    60s ago
        Sync:         Synced (1 of 1 cluster)
        Health:       Healthy (1 of 1 cluster)

        CLUSTER   AGENT       SYNC     HEALTH    REVISION   NOT FINE   LAST OPERATION
        edge-1    Connected   Synced   Healthy   c0ffee0    0 of 3     sync Succeeded 3m ago
        """)


def troubled() -> dict[str, Any]:
    """An application with something wrong on each of its clusters."""
    failed = samples.operation(
        phase="Failed",
        message="one resource failed",
        results=[
            {"group": "apps", "kind": "Deployment", "namespace": "web", "name": "web", "version": "apps/v1"}
            | samples.RESULT
            | {"status": "SyncFailed", "message": "quota exceeded"},
            {"group": "", "kind": "Service", "namespace": "web", "name": "web", "version": "v1"}
            | samples.RESULT
            | {"status": "Synced", "message": ""},
        ],
    )
    drifted = samples.resource(drift=[samples.field_drift()], message="0 of 2 are available")
    bad = samples.row(
        "edge-1",
        sync="OutOfSync",
        health="Degraded",
        message="Deployment web: 0 of 2 are available",
        not_fine=2,
        resources=[drifted, samples.resource("ConfigMap", "old", health="", requires_pruning=True)],
        operation=failed,
        conditions=[samples.condition("SharedResourceWarning", "db claims it, too")],
    )
    away = samples.row(
        "edge-2", liveness="Unreachable", operation=None, last_drift=samples.drift(healed_at=samples.at(minutes=2))
    )
    refused = samples.row("edge-3", refusal="bad-signature: unknown key", held=True, deleting=True, operation=None)
    counts = {"total": 3, "synced": 2, "healthy": 2, "unreachable": 1}
    summary = samples.summary(sync="Unknown", health="Degraded", clusters=counts, labels={"team": "a"})
    deletion = {"cascade": True, "propagation": "foreground", "requested_by": "ada", "requested_at": samples.at(days=2)}
    return samples.detail(bad, away, refused, summary=summary, conditions=[samples.condition()], deletion=deletion)


TROUBLED = page("""
    Name:         web
    Project:      default
    Labels:       team=a
    Source:       https://git.example/shop.git web @ main
    Destination:  region=eu/web
    Sync policy:  manual: it is synced when somebody asks for it
    Revision:     c0ffee0  Serve more, Ada <ada@example.com>, 1h ago
    Looked at:    60s ago
    Sync:         Unknown: what is to be cannot be found out, see the conditions
    Deployed:     revision c0ffee0 on 3 of 3 clusters
    Health:       Degraded (2 of 3 clusters, 1 unreachable)
    Deletion:     asked for by ada 2d ago, with all it put on clusters

    Conditions:
      ComparisonError: the repository cannot be read (since 9m ago)

    CLUSTER   AGENT         SYNC        HEALTH     REVISION   NOT FINE   LAST OPERATION
    edge-1    Connected     OutOfSync   Degraded   c0ffee0    2 of 3     sync Failed 3m ago
    edge-2    Unreachable   Synced      Healthy    c0ffee0    0 of 3
    edge-3    Connected     Synced      Healthy    c0ffee0    0 of 3

    Cluster edge-1:
      Degraded: Deployment web: 0 of 2 are available
      sync Failed: one resource failed
        apps/Deployment web/web: quota exceeded
      SharedResourceWarning: db claims it, too (since 9m ago)
      RESOURCE                  SYNC        HEALTH     MESSAGE
      apps/Deployment web/web   OutOfSync   Degraded   0 of 2 are available
      ConfigMap web/old         OutOfSync              to be pruned
      Drift of apps/Deployment web/web:
        .spec.replicas: 2 → 5, by kubectl-edit 2m ago

    Cluster edge-2:
      unreachable 5h ago; what is shown is the last that was known
      Last drift: apps/Deployment web/web modified, seen 2m ago, healed 2m ago
        .spec.replicas: 2 → 5, by kubectl-edit 2m ago

    Cluster edge-3:
      the agent refused the assignment: bad-signature: unknown key
      held back: the hub was restored from a backup, and waits for a refresh
      being removed from this cluster
    """)


def test_everything_that_is_wrong_is_told(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", "/applications/web", troubled())
    assert run("app", "get", "web").out == TROUBLED


def test_what_could_not_be_assigned_is_told(hub: FakeHub, run: Terminal) -> None:
    failed = samples.operation(phase="Failed", message="oslo: no revision\nnowhere", revision="")
    hub.on("GET", "/applications/web", samples.detail(failed_operation=failed))
    assert (
        "Operation:    sync asked for by ada 3m ago Failed: oslo: no revision nowhere\n" in run("app", "get", "web").out
    )


def test_what_cannot_be_compared_is_unknown_and_what_is_deployed_is_told(hub: FakeHub, run: Terminal) -> None:
    rows = [samples.row(f"edge-{n}") for n in (1, 2)] + [samples.row("edge-3", synced_revision="")]
    counts = {"total": 3, "synced": 3, "healthy": 3, "unreachable": 0}
    summary = samples.summary(sync="Unknown", clusters=counts)
    detail = samples.detail(*rows, summary=summary, conditions=[samples.condition()])
    hub.on("GET", "/applications/web", detail)
    lines = run("app", "get", "web").out.splitlines()
    assert lines[7:10] == [
        "Sync:         Unknown: what is to be cannot be found out, see the conditions",
        "Deployed:     revision c0ffee0 on 2 of 3 clusters, nothing yet on 1 of 3 clusters",
        "Health:       Healthy (3 of 3 clusters)",
    ]
    many = [samples.row(f"edge-{n}", synced_revision=f"{n:07}") for n in range(8)]
    hub.on("GET", "/applications/web", samples.detail(*many, summary=summary, conditions=[samples.condition()]))
    (deployed,) = [line for line in run("app", "get", "web").out.splitlines() if line.startswith("Deployed")]
    assert deployed.endswith("revision 0000004 on 1 of 8 clusters, and 3 other revisions")


def test_what_has_not_been_applied_yet_is_no_drift(hub: FakeHub, run: Terminal) -> None:
    waiting = samples.resource(sync="OutOfSync", drift=[samples.field_drift()])
    row = samples.row(sync="OutOfSync", revision="c0ffee1", not_fine=1, resources=[waiting])
    hub.on("GET", "/applications/web", samples.detail(row))
    out = run("app", "get", "web").out
    assert "  Differences of apps/Deployment web/web:\n" in out
    assert "Drift" not in out


def test_an_empty_automated_policy_is_told_as_what_it_is(hub: FakeHub, run: Terminal) -> None:
    manifest: dict[str, Any] = {"spec": {"syncPolicy": {"automated": {}}}}
    summary = samples.summary(sync_policy="automated")
    hub.on("GET", "/applications/web", samples.detail(manifest=manifest, summary=summary))
    told = (
        "Sync policy:  automated: new commits are synced by themselves; nothing is pruned, and drift is left to be seen"
    )
    assert told in run("app", "get", "web").out


def test_an_application_on_no_cluster(hub: FakeHub, run: Terminal) -> None:
    counts = {"total": 0, "synced": 0, "healthy": 0, "unreachable": 0}
    detail = samples.detail(summary=samples.summary(sync="Unknown", health="Unknown", clusters=counts))
    hub.on("GET", "/applications/web", {**detail, "clusters": []})
    assert run("app", "get", "web").out.endswith("Health:       Unknown\n\nOn no cluster.\n")


def test_one_cluster_of_an_application(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", "/applications/web", samples.detail(samples.row("edge-1"), samples.row("edge-2")))
    out = run("app", "get", "web", "--cluster", "edge-2", "-o", "json").out
    assert [row["cluster"] for row in json.loads(out)["clusters"]] == ["edge-2"]
    outcome = run("app", "get", "web", "--cluster", "edge-9")
    assert outcome.code == 2
    assert "web is not assigned to a cluster edge-9" in outcome.err


def test_a_namespace_goes_beside_the_name(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", "/applications/web", samples.detail())
    run("app", "get", "team-a/web")
    assert hub.requests[-1].query == {"namespace": "team-a"}


def test_a_refresh_is_asked_for_first(hub: FakeHub, run: Terminal) -> None:
    hub.on("POST", "/applications/web/refresh", {"application": "argocd/web", "mode": "normal"})
    hub.on("GET", "/applications/web", samples.detail())
    assert run("app", "get", "web", "--refresh").code == 0
    assert [request.method for request in hub.requests] == ["POST", "GET"]


def test_a_tree_for_each_cluster(hub: FakeHub, run: Terminal) -> None:
    nodes = [
        samples.node("p2", "Pod", "web-1-b", "rs", health="Degraded", message="CrashLoopBackOff"),
        samples.node("p1", "Pod", "web-1-a", "rs"),
        samples.node("rs", "ReplicaSet", "web-1", "d"),
        samples.node("d", "Deployment", "web"),
        samples.node("c", "ConfigMap", "conf", health=""),
        samples.node("x", "Pod", "loop", "x"),
        samples.node("o", "Pod", "orphan", "unknown"),
    ]
    trees = [samples.tree("edge-1", *nodes), samples.tree("edge-2", error="the agent is not connected")]
    hub.on("GET", "/applications/web/tree", {"items": trees})
    assert run("app", "get", "web", "--tree").out == page("""
        Cluster edge-1:
          ConfigMap web/conf
          Deployment web/web  Healthy
          └─ ReplicaSet web/web-1  Healthy
             ├─ Pod web/web-1-a  Healthy
             └─ Pod web/web-1-b  Degraded  CrashLoopBackOff
          Pod web/loop  Healthy
          Pod web/orphan  Healthy

        Cluster edge-2:
          no answer: the agent is not connected
        """)


def test_a_tree_of_owners_that_own_each_other_ends(hub: FakeHub, run: Terminal) -> None:
    nodes = [samples.node("a", "Pod", "a", "b"), samples.node("b", "Pod", "b", "a"), samples.node("r", "Pod", "r")]
    hub.on("GET", "/applications/web/tree", {"items": [samples.tree("edge-1", *nodes)]})
    assert run("app", "get", "web", "--tree").out == "Cluster edge-1:\n  Pod web/r  Healthy\n"


def test_a_cluster(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", "/clusters/edge-1", samples.cluster(simulated=True))
    assert run("cluster", "get", "edge-1").out == page(f"""
        Name:           edge-1
        Labels:         region=eu, tier=edge
        Server:         https://10.0.0.1:6443
        Agent:          Connected, since 5h ago
        Last seen:      5s ago
        Agent version:  0.1.0 (a simulated cluster)
        Kubernetes:     v1.36.3
        Applications:   2
        Added:          3d ago
        Uid:            {samples.UID}
        """)


def test_a_project(hub: FakeHub, run: Terminal) -> None:
    windows = [
        {"kind": "deny", "schedule": "0 22 * * 5", "duration": "8h", "timeZone": "Europe/Paris"},
        {"kind": "allow", "schedule": "* * * * *", "duration": "1h"},
    ]
    manifest = {"kind": "AppProject", "spec": {"syncWindows": windows}}
    hub.on("GET", "/projects/shop", samples.project(manifest=manifest))
    assert run("project", "get", "shop").out == page("""
        Name:          shop
        Description:   The shop
        Applications:  3
        Destination:   edge-*/web
        Source:        https://git.example/*
        Sync window:   deny 0 22 * * 5 Europe/Paris for 8h
        Sync window:   allow * * * * * for 1h
        """)


def test_settings(hub: FakeHub, run: Terminal) -> None:
    data = {"resource.exclusions": "- kinds: [Lease]\n", "resource.compareoptions": "ignoreAggregatedRoles: true"}
    hub.on("GET", "/settings", samples.settings(data))
    assert run("settings", "get").out == page("""
        Changed:  3d ago by ada
        Setting:  resource.compareoptions
        Setting:  resource.exclusions
        """)
    [parsed] = parse_objects(run("settings", "get", "-o", "yaml").out, name="settings", strict=True)
    assert isinstance(parsed.value, SystemSettings) and parsed.value.data == data, "it can be applied again"
    assert json.loads(run("settings", "get", "-o", "json").out)["data"] == data
    hub.on("GET", "/settings", samples.settings({}, changed_at=None, changed_by=""))
    assert run("settings", "get").out == page("""
        Changed:  never
        Setting:  none: everything is as it is by default
        """)


def test_ones_account(hub: FakeHub, run: Terminal) -> None:
    account = {"name": "ada", "role": "role:admin", "enabled": True, "created_at": samples.at(days=3)}
    hub.on("GET", "/account", account)
    assert run("account", "get").out == page(f"""
        Account:  ada
        Role:     role:admin
        Enabled:  yes
        Created:  3d ago
        Hub:      https://{hub.address}
        """)


def test_manifests_are_bare_objects(hub: FakeHub, run: Terminal) -> None:
    one = {"manifest_set": "ab" * 32, "revision": "c0ffee0", "clusters": ["edge-1"], "objects": [{"kind": "A"}]}
    hub.on("GET", "/applications/web/manifests", {"items": [one]})
    assert run("app", "manifests", "web", "--revision", "c0ff").out == "---\nkind: A\n"
    assert hub.requests[-1].query == {"revision": "c0ff"}
    other = one | {"clusters": [f"edge-{n}" for n in range(7)], "objects": [{"kind": "B"}, {"kind": "C"}]}
    hub.on("GET", "/applications/web/manifests", {"items": [one, other]})
    assert run("app", "manifests", "web").out == page("""
        # edge-1: c0ffee0
        ---
        kind: A
        # edge-0, edge-1, edge-2, edge-3, edge-4 and 2 more: c0ffee0
        ---
        kind: B
        ---
        kind: C
        """)
    assert json.loads(run("app", "manifests", "web", "-o", "json").out)["items"] == [one, other]
