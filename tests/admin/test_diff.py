"""`escadre admin diff`: two sets of objects in, one line of JSON an object out."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from agent.admin.pairs import pair_objects
from agent.engine.resource import key_of
from tests.cli.conftest import Outcome, Terminal

Object = dict[str, Any]


def obj(kind: str, name: str = "x", api_version: str = "v1", **content: Any) -> Object:
    metadata = {"name": name, "namespace": "shop", **content.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}


def deployment(name: str = "web", image: str = "app:1", **spec: Any) -> Object:
    container = {"name": "main", "image": image, "resources": {"limits": {"memory": "1Gi"}}}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template, **spec}
    return obj("Deployment", name, "apps/v1", spec=spec)


def config_map(name: str = "c", metadata: Object | None = None, **data: str) -> Object:
    return obj("ConfigMap", name, metadata=metadata or {}, data=data)


def write(name: str, *objects: Any) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text("\n".join(json.dumps(o) for o in objects))
    return name


def rows(outcome: Outcome, code: int = 0) -> list[Object]:
    assert outcome.code == code, outcome.err
    return [json.loads(line) for line in outcome.out.splitlines()]


def test_a_line_says_what_would_change_and_who_wrote_it(escadre: Terminal) -> None:
    live = deployment(replicas=3)
    entry = {
        "manager": "kubectl-edit",
        "operation": "Update",
        "apiVersion": "apps/v1",
        "time": "2026-01-01T00:00:00Z",
        "fieldsV1": {"f:spec": {"f:replicas": {}}},
    }
    live["metadata"]["managedFields"] = [entry]
    (row,) = rows(escadre("admin", "diff", write("live", live), write("target", deployment(replicas=2))))
    assert "-  replicas: 3\n+  replicas: 2" in row.pop("diff")
    assert row == {
        "key": {"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "web"},
        "change": "update",
        "modified": True,
        "sync": "OutOfSync",
        "fields": [
            {
                "path": "/spec/replicas",
                "assigned": 2,
                "live": 3,
                "manager": "kubectl-edit",
                "changed_at": "2026-01-01T00:00:00Z",
                "likely": False,
            }
        ],
    }


def test_every_change_has_its_name(escadre: Terminal) -> None:
    write("live", config_map("same", k="1"), config_map("old"), config_map("other", k="1"))
    write("target", config_map("same", k="1"), config_map("other", k="2"), config_map("new"))
    found = rows(escadre("admin", "diff", "live", "target"))
    assert [(r["key"]["name"], r["change"], r["modified"], r["sync"]) for r in found] == [
        ("same", "none", False, "Synced"),
        ("other", "update", True, "OutOfSync"),
        ("new", "create", True, "OutOfSync"),
        ("old", "prune", False, "OutOfSync"),
    ]
    assert found[0]["diff"] == "" and found[0]["fields"] == []
    assert found[2]["diff"].startswith("--- /dev/null") and "+++ /dev/null" in found[3]["diff"]
    assert found[1]["fields"][0]["path"] == "/data/k"


def test_lists_directories_yaml_and_standard_input(escadre: Terminal) -> None:
    Path("target/deep").mkdir(parents=True)
    Path("target/a.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n")
    write("target/deep/b.json", {"apiVersion": "v1", "kind": "List", "items": [config_map("b")]})
    Path("target/notes.txt").write_text("not an object")
    live = json.dumps([config_map("a"), config_map("b")])
    found = rows(escadre("admin", "diff", "-", "target", input=live))
    assert [(r["key"]["name"], r["change"]) for r in found] == [("a", "none"), ("b", "none")]
    assert found[0]["key"]["namespace"] == "shop", "where only the live object says it"


@pytest.mark.parametrize(
    ("live", "message"),
    [
        (config_map("c", {"ownerReferences": [{"kind": "Widget", "name": "w"}]}), "belongs to Widget/w"),
        (config_map("c", {"annotations": {"argocd.argoproj.io/tracking-id": "a:/Secret:b/c"}}), "another object"),
        (config_map("c", {"annotations": {"argocd.argoproj.io/hook": "PreSync"}}), "hook"),
        (config_map("c", {"annotations": {"helm.sh/hook": "pre-install"}}), "hook"),
    ],
)
def test_what_is_nobodys_to_prune_says_why(escadre: Terminal, live: Object, message: str) -> None:
    write("target")
    (row,) = rows(escadre("admin", "diff", write("live", live), "target", "--exit-code"))
    assert (row["change"], row["sync"]) == ("none", "Synced")
    assert message in row["message"]


def test_what_asks_not_to_be_counted_when_extraneous(escadre: Terminal) -> None:
    options = {"annotations": {"argocd.argoproj.io/compare-options": "IgnoreExtraneous"}}
    write("target")
    (row,) = rows(escadre("admin", "diff", write("live", config_map("c", options)), "target", "--exit-code"))
    assert (row["change"], row["sync"], row["counted"]) == ("prune", "OutOfSync", False)


def test_objects_whose_names_are_generated(escadre: Terminal) -> None:
    hook = {"annotations": {"argocd.argoproj.io/hook": "PreSync"}}
    job = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "job-"}}
    write("target", job, {**job, "metadata": job["metadata"] | hook})  # type: ignore[operator] # a literal's value
    write("live", config_map("job-abc"))
    found = rows(escadre("admin", "diff", "live", "target"))
    assert [(r["key"]["name"], r["change"]) for r in found] == [
        ("job-", "create"),
        ("job-", "none"),
        ("job-abc", "prune"),
    ]


def test_ignored_fields(escadre: Terminal) -> None:
    write("live", deployment(replicas=3), config_map("c", a="1", b="1"))
    write("target", deployment(replicas=2), config_map("c", a="2", b="2"))
    entry = {"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"]}
    application = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "spec": {"ignoreDifferences": [entry]}}
    write("app", application)
    write("entries", [{"kind": "ConfigMap", "name": "c*", "jqPathExpressions": [".data.a"]}])
    Path("cm.yaml").write_text(
        "kind: ConfigMap\ndata:\n  resource.customizations.ignoreDifferences.ConfigMap: |\n"
        "    jsonPointers:\n    - /data/b\n"
    )
    one = rows(escadre("admin", "diff", "live", "target", "--ignore-differences", "app"))
    assert [r["change"] for r in one] == ["none", "update"]
    ignores = ("--ignore-differences", "app", "--ignore-differences", "entries")
    two = rows(escadre("admin", "diff", "live", "target", *ignores))
    assert (
        [f["path"] for f in two[1]["fields"]] == ["/data/b"]
        and '"2"' in two[1]["diff"]
        and "  a: " not in two[1]["diff"]
    )
    three = rows(escadre("admin", "diff", "live", "target", *ignores, "--settings", "cm.yaml", "--exit-code"))
    assert [r["change"] for r in three] == ["none", "none"]


def test_entries_in_the_sync_options_of_an_application(escadre: Terminal) -> None:
    write("live", deployment(replicas=3), config_map("c", a="1"))
    write("target", deployment(replicas=2), config_map("c", a="2"))
    options = (
        'RespectIgnoreDifferences=true,IgnoreDifferences={"kind":"Deployment","jsonPointers":["/spec/replicas"]},'
        ' IgnoreDifferences={"kind": "ConfigMap", "jsonPointers": ["/data/a"]}'
    )
    annotations = {"argocd.argoproj.io/sync-options": options}
    write("app", {"kind": "Application", "metadata": {"annotations": annotations}, "spec": {}})
    found = rows(escadre("admin", "diff", "live", "target", "--ignore-differences", "app"))
    assert [r["change"] for r in found] == ["none", "none"]
    annotations["argocd.argoproj.io/sync-options"] = "IgnoreDifferences=x"
    write("app", {"kind": "Application", "metadata": {"annotations": annotations}})
    assert "no JSON" in escadre("admin", "diff", "live", "target", "--ignore-differences", "app").err


def test_what_cannot_be_served_of_the_rules_is_said(escadre: Terminal) -> None:
    write("x", config_map("c"))
    write("entries", [{"kind": "ConfigMap", "jqPathExpressions": [".data | nonsense"]}])
    write("cm", {"data": {"resource.compareoptions": "ignoreAggregatedRoles: perhaps"}})
    outcome = escadre("admin", "diff", "x", "x", "--ignore-differences", "entries", "--settings", "cm")
    assert outcome.code == 0
    assert outcome.err.count("warning: ") == 2 and "nonsense" in outcome.err and "perhaps" in outcome.err


def test_aggregated_roles_by_the_settings(escadre: Terminal) -> None:
    role = obj("ClusterRole", api_version="rbac.authorization.k8s.io/v1", aggregationRule={}, rules=[])
    write("live", {**role, "rules": [{"verbs": ["get"], "resources": ["pods"], "apiGroups": [""]}]})
    write("target", role)
    write("cm", {"data": {"resource.compareoptions": "ignoreAggregatedRoles: false"}})
    assert rows(escadre("admin", "diff", "live", "target"))[0]["change"] == "none"
    assert rows(escadre("admin", "diff", "live", "target", "--settings", "cm"))[0]["change"] == "update"


def test_secrets_stay_hidden(escadre: Terminal) -> None:
    write("live", obj("Secret", data={"a": "aHVudGVyMg=="}), obj("Secret", "gone", data={"a": "aHVudGVyMg=="}))
    write("target", obj("Secret", stringData={"a": "hunter3"}), obj("Secret", "new", stringData={"a": "hunter3"}))
    for options in ((), ("--predicted",), ("-o", "text"), ("-o", "text", "--predicted")):
        outcome = escadre("admin", "diff", "live", "target", *options)
        assert outcome.code == 0 and "++++" in outcome.out
        assert "hunter" not in outcome.out and "aHVudGVy" not in outcome.out
    (field,) = rows(escadre("admin", "diff", "live", "target"))[0]["fields"]
    assert field["path"] == "/data/a" and field["assigned"] != field["live"]


def test_the_predicted_object(escadre: Terminal) -> None:
    write("live", deployment(replicas=3))
    (row,) = rows(escadre("admin", "diff", "live", write("target", deployment(image="app:2")), "--predicted"))
    assert row["predicted"]["spec"]["replicas"] == row["live"]["spec"]["replicas"] == 3
    images = [row[side]["spec"]["template"]["spec"]["containers"][0]["image"] for side in ("predicted", "live")]
    assert images == ["app:2", "app:1"]


def test_text_for_people(escadre: Terminal) -> None:
    write("live", config_map("same"), config_map("c", k="1"))
    write("target", config_map("same"), config_map("c", k="2"), deployment(nonsense=1))
    out = escadre("admin", "diff", "live", "target", "-o", "text").out
    assert "===== ConfigMap/shop/c: update =====" in out and '-  k: "1"\n+  k: "2"' in out
    assert "# .spec.nonsense: field not declared in schema" in out
    assert "ConfigMap/shop/same" not in out
    assert out.endswith("2 of 3 objects out of sync\n")


def test_exit_code(escadre: Terminal) -> None:
    write("live", config_map("c", k="1"))
    write("target", config_map("c", k="2"))
    assert escadre("admin", "diff", "live", "target").code == 0
    assert escadre("admin", "diff", "live", "target", "--exit-code").code == 1
    assert escadre("admin", "diff", "live", "live", "--exit-code").code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-", "-"), "only one of LIVE and TARGET"),
        (("missing", "live"), "missing cannot be read"),
        (("empty", "live"), "there are no manifests in empty"),
        (("live", "nameless"), "nameless, line 1: a ConfigMap has no name"),
        (("live", "live", "--ignore-differences", "missing"), "missing cannot be read"),
        (("live", "live", "--ignore-differences", "kindless"), "needs a kind"),
        (("live", "live", "--ignore-differences", "misspelt"), "jsonPointer"),
        (("live", "live", "--ignore-differences", "mistyped"), "lists of texts"),
        (("live", "live", "--ignore-differences", "number"), "neither an Application nor a list"),
        (("live", "live", "--settings", "entries"), "settings are a ConfigMap"),
        (("live", "live", "--settings", "live"), "settings are a ConfigMap, and this is 'Deployment'"),
        (
            ("live", "live", "--ignore-differences", "live"),
            "from an Application, or a list of entries, and this is 'Dep",
        ),
        (("-", "live", "--settings", "-"), "standard input cannot be two things at once: give a file for one of them"),
        (("", "live"), "the name of a file is empty"),
        (("live",), "TARGET"),
        (("live", "live", "-o", "yaml"), "yaml"),
    ],
)
def test_misuse_is_told(escadre: Terminal, arguments: tuple[str, ...], said: str) -> None:
    Path("empty").mkdir()
    write("live", {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}})
    write("nameless", {"apiVersion": "v1", "kind": "ConfigMap"})
    write("kindless", [{"group": "apps"}])
    write("misspelt", [{"kind": "x", "jsonPointer": []}])
    write("mistyped", [{"kind": "x", "jsonPointers": "/spec"}])
    write("number", {"spec": {"ignoreDifferences": 3}})
    write("entries", [{"kind": "x"}])
    outcome = escadre("admin", "diff", *arguments, input="")
    assert outcome.code == 2 and outcome.out == ""
    assert said in outcome.err and "Traceback" not in outcome.err


def test_objects_are_paired_however_they_name_their_namespace() -> None:
    def known(given: Object) -> bool | None:
        return {"Namespace": False, "ConfigMap": True}.get(given["kind"])

    def of(name: str, namespace: str, kind: str = "ConfigMap") -> Object:
        return obj(kind, name, metadata={"namespace": namespace})

    live = [of("a", "n"), of("b", "n"), of("b", "m"), of("c", "n"), of("d", "n"), of("n", "", "Namespace")]
    targets = [of("a", ""), of("b", ""), of("c", "other"), of("d", "n"), of("d", "n"), of("n", "x", "Namespace")]
    pairs = pair_objects(live, targets, known)
    assert [(p.key.name, p.key.namespace, p.live and key_of(p.live).namespace) for p in pairs if p.target] == [
        ("a", "n", "n"),
        ("b", "", None),
        ("c", "other", None),
        ("d", "n", "n"),
        ("d", "n", "n"),
        ("n", "", ""),
    ]
    assert [(p.key.name, p.key.namespace) for p in pairs if not p.target] == [("b", "n"), ("b", "m"), ("c", "n")]


def test_a_thousand_pairs_take_little_time(escadre: Terminal) -> None:
    write("live", *(deployment(f"d{n}", replicas=1) for n in range(1000)))
    write("target", *(deployment(f"d{n}", replicas=2) for n in range(1000)))
    before = time.process_time()
    assert len(rows(escadre("admin", "diff", "live", "target"))) == 1000
    # Under a second; the limit is far off, so that a busy machine fails nobody.
    assert time.process_time() - before < 10
