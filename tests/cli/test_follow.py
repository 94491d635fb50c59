"""Following operations and waiting: by events, by asking where there are none, through a hub that comes and goes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from hub.cli import follow
from hub.cli.commands import app_wait
from tests.cli import samples
from tests.cli.conftest import Outcome, Terminal
from tests.cli.fakehub import FakeHub, Reply, Request, events, refused

APP, WATCH, SYNC = "/applications/web", "/applications/web/watch", "/applications/web/sync"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "POLL_SECONDS", 0.02)


class Story:
    """What a hub tells of one application, moment by moment."""

    def __init__(self, hub: FakeHub) -> None:
        self.hub = hub
        hub.on("GET", APP, samples.detail(samples.row(operation=samples.operation("before"))))
        hub.on("POST", SYNC, Reply({"operation_id": "ours"}, 202))
        hub.on("GET", WATCH, refused(404, "not-found", "no stream here"))

    def details(self, *details: dict[str, Any] | Reply) -> None:
        self.hub.on("GET", APP, *details)

    def streams(self, *streams: list[bytes]) -> None:
        """One stream after the other: the last stays open at its end."""

        def reply(chunks: list[bytes], *, open: bool) -> Any:
            def chunked() -> Iterator[bytes]:
                yield from chunks
                if open:
                    self.hub.stopping.wait(20)

            return lambda _: Reply(chunks=chunked())

        last = len(streams) - 1
        self.hub.on("GET", WATCH, *(reply(chunks, open=i == last) for i, chunks in enumerate(streams)))


@pytest.fixture
def story(hub: FakeHub) -> Story:
    return Story(hub)


def ours(cluster: str = "edge-1", phase: str = "Succeeded", **values: Any) -> dict[str, Any]:
    return samples.row(cluster, operation=samples.operation("ours", phase, **values))


def before(*clusters: str) -> dict[str, Any]:
    return samples.detail(*(samples.row(c, operation=samples.operation("before")) for c in clusters or ("edge-1",)))


def cluster_events(*rows: dict[str, Any]) -> bytes:
    return events(*(("cluster", row) for row in rows))


def test_a_sync_is_followed_by_its_events(story: Story, run: Terminal) -> None:
    running, waiting = ours(phase="Running", done=1), before()["clusters"][0]
    story.streams([cluster_events(waiting), cluster_events(running), b": heartbeat\n\n", cluster_events(ours())])
    outcome = run("app", "sync", "web")
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines() == [
        "CLUSTER   OUTCOME     REVISION   MESSAGE",
        "edge-1    Succeeded   c0ffee0    synced",
        "web: sync succeeded on 1 of 1 cluster.",
    ]
    assert outcome.err.splitlines() == [
        "edge-1: Waiting: its agent has not begun",
        "edge-1: Running: 1 of 3",
        "edge-1: Succeeded: synced",
    ]
    assert len(story.hub.asked("GET", APP)) == 2, "once before, once at the beginning: the rest came by events"


def test_a_revision_and_replacing_are_asked_for(story: Story, run: Terminal) -> None:
    story.details(before("a"), samples.detail(ours("a")))
    flags = ("--revision", "v2", "--replace", "--sync-option", "PruneLast=true")
    assert run("app", "sync", "team-a/web", *flags).code == 0
    (asked,) = story.hub.asked("POST", SYNC)
    assert (asked.json["revision"], asked.json["sync_options"]) == ("v2", ["Replace=true", "PruneLast=true"])


def test_trying_again_is_asked_for(story: Story, run: Terminal) -> None:
    story.details(before("a"), samples.detail(ours("a")))
    pauses = ("--retry-backoff-duration", "7s", "--retry-backoff-factor", "3", "--retry-backoff-max-duration", "2m")
    assert run("app", "sync", "team-a/web", "--retry-limit", "-1", *pauses, "--retry-refresh").code == 0
    (asked,) = story.hub.asked("POST", SYNC)
    assert asked.json["retry"] == {"limit": -1, "duration": 7.0, "factor": 3.0, "max_duration": 120.0, "refresh": True}
    assert run("app", "sync", "team-a/web", "--retry-refresh").code == 2


def test_what_is_asked_for_is_what_the_flags_say(story: Story, run: Terminal) -> None:
    story.details(before("a", "b"), samples.detail(ours("a"), ours("b")))
    flags = ("--cluster", "a", "--cluster", "b", "--prune", "--dry-run", "--force")
    more = ("--resource", "apps:Deployment:web", "--sync-option", "PruneLast=true")
    assert run("app", "sync", "team-a/web", *flags, *more).code == 0
    (asked,) = story.hub.asked("POST", SYNC)
    assert asked.query == {"namespace": "team-a"}
    assert asked.json == {
        "clusters": ["a", "b"],
        "prune": True,
        "dry_run": True,
        "force": True,
        "resources": ["apps:Deployment:web"],
        "sync_options": ["PruneLast=true"],
    }


def test_without_waiting_the_operation_is_named(story: Story, run: Terminal) -> None:
    outcome = run("app", "sync", "web", "--async")
    assert outcome.out == "web: sync was asked for, operation ours.\n"
    assert json.loads(run("app", "sync", "web", "--async", "-o", "json").out) == {"operation_id": "ours"}
    assert story.hub.asked("GET", WATCH) == []


def test_without_a_stream_it_is_asked_again_and_again(story: Story, run: Terminal) -> None:
    running = samples.detail(ours(phase="Running"))
    story.details(before(), before(), before(), running, running, running, samples.detail(ours()))
    assert run("app", "sync", "web").code == 0
    assert len(story.hub.asked("GET", WATCH)) == 3, "tried three times, then given up"


def test_streams_that_break_are_taken_up_again(story: Story, run: Terminal) -> None:
    story.streams(
        [cluster_events(ours(phase="Running"))], [], [b"event: cluster\ndata: {no json\n\n"], [cluster_events(ours())]
    )
    assert run("app", "sync", "web").code == 0


def test_a_hub_that_restarts_is_waited_for(story: Story, run: Terminal) -> None:
    away = Reply(drop=True)
    story.details(before(), before(), away, away, refused(503, "unavailable", "starting"), samples.detail(ours()))
    assert run("app", "sync", "web").code == 0


def test_a_hub_that_stays_away_is_not_waited_for_for_ever(
    story: Story, run: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "AWAY_SECONDS", 0.1)
    story.details(before(), before(), Reply(drop=True))
    outcome = run("app", "sync", "web")
    assert outcome.code == 3
    assert "broke" in outcome.err


def test_a_session_that_ends_ends_it(story: Story, run: Terminal) -> None:
    story.details(before(), before(), refused(401, "session-ended", "the session has ended"))
    outcome = run("app", "sync", "web")
    assert (outcome.code, "escadre login" in outcome.err) == (3, True)


def test_a_failed_sync_names_what_failed(story: Story, run: Terminal) -> None:
    results = [
        {"group": "", "kind": "Service", "namespace": "web", "name": "web", "version": "v1"}
        | samples.RESULT
        | {"status": "SyncFailed", "message": "port 0 is invalid"},
        {"group": "", "kind": "ConfigMap", "namespace": "web", "name": "old", "version": "v1"}
        | samples.RESULT
        | {"status": "Pruned", "message": ""},
        {"group": "", "kind": "ConfigMap", "namespace": "web", "name": "fine", "version": "v1"}
        | samples.RESULT
        | {"status": "Synced", "message": ""},
        {"group": "batch", "kind": "Job", "namespace": "web", "name": "migrate", "version": "v1"}
        | samples.RESULT
        | {"status": "Synced", "message": "it is done", "sync_phase": "PreSync", "wave": -1, "hook": True},
    ]
    bad = ours(phase="Failed", message="one resource failed", results=results)
    story.details(before("edge-1", "edge-2"), samples.detail(bad, ours("edge-2")))
    outcome = run("app", "sync", "web")
    assert outcome.code == 1
    assert outcome.out.splitlines() == [
        "CLUSTER   OUTCOME     REVISION   MESSAGE",
        "edge-1    Failed      c0ffee0    one resource failed",
        "edge-2    Succeeded   c0ffee0    synced",
        "",
        "edge-1:",
        "  PHASE                   RESOURCE                STATUS       MESSAGE",
        "  Sync                    Service web/web         SyncFailed   port 0 is invalid",
        "  Sync                    ConfigMap web/old       Pruned",
        "  PreSync hook, wave -1   batch/Job web/migrate   Succeeded    it is done",
        "web: sync succeeded on 1 of 2 clusters.",
    ]
    assert outcome.err.splitlines()[-1] == "error: sync of web failed on edge-1"


def test_json_holds_each_cluster_with_its_operation(story: Story, run: Terminal) -> None:
    story.details(before(), samples.detail(ours(), samples.row("edge-2", liveness="Unreachable", operation=None)))
    outcome = run("app", "sync", "web", "-o", "json")
    value = json.loads(outcome.out)
    assert value["operation_id"] == "ours"
    assert [(c["cluster"], c["state"]) for c in value["clusters"]] == [
        ("edge-1", "Succeeded"),
        ("edge-2", "Unreachable"),
    ]
    assert value["clusters"][0]["operation"]["id"] == "ours"


def test_a_cluster_that_is_away_is_pointed_out_and_no_failure(story: Story, run: Terminal) -> None:
    story.details(before(), samples.detail(ours(), samples.row("edge-2", liveness="Unreachable", operation=None)))
    outcome = run("app", "sync", "web")
    assert outcome.code == 0
    assert "warning: not connected, and done once they are back: edge-2" in outcome.err


def test_with_every_cluster_away_nothing_was_done(story: Story, run: Terminal) -> None:
    story.details(before(), samples.detail(samples.row(liveness="Unreachable", operation=None)))
    outcome = run("app", "sync", "web")
    assert (outcome.code, "no cluster of web is connected" in outcome.err) == (1, True)


def test_what_the_hub_cannot_assign_is_the_answer(story: Story, run: Terminal) -> None:
    reason = "the revision nowhere does not exist"
    story.details(before("a", "b"), before("a", "b"), samples.detail(ours("a"), ours("b", "Failed", message=reason)))
    outcome = run("app", "sync", "web")
    assert outcome.code == 1
    assert outcome.out.splitlines()[2].split(None, 3) == ["b", "Failed", "c0ffee0", reason]
    assert outcome.err.splitlines()[-1] == "error: sync of web failed on b"


def test_what_cannot_begin_on_any_cluster_is_told(story: Story, run: Terminal) -> None:
    failed = samples.operation("ours", "Failed", message="no cluster matches its destinations")
    nowhere = before() | {"clusters": []}
    theirs = samples.operation("theirs", "Failed", message="not this one")
    story.details(nowhere, nowhere | {"failed_operation": theirs}, nowhere | {"failed_operation": failed})
    story.streams([b": heartbeat\n\n" * 3])
    outcome = run("app", "sync", "web")
    assert (outcome.code, outcome.err.splitlines()[-1]) == (
        1,
        "error: sync of web failed: no cluster matches its destinations",
    )


def test_a_timeout_says_what_is_in_the_way(story: Story, run: Terminal) -> None:
    story.details(before() | {"conditions": [samples.condition()]})
    outcome = run("app", "sync", "web", "--timeout", "0.1")
    assert outcome.code == 4
    assert "on edge-1; it goes on there. ComparisonError: the repository cannot be read" in outcome.err


def test_a_timeout_says_where_it_still_runs(story: Story, run: Terminal) -> None:
    story.details(before("a", "b"), samples.detail(ours("a"), ours("b", phase="Running")))
    story.streams([b": heartbeat\n\n"])
    outcome = run("app", "sync", "web", "--timeout", "0.3")
    assert outcome.code == 4
    assert "sync of web has not ended within 0.3 s on b; it goes on there" in outcome.err


def test_an_application_deleted_meanwhile(story: Story, run: Terminal) -> None:
    gone = events(("deleted", {"id": "argocd/web", "name": "web", "namespace": "argocd"}))
    story.streams([gone])
    outcome = run("app", "sync", "web")
    assert (outcome.code, "was deleted meanwhile" in outcome.err) == (1, True)


def test_a_refused_sync_is_refused_at_once(story: Story, run: Terminal) -> None:
    story.hub.on("POST", SYNC, refused(409, "conflict", "application web is being deleted"))
    outcome = run("app", "sync", "web")
    assert (outcome.code, outcome.err) == (2, "error: application web is being deleted\n")


def test_rollback(story: Story, run: Terminal) -> None:
    story.hub.on("POST", "/applications/web/rollback", {"operation_id": "ours"})
    story.details(before(), samples.detail(ours()))
    assert run("app", "rollback", "web", "7", "--cluster", "edge-1", "--prune").code == 0
    (asked,) = story.hub.asked("POST", "/applications/web/rollback")
    assert asked.json == {"history_id": 7, "clusters": ["edge-1"], "prune": True, "dry_run": False}
    story.details(before(), samples.detail(ours()))
    run("app", "rollback", "web")
    assert story.hub.asked("POST", "/applications/web/rollback")[-1].json["history_id"] == 0


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("dry run: nothing was changed", ["", "edge-1: nothing would change"]),
        ("dry run: nothing was changed; the namespace web would be created", []),
    ],
)
def test_a_dry_run_says_that_nothing_would_change(story: Story, run: Terminal, message: str, told: list[str]) -> None:
    done = ours(message=message, dry_run=True, done=0, total=0)
    story.details(before(), samples.detail(done))
    outcome = run("app", "sync", "web", "--dry-run")
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[2:] == [*told, "web: the dry run of a sync succeeded on 1 of 1 cluster."]


def test_a_session_that_ends_meanwhile_ends_no_sync(story: Story, run: Terminal) -> None:
    ended = refused(401, "session-ended", "the session has ended: log in with `escadre login`")
    story.details(before(), before(), ended)
    outcome = run("app", "sync", "web")
    assert (outcome.code, outcome.err.splitlines()[-1]) == (
        3,
        "error: the session has ended: log in with `escadre login`. The sync of web goes on at its clusters. `escadre "
        "app wait web` waits for it, `escadre app get web` shows it, `escadre app terminate-op web` ends it",
    )


def test_a_sync_that_another_one_has_replaced_does_not_wait_for_ever(story: Story, run: Terminal) -> None:
    bobs = samples.operation("bobs", "Running", initiated_by="bob")
    reply = {"operation_id": "ours", "requested_at": "2030-01-01T12:00:00.000005+00:00"}
    story.hub.on("POST", SYNC, Reply(reply, 202))
    row = samples.row(operation=bobs, operation_requested_at="2030-01-01T12:00:01.000005+00:00")
    story.details(before(), samples.detail(row))
    outcome = run("app", "sync", "web")
    assert (outcome.code, outcome.err.splitlines()[-1]) == (1, "error: sync of web failed on edge-1")
    assert "edge-1: Replaced: by sync of bob, asked for later, before it began" in outcome.err.splitlines()


# --- app wait


def test_waiting_ends_when_every_cluster_is_fine(story: Story, run: Terminal) -> None:
    bad = samples.row("edge-2", health="Progressing", message="1 of 2")
    story.details(samples.detail(samples.row(), bad))
    story.streams([cluster_events(samples.row("edge-2", sync="OutOfSync")), cluster_events(samples.row("edge-2"))])
    outcome = run("app", "wait", "web")
    assert outcome.code == 0
    assert outcome.out == "web is ready on edge-1, edge-2.\n"
    assert outcome.err.splitlines() == [
        "edge-1: ready",
        "edge-2: not yet: Progressing: 1 of 2",
        "edge-2: not yet: OutOfSync",
        "edge-2: ready",
    ]


def test_waiting_waits_for_the_hub_to_take_up_a_change(story: Story, run: Terminal) -> None:
    stale = samples.detail(generation=3)
    story.details(stale, stale, samples.detail(generation=3, refresh=stale["refresh"] | {"spec_generation": 3}))
    assert run("app", "wait", "web").code == 0
    assert len(story.hub.asked("GET", APP)) == 3


def test_waiting_for_one_thing_on_one_cluster(story: Story, run: Terminal) -> None:
    rows = samples.row("a", health="Degraded"), samples.row("b", sync="OutOfSync")
    story.details(samples.detail(*rows))
    assert run("app", "wait", "web", "--sync", "--cluster", "a").code == 0
    assert run("app", "wait", "web", "--health", "--cluster", "b").code == 0
    assert run("app", "wait", "web", "--health", "--timeout", "0.1").code == 4


def test_waiting_for_a_cluster_that_nobody_knows(story: Story, run: Terminal) -> None:
    """Nothing would ever come of it, and one of several that are fine is not all of them."""
    story.hub.on("GET", "/clusters/b", refused(404, "not-found", "there is no cluster b"))
    story.details(samples.detail(samples.row("a")))
    outcome = run("app", "wait", "web", "--cluster", "a", "--cluster", "b")
    assert (outcome.code, outcome.out, outcome.err) == (2, "", "error: there is no cluster b\n")


def test_waiting_for_a_cluster_that_the_application_is_to_come_to(story: Story, run: Terminal) -> None:
    story.hub.on("GET", "/clusters/b", samples.cluster("b"))
    alone, both = samples.detail(samples.row("a")), samples.detail(samples.row("a"), samples.row("b"))
    story.details(alone)
    outcome = run("app", "wait", "web", "--cluster", "a", "--cluster", "b", "--timeout", "0.1")
    assert outcome.code == 4
    reason = "b (the application is not on this cluster)"
    assert outcome.err.splitlines()[-1] == f"error: web is not ready within 0.1 s: {reason}"
    story.details(alone, alone, both)
    outcome = run("app", "wait", "web", "--cluster", "a", "--cluster", "b")
    assert (outcome.code, outcome.out) == (0, "web is ready on a, b.\n")


@pytest.mark.parametrize(
    ("detail", "reason"),
    [
        (samples.detail(samples.row(health="Degraded", message="crashing")), "edge-1 (Degraded: crashing)"),
        (
            samples.detail(conditions=[samples.condition()], generation=3),
            "ComparisonError: the repository cannot be read",
        ),
        (samples.detail(conditions=[samples.condition()]), "ComparisonError: the repository cannot be read"),
        (samples.detail(generation=3), "the hub has not assigned its newest change"),
        (samples.detail() | {"clusters": []}, "it is on no cluster"),
    ],
)
def test_waiting_in_vain_says_for_what(story: Story, run: Terminal, detail: dict[str, Any], reason: str) -> None:
    story.details(detail)
    outcome = run("app", "wait", "web", "--timeout", "100ms")
    assert (outcome.code, outcome.err.splitlines()[-1]) == (4, f"error: web is not ready within 0.1 s: {reason}")


def test_waiting_for_health_alone_does_not_mind_what_the_hub_cannot_read(story: Story, run: Terminal) -> None:
    story.details(samples.detail(conditions=[samples.condition()]))
    assert run("app", "wait", "web", "--health").code == 0


def test_waiting_for_what_cannot_be_compared_ends_with_the_reason(
    story: Story, run: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_wait, "GRACE_SECONDS", 0.05)
    story.details(samples.detail(conditions=[samples.condition()]))
    outcome = run("app", "wait", "web", "--sync")
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1] == (
        "error: web cannot be synced: ComparisonError: the repository cannot be read. What is deployed stays as it is: "
        "see `escadre app get web`. Once the reason is mended, `escadre app refresh web` has the hub look again"
    )
    # What somebody else has to mend first may still come about.
    story.details(samples.detail(conditions=[samples.condition("InvalidSpecError", "no cluster edge-7")]))
    assert run("app", "wait", "web", "--sync", "--timeout", "0.3").code == 4


def test_waiting_for_a_change_of_what_is_left_as_it_is_ends_with_the_reason(
    story: Story, run: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_wait, "GRACE_SECONDS", 0.05)
    left = samples.condition("SkipReconcileWarning", "it is left as it is")
    story.details(samples.detail(conditions=[left], generation=3))
    outcome = run("app", "wait", "web", "--health")
    assert (outcome.code, outcome.err.splitlines()[-1]) == (
        1,
        "error: web is not looked at, so its newest change stays undone: SkipReconcileWarning: it is left as it is",
    )
    story.details(samples.detail(conditions=[left]))
    assert run("app", "wait", "web").code == 0, "what is there is as wanted"


def test_waiting_for_a_new_look_does_not_mind_what_the_last_one_could_not_compare(
    story: Story, run: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_wait, "GRACE_SECONDS", 0.01)
    asked = samples.detail(conditions=[samples.condition()])
    asked["refresh"]["requested"] = "normal"
    story.details(*[asked] * 5, samples.detail())
    assert run("app", "wait", "web").code == 0


def test_waiting_tells_what_is_in_the_way_without_a_terminal(story: Story, run: Terminal) -> None:
    story.details(samples.detail(conditions=[samples.condition()]))
    outcome = run("app", "wait", "web", "--timeout", "0.2")
    assert outcome.err.count("waiting for web: ComparisonError: the repository cannot be read") == 1


def test_waiting_for_an_application_that_is_not_there(story: Story, run: Terminal) -> None:
    story.details(refused(404, "not-found", "there is no application web"))
    assert run("app", "wait", "web").code == 2


# --- deletion


def deletion(run: Terminal, *flags: str, input: str | None = None) -> Outcome:
    return run("app", "delete", "web", *flags, input=input)


@pytest.fixture
def deleting(story: Story) -> Story:
    reply = {
        "id": "argocd/web",
        "cascade": True,
        "propagation": "foreground",
        "clusters": ["edge-1"],
        "message": "soon",
    }
    story.hub.on("DELETE", APP, Reply(reply, 202))
    return story


def test_deletion_is_not_begun_unasked(deleting: Story, run: Terminal) -> None:
    outcome = deletion(run)
    assert (outcome.code, "give --yes" in outcome.err) == (2, True)
    assert deleting.hub.asked("DELETE", APP) == []


@pytest.mark.usefixtures("at_terminal")
def test_at_a_terminal_deletion_is_asked_about(deleting: Story, run: Terminal) -> None:
    assert deletion(run, input="n\n").code == 2
    assert deleting.hub.asked("DELETE", APP) == []
    outcome = deletion(run, "--cascade=false", input="y\n")
    assert "leave what it put on its clusters? [y/N]" in outcome.err
    assert outcome.out == "application/web is being deleted: soon.\n"
    assert deleting.hub.asked("DELETE", APP)[0].query == {"cascade": "false"}


def test_deletion_can_be_waited_for(deleting: Story, run: Terminal) -> None:
    going = samples.detail(samples.row(deleting=True))
    deleting.details(going, going, refused(404, "not-found", "there is no application web"))
    outcome = deletion(run, "-y", "--wait", "--propagation-policy", "background")
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[-1] == "web is gone."
    assert deleting.hub.asked("DELETE", APP)[0].query == {"cascade": "true", "propagation": "background"}


def test_deletion_that_takes_too_long(deleting: Story, run: Terminal) -> None:
    deleting.details(samples.detail(samples.row(deleting=True)))
    outcome = deletion(run, "-y", "--wait", "--timeout", "0.1")
    assert (outcome.code, outcome.err.splitlines()[-1]) == (
        4,
        "error: web is not gone within 0.1 s: it is still on edge-1",
    )


def test_what_is_gone_already_is_gone(deleting: Story, run: Terminal) -> None:
    deleting.details(refused(404, "not-found", "there is no application web"))
    assert run("app", "wait", "web", "--delete").out == "web is gone.\n"
    told = json.loads(run("app", "wait", "web", "--delete", "-o", "json").out)
    assert told == {"application": "web", "deleted": True}


def test_no_stream_is_left_open(story: Story, run: Terminal) -> None:
    """The last event ends it: the stream's own end is not waited for."""
    ended = threading.Event()

    def stream(_: Request) -> Reply:
        def chunks() -> Iterator[bytes]:
            yield cluster_events(ours())
            try:
                while not story.hub.stopping.wait(0.01):
                    yield b": heartbeat\n\n"
            finally:
                ended.set()

        return Reply(chunks=chunks())

    story.hub.on("GET", WATCH, stream)
    assert run("app", "sync", "web").code == 0
    assert ended.wait(10)
