"""`escadre admin plan`: manifests in, the phases and waves of a sync out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Outcome, Terminal

A = "argocd.argoproj.io/"


def obj(kind: str, name: str, namespace: str = "", **annotations: str) -> dict[str, Any]:
    """Return an object; `sync_wave="1"` is Argo CD's annotation sync-wave."""
    versions = {"Deployment": "apps/v1", "Job": "batch/v1", "Widget": "example.org/v1", "ClusterRole": RBAC}
    metadata: dict[str, Any] = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if annotations:
        metadata["annotations"] = {A + key.replace("_", "-"): value for key, value in annotations.items()}
    return {"apiVersion": versions.get(kind, "v1"), "kind": kind, "metadata": metadata}


RBAC = "rbac.authorization.k8s.io/v1"


def tracked(found: dict[str, Any], application: str = "web") -> dict[str, Any]:
    metadata = found["metadata"]
    group = found["apiVersion"].rpartition("/")[0]
    id = f"{application}:{group}/{found['kind']}:{metadata.get('namespace', '')}/{metadata['name']}"
    return {
        **found,
        "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), A + "tracking-id": id}},
    }


def crd(scope: str) -> dict[str, Any]:
    names = {"kind": "Widget", "plural": "widgets"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.org", "annotations": {A + "sync-wave": "5"}},
        "spec": {"group": "example.org", "names": names, "scope": scope},
    }


def planned(escadre: Terminal, manifests: list[dict[str, Any]], *arguments: str) -> dict[str, Any]:
    outcome = escadre("admin", "plan", "-", "-o", "json", *arguments, input=json.dumps(manifests))
    assert outcome.code == 0, outcome.err
    answer: dict[str, Any] = json.loads(outcome.out)
    return answer


def there(*objects: dict[str, Any]) -> str:
    Path("live.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    return "--live=live.json"


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["name"] for row in rows]


def test_phases_and_waves(escadre: Terminal) -> None:
    hook = obj("Job", "migrate", hook="PreSync", hook_delete_policy="HookSucceeded,HookFailed", sync_wave="-1")
    undo = obj("Job", "undo", hook="SyncFail", sync_wave="3")
    live = there(tracked(obj("Secret", "old", "shop")))
    manifests = [obj("Deployment", "web"), undo, obj("Secret", "a", sync_wave="1"), hook]
    answer = planned(escadre, manifests, "--namespace", "shop", live)
    job = {"group": "batch", "version": "v1", "kind": "Job", "namespace": "shop"}
    secret = {"group": "", "version": "v1", "kind": "Secret", "namespace": "shop"}
    web = {"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "shop", "name": "web"}
    plain = {"hook": False, "deletePolicies": []}
    assert answer == {
        "createsNamespace": None,
        "phases": [
            {
                "phase": "PreSync",
                "waves": [
                    {
                        "wave": -1,
                        "apply": [
                            {**job, "name": "migrate", "hook": True, "deletePolicies": ["HookFailed", "HookSucceeded"]}
                        ],
                        "prune": [],
                    }
                ],
            },
            {
                "phase": "Sync",
                "waves": [
                    {"wave": 0, "apply": [{**web, **plain}], "prune": [{**secret, "name": "old", "confirm": False}]},
                    {"wave": 1, "apply": [{**secret, "name": "a", **plain}], "prune": []},
                ],
            },
        ],
        "syncFail": [{**job, "name": "undo", "wave": 3, "hook": True, "deletePolicies": ["BeforeHookCreation"]}],
        "order": [
            "PreSync/-1/batch/Job/shop/migrate",
            "Sync/0//Secret/shop/old",
            "Sync/0/apps/Deployment/shop/web",
            "Sync/1//Secret/shop/a",
        ],
        "skipped": [],
        "left": [],
        "multiStep": True,
    }


def test_namespaces_and_scopes(escadre: Terminal) -> None:
    manifests = [obj("Secret", "a"), obj("Secret", "b", "own"), obj("ClusterRole", "c", "ignored"), obj("Widget", "d")]
    order = planned(escadre, manifests)["order"]
    group = RBAC.partition("/")[0]
    assert order == [
        "Sync/0//Secret/default/a",
        "Sync/0//Secret/own/b",
        f"Sync/0/{group}/ClusterRole//c",
        "Sync/0/example.org/Widget/default/d",
    ]
    for scope, namespace in (("Cluster", ""), ("Namespaced", "n")):
        order = planned(escadre, [obj("Widget", "d"), crd(scope)], "--namespace=n")["order"]
        assert order[-1] == f"Sync/0/example.org/Widget/{namespace}/d"
        live = there(crd(scope))
        order = planned(escadre, [obj("Widget", "d")], "--namespace=n", live)["order"]
        assert order == [f"Sync/0/example.org/Widget/{namespace}/d"]


def test_a_folder_is_read_in_the_order_of_its_files(escadre: Terminal) -> None:
    for name, found in (("b.yaml", "b"), ("a/z.yml", "z"), ("a.json", "j"), ("a/.x.yaml", "x"), (".git/y.yaml", "y")):
        path = Path("deploy", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(obj("Secret", found)))
    Path("deploy/README.md").write_text("# not this")
    Path("deploy/b.yaml").write_text(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: b}\n---\n" + json.dumps(obj("Secret", "j"))
    )
    outcome = escadre("admin", "plan", "deploy", "-o", "json")
    answer = json.loads(outcome.out)
    assert [line.rpartition("/")[2] for line in answer["order"]] == ["b", "j", "z"]
    assert answer["skipped"][0]["name"] == "j"
    assert (
        "more than once" in answer["skipped"][0]["reason"] and "deploy/b.yaml, line 5" in answer["skipped"][0]["reason"]
    )


def test_what_is_there_is_pruned_if_it_is_the_application_s(escadre: Terminal) -> None:
    live = there(
        tracked(obj("Secret", "mine", "n")),
        tracked(obj("Secret", "kept", "n", sync_options="Prune=false")),
        tracked(obj("Secret", "asked", "n", sync_options="Prune=confirm")),
        tracked(obj("Secret", "others", "n"), "other"),
        {
            **obj("Secret", "copied", "n"),
            "metadata": {**tracked(obj("Secret", "mine", "n"))["metadata"], "name": "copied"},
        },
        obj("Secret", "nobody", "n"),
    )

    def prunes(*arguments: str) -> list[tuple[str, bool]]:
        answer = planned(escadre, [], live, *arguments)
        return [(row["name"], row["confirm"]) for p in answer["phases"] for w in p["waves"] for row in w["prune"]]

    assert prunes("--application=web") == [("mine", False), ("asked", True)]
    assert prunes("--application=other") == [("others", False)]
    assert prunes("--application=web", "--sync-option=Prune=confirm") == [("mine", True), ("asked", True)]
    everything = ["others", "nobody", "mine", "copied", "asked"]
    assert [name for name, _ in prunes("--assume-tracked")] == everything
    for refusal, reason in (("--no-prune", "pruning is off"), ("--sync-option=Prune=false", "Prune=false says")):
        answer = planned(escadre, [], live, "--application=web", refusal)
        assert answer["phases"] == [] and names(answer["left"]) == ["asked", "kept", "mine"]
        assert reason in answer["left"][-1]["reason"] and "its sync option" in answer["left"][1]["reason"]
    outcome = escadre("admin", "plan", "-", live, input="")
    assert outcome.code == 2 and "other, web" in outcome.err and "--application" in outcome.err


def test_the_end_of_an_application(escadre: Terminal) -> None:
    manifests = [
        obj("Namespace", "n", sync_wave="-1"),
        obj("Secret", "s", "n", sync_options="Delete=false"),
        obj("Deployment", "d", "m", sync_wave="2"),
        obj("Job", "bye", "m", hook="PostDelete"),
        obj("Job", "up", "m", hook="PreSync"),
    ]
    answer = planned(escadre, manifests, "--delete")
    assert answer["order"] == ["Sync/2/apps/Deployment/m/d", "PostDelete/0/batch/Job/m/bye"]
    assert names(answer["left"]) == ["n", "s"] and "stays, and would go with it" in answer["left"][0]["reason"]
    assert names(answer["skipped"]) == ["up"] and "hook of PreSync" in answer["skipped"][0]["reason"]
    live = there(tracked(obj("Secret", "more", "m")))
    assert planned(escadre, manifests, "--delete", live)["order"] == [
        "Sync/0//Secret/m/more",
        "PostDelete/0/batch/Job/m/bye",
    ]
    answer = planned(escadre, manifests, "--delete", "--sync-option=Delete=false")
    assert answer["phases"] == [] and names(answer["left"]) == ["n", "s", "d"]


def test_sync_options(escadre: Terminal) -> None:
    live = there(
        tracked(obj("Secret", "old", "default")), {**tracked(obj("Secret", "same", "default")), "data": {"a": "b"}}
    )
    manifests = [{**obj("Secret", "same"), "data": {"a": "b"}}, obj("Secret", "new", sync_wave="1")]
    same, old = "Sync/0//Secret/default/same", "Sync/0//Secret/default/old"
    assert planned(escadre, manifests, live)["order"] == [old, same, "Sync/1//Secret/default/new"]
    out = planned(escadre, manifests, live, "--sync-option=ApplyOutOfSyncOnly=true", "--sync-option=PruneLast=true")
    assert out["order"] == ["Sync/1//Secret/default/new", "Sync/2//Secret/default/old"]
    manifests[0]["data"] = {"a": "c"}
    out = planned(escadre, manifests, live, "--sync-option=ApplyOutOfSyncOnly=true")
    assert same in out["order"]
    create = "--sync-option=CreateNamespace=true"
    assert planned(escadre, manifests, create)["createsNamespace"] == "default"
    assert planned(escadre, [*manifests, obj("Namespace", "default")], create)["createsNamespace"] is None


def test_the_table_for_people(escadre: Terminal) -> None:
    hook = obj("Job", "migrate", hook="PreSync")
    live = there(
        tracked(obj("Secret", "old", "default")), tracked(obj("Secret", "kept", "default", sync_options="Prune=false"))
    )
    manifests = [obj("Secret", "a"), hook, obj("Job", "odd", hook="Skip")]
    outcome = escadre("admin", "plan", "-", live, "--sync-option=CreateNamespace=true", input=json.dumps(manifests))
    assert (
        outcome.out
        == """\
Namespace default is made before anything else, unless it is there.

PHASE    WAVE  ACTION    OBJECT                     NOTE
PreSync  0     run hook  Job.batch/default/migrate  BeforeHookCreation
Sync     0     prune     Secret/default/old
               apply     Secret/default/a

Passed over:
  Job.batch/default/odd  it is a hook that no phase runs: Skip, a test of Helm, or a word that nobody knows

Left alone:
  Secret/default/kept  its sync option Prune=false says to leave it

Each wave begins when the one before it is healthy and its hooks have ended well.
"""
    )
    assert escadre("admin", "plan", "-", input="").out == "There is nothing to do.\n"


def test_of_a_folder_what_is_no_manifest_is_passed_over(escadre: Terminal) -> None:
    Path("deploy").mkdir()
    for name, text in (
        ("values.yaml", "replicas: 3\n"),
        ("notes.yaml", "a: b: c\n"),
        ("template.yaml", "{{ include x }}\n# +argocd:skip-file-rendering\nkind: Secret\n"),
        ("array.json", json.dumps([obj("Secret", "a")])),
    ):
        Path("deploy", name).write_text(text)
    outcome = escadre("admin", "plan", "deploy", "-o", "json")
    assert json.loads(outcome.out)["order"] == ["Sync/0//Secret/default/a"]
    assert json.loads(escadre("admin", "diff", "deploy", "deploy", "-o", "json").out)["change"] == "none"
    assert_refused(escadre("admin", "plan", "deploy/values.yaml"), "deploy/values.yaml, line 1")
    Path("deploy/broken.yaml").write_text("kind: Secret\n a: b: c\n")
    assert_refused(escadre("admin", "plan", "deploy"), "deploy/broken.yaml, line 2")


@pytest.mark.parametrize(
    ("name", "said"), [("Chart.yaml", "helm template NAME deploy"), ("kustomization.yml", "kustomize build deploy")]
)
def test_a_folder_that_has_to_be_rendered_says_by_what(escadre: Terminal, name: str, said: str) -> None:
    Path("deploy").mkdir()
    Path("deploy", name).write_text("apiVersion: v2\nname: web\n")
    assert_refused(escadre("admin", "plan", "deploy"), said)


def test_annotations_that_are_misspelt_are_told(escadre: Terminal) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  annotations:\n"
    text += "    argocd.argoproj.io/sync-options: Pruen=false\n"
    outcome = escadre("admin", "plan", "-", "-o", "json", input=text)
    assert outcome.code == 0 and json.loads(outcome.out)["order"] == ["Sync/0//ConfigMap/default/a"]
    assert outcome.err == (
        "warning: standard input, line 1: ConfigMap/a: argocd.argoproj.io/sync-options: 'Pruen=false' is not a known "
        "sync option (did you mean Prune?)\n"
    )


def test_a_folder_without_manifests_is_told(escadre: Terminal) -> None:
    """It plans an application of nothing, which is rarely meant."""
    Path("deploy").mkdir()
    outcome = escadre("admin", "plan", "deploy")
    assert (outcome.code, outcome.out) == (0, "There is nothing to do.\n")
    assert outcome.err.startswith("warning: there are no manifests in deploy: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--delete", "--prune"), "--delete deletes"),
        (("--application", "web"), "--live"),
        (("--assume-tracked",), "--live"),
        (("--live", "-"), "standard input"),
        (("--live", "missing"), "missing cannot be read"),
        (("--sync-option", "Nonsense=true"), "no sync option 'Nonsense'"),
        (("--sync-option", "Prune=never"), "true, false, confirm"),
        (("--sync-option", "PruneLast"), "true, false"),
    ],
)
def test_wrong_usage(escadre: Terminal, arguments: tuple[str, ...], said: str) -> None:
    assert_refused(escadre("admin", "plan", "-", *arguments, input=""), said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("apiVersion: v1\nkind: Secret\n", "line 1: the object is a Secret without metadata"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {}\n", "without metadata.name"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: 3}\n", "metadata.name is no text"),
        ("apiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n", "metadata.name is no text: write it in quotes"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {generateName: a-}\n", "hooks alone"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: 3}\n", "no text"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: a, annotations: [b]}\n", "no mapping"),
        ("hello\n", "no Kubernetes object"),
    ],
)
def test_what_is_no_object_is_told_with_its_place(escadre: Terminal, text: str, said: str) -> None:
    assert_refused(escadre("admin", "plan", "-", input=text), said)


def assert_refused(outcome: Outcome, said: str) -> None:
    assert (outcome.code, outcome.out) == (2, "")
    assert said in outcome.err and "Traceback" not in outcome.err


def test_hooks_with_generated_names_are_told_apart(escadre: Terminal) -> None:
    hook = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": "h-", "annotations": {A + "hook": "Sync"}},
    }
    assert planned(escadre, [hook, hook])["order"] == ["Sync/0/batch/Job/default/h-", "Sync/0/batch/Job/default/h-#2"]


def test_a_thousand_objects_take_less_than_two_seconds(tmp_path: Path) -> None:
    """Of the processor, for how long the program waits for it says nothing about the program."""
    for i in range(1000):
        found = obj("Deployment", f"web-{i}", f"n{i % 20}", sync_wave=str(i % 7 - 3))
        containers = [{"name": "web", "image": "web:1", "env": [{"name": f"E{j}", "value": "v"} for j in range(10)]}]
        found["spec"] = {"replicas": 3, "template": {"spec": {"containers": containers}}}
        with (tmp_path / f"{i % 50}.yaml").open("a") as file:
            file.write(f"---\n# of {i}\n{json.dumps(found, indent=1)}\n")
    command = [sys.executable, "-m", "hub.cli.main", "admin", "plan", str(tmp_path), "-o", "json"]
    before = os.times()
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    after = os.times()
    assert len(json.loads(done.stdout)["order"]) == 1000
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert spent < 2.0
