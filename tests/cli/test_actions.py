"""`escadre app actions`: what is asked for, what is shown, and how it ends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hub.api.models.action import ActionList, ActionRequest, ActionResult
from tests.cli.conftest import Terminal
from tests.cli.fakehub import FakeHub, refused

PATH = "/applications/web/actions"


def action(name: str, *params: str, disabled: bool = False) -> dict[str, Any]:
    given = [{"name": param, "value": "", "type": "", "default": ""} for param in params]
    title = name.capitalize()
    return {"name": name, "disabled": disabled, "display_name": title, "icon_class": "", "params": given}


def resource(name: str = "web", *actions: dict[str, Any], **values: Any) -> dict[str, Any]:
    found = list(actions) or [action("restart"), action("resume", disabled=True), action("scale", "scale")]
    return {
        "group": "apps",
        "kind": "Deployment",
        "namespace": "shop",
        "name": name,
        "actions": found,
        "error": "",
        **values,
    }


def listed(**clusters: Any) -> dict[str, Any]:
    """Make a reply: for each cluster its objects, or why it has no answer."""
    items = [
        {
            "cluster": name.replace("_", "-"),
            "error": {"code": "cluster-unreachable", "message": what} if isinstance(what, str) else None,
            "truncated": False,
            "resources": [] if isinstance(what, str) else what,
        }
        for name, what in clusters.items()
    ]
    assert ActionList.model_validate({"items": items})
    return {"items": items}


def done(cluster: str = "one", operation: str = "patch", kind: str = "Deployment", name: str = "web") -> dict[str, Any]:
    group = "apps" if kind == "Deployment" else "batch"
    changed = [{"operation": operation, "group": group, "kind": kind, "namespace": "shop", "name": name}]
    reply = {"cluster": cluster, "changed": changed if operation else []}
    assert ActionResult.model_validate(reply)
    return reply


# --- list


def test_list(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", PATH, listed(one=[resource()]))
    head, *rows = run("app", "actions", "list", "web").out.splitlines()
    assert head.split() == ["CLUSTER", "GROUP", "KIND", "NAMESPACE", "NAME", "ACTION", "DISABLED"]
    assert [row.split() for row in rows] == [
        ["one", "apps", "Deployment", "shop", "web", "restart", "false"],
        ["one", "apps", "Deployment", "shop", "web", "resume", "true"],
        ["one", "apps", "Deployment", "shop", "web", "scale", "false"],
    ]
    wide = run("app", "actions", "ls", "web", "-o", "wide").out.splitlines()
    assert wide[0].endswith("DISPLAY NAME") and wide[3].split()[-2:] == ["scale", "Scale"]
    assert (
        run("app", "actions", "list", "web", "-o", "name").out.splitlines()[0] == "one apps/Deployment shop/web restart"
    )
    assert json.loads(run("app", "actions", "list", "web", "-o", "json").out) == listed(one=[resource()])
    assert "display_name: Restart" in run("app", "actions", "list", "web", "-o", "yaml").out


def test_list_selects(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", "/applications/web/actions", listed(one=[]))
    outcome = run(
        *("app", "actions", "list", "team/web", "--kind", "Deployment", "--group", "apps", "--resource-name", "web"),
        *("--namespace", "shop", "--cluster", "one"),
    )
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "No actions.\n")
    assert hub.requests[0].query == {
        "namespace": "team",
        "kind": "Deployment",
        "group": "apps",
        "resource_name": "web",
        "resource_namespace": "shop",
        "cluster": "one",
    }


def test_an_empty_group_is_the_core_group(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", PATH, listed(one=[resource("web", action("restart")), resource("conf", action("rename"), group="")]))
    assert run("app", "actions", "list", "web", "--group", "", "-o", "name").out == "one Deployment shop/conf rename\n"
    everything = run("app", "actions", "list", "web", "-o", "name").out.splitlines()
    assert everything == ["one apps/Deployment shop/web restart", "one Deployment shop/conf rename"]


def test_list_tells_who_does_not_answer_and_what_fails(hub: FakeHub, run: Terminal) -> None:
    broken = resource("broken", error="no luck") | {"actions": []}
    reply = listed(one=[resource(), broken], two="the agent of two is not connected")
    reply["items"][0]["truncated"] = True
    hub.on("GET", PATH, reply)
    outcome = run("app", "actions", "list", "web")
    assert outcome.code == 0 and len(outcome.out.splitlines()) == 4
    assert outcome.err.splitlines() == [
        "warning: one has more: select fewer, with --kind for one",
        "warning: one apps/Deployment shop/broken: no luck",
        "warning: the agent of two is not connected",
    ]
    hub.on("GET", PATH, listed(two="the agent of two is not connected"))
    outcome = run("app", "actions", "list", "web")
    assert outcome.code == 3 and "No actions" not in outcome.err, "nobody has said so"


# --- run


def test_run_on_the_one_that_is_selected(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", PATH, listed(one=[resource()]))
    hub.on("POST", PATH, done())
    outcome = run("app", "actions", "run", "team/web", "scale", "--kind", "Deployment", "--param", "scale=a=5")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == "one apps/Deployment shop/web: Succeeded: patched apps/Deployment shop/web\n"
    (asked,) = hub.asked("POST", PATH)
    assert asked.query == {"namespace": "team"} and ActionRequest.model_validate(asked.json)
    assert asked.json == {
        "group": "apps",
        "kind": "Deployment",
        "namespace": "shop",
        "name": "web",
        "action": "scale",
        "parameters": {"scale": "a=5"},
        "cluster": "one",
    }


@pytest.mark.parametrize(
    ("reply", "words"),
    [(done(operation="create", kind="Job"), "created batch/Job shop/web"), (done(operation=""), "nothing to change")],
)
def test_run_says_what_was_changed(hub: FakeHub, run: Terminal, reply: Any, words: str) -> None:
    hub.on("GET", PATH, listed(one=[resource()]))
    hub.on("POST", PATH, reply)
    assert words in run("app", "actions", "run", "web", "restart", "--kind", "Deployment").out


def test_run_on_several_needs_all(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", PATH, listed(one=[resource(), resource("other")], two=[resource()]))
    hub.on("POST", PATH, done())
    command = ("app", "actions", "run", "web", "restart", "--kind", "Deployment")
    outcome = run(*command)
    assert outcome.code == 2 and hub.asked("POST", PATH) == []
    assert "3 objects are selected, one apps/Deployment shop/web, one apps/Deployment shop/other" in outcome.err
    assert "--all" in outcome.err
    assert len(run(*command, "--all").out.splitlines()) == 3
    assert {(r.json["cluster"], r.json["name"]) for r in hub.asked("POST", PATH)} == {
        ("one", "web"),
        ("one", "other"),
        ("two", "web"),
    }


def test_run_on_what_is_not_there(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", PATH, listed(one=[]))
    outcome = run("app", "actions", "run", "web", "restart", "--kind", "Deployment")
    assert outcome.code == 2 and "no object of web that has actions is selected" in outcome.err
    assert run("app", "actions", "run", "web", "restart").code == 2, "the kind is needed"


def test_run_where_a_cluster_does_not_answer(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", PATH, listed(one=[resource()], two="the agent of two is not connected"))
    hub.on("POST", PATH, done())
    command = ("app", "actions", "run", "web", "restart", "--kind", "Deployment")
    outcome = run(*command)
    assert outcome.code == 1 and hub.asked("POST", PATH) == [], "there may be another one that is meant"
    assert "the agent of two is not connected" in outcome.err and "--cluster" in outcome.err
    outcome = run(*command, "--all")
    assert outcome.code == 1 and "one apps/Deployment shop/web: Succeeded" in outcome.out
    assert outcome.err == "error: restart of web failed on 1 of 2 objects: the agent of two is not connected\n"
    hub.on("GET", PATH, listed(two="the agent of two is not connected"))
    outcome = run(*command, "--all", "--cluster", "two")
    assert outcome.code == 1 and "name a cluster" not in outcome.err
    outcome = run(*command)
    assert (outcome.code, outcome.err) == (1, "error: nothing was done: the agent of two is not connected\n")


def test_run_tells_each_failure_and_goes_on(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", PATH, listed(one=[resource("a"), resource("b"), resource("c")]))
    hub.on(
        "POST",
        PATH,
        refused(422, "action-refused", "it makes no sense"),
        refused(504, "outcome-unknown", "whether it was run is not known"),
        done(name="c"),
    )
    command = ("app", "actions", "run", "web", "restart", "--kind", "Deployment", "--all")
    outcome = run(*command)
    assert outcome.code == 1
    first, second, third = outcome.out.splitlines()
    assert first == "one apps/Deployment shop/a: Failed: it makes no sense"
    assert "whether it was run is not known" in second
    assert third == "one apps/Deployment shop/c: Succeeded: patched apps/Deployment shop/c"
    assert len(hub.asked("POST", PATH)) == 3, "no action is run again by itself"
    assert "failed on 2 of 3 objects: it makes no sense" in outcome.err
    hub.on("POST", PATH, done())
    items = json.loads(run(*command, "-o", "json").out)["items"]
    assert [(i["name"], i["outcome"], len(i["changed"])) for i in items] == [
        ("a", "Succeeded", 1),
        ("b", "Succeeded", 1),
        ("c", "Succeeded", 1),
    ]


def test_run_without_the_permission_ends_at_once(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", PATH, listed(one=[resource("a"), resource("b")]))
    hub.on("POST", PATH, refused(403, "permission-denied", "account ada may not"))
    outcome = run("app", "actions", "run", "web", "restart", "--kind", "Deployment", "--all")
    assert outcome.code == 3 and len(hub.asked("POST", PATH)) == 1


def test_what_was_done_before_the_end_is_told_in_every_form(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", PATH, listed(one=[resource("a"), resource("b")]))
    command = ("app", "actions", "run", "web", "restart", "--kind", "Deployment", "--all")
    for form in ("table", "json"):
        hub.on("POST", PATH, done(name="a"), refused(401, "unauthenticated", "the session has ended"))
        outcome = run(*command, "-o", form)
        assert outcome.code == 3
        if form == "json":
            assert [(i["name"], i["outcome"]) for i in json.loads(outcome.out)["items"]] == [("a", "Succeeded")]
        else:
            assert "shop/a: Succeeded" in outcome.out


@pytest.mark.parametrize("given", [("scale",), ("=5",), ("scale=1", "--param", "scale=2")])
def test_parameters_that_are_none(hub: FakeHub, run: Terminal, given: tuple[str, ...]) -> None:
    outcome = run("app", "actions", "run", "web", "scale", "--kind", "Deployment", "--param", *given)
    assert outcome.code == 2 and "parameter" in outcome.err
    assert hub.requests == []
