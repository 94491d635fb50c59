from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from hub.domain.application import (
    Application,
    ApplicationId,
    Automated,
    Backoff,
    Destination,
    DirectoryOptions,
    HelmOptions,
    IgnoreDifference,
    KustomizeOptions,
    KustomizeReplica,
    NameValue,
    Override,
    Retry,
    Source,
)
from hub.domain.selector import LabelSelector, Operator, Requirement
from hub.formats.application import dump_application, parse_application, write_spec
from hub.formats.errors import FormatError
from hub.formats.limits import Document
from hub.formats.yaml import load_document

CASES = load_document((Path(__file__).parent / "cases" / "application.yaml").read_bytes(), name="application.yaml")
GOOD = [case for case in CASES if "errors" not in case]
BAD = [case for case in CASES if "errors" in case]


def named(case: dict[str, Any]) -> str:
    return str(case["case"])


def an_application(spec: object) -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "guestbook", "namespace": "argocd"},
        "spec": spec,
    }


def object_of(case: dict[str, Any]) -> Any:
    return case["object"] if "object" in case else an_application(case["spec"])


@pytest.mark.parametrize("case", GOOD, ids=named)
def test_good(case: dict[str, Any]) -> None:
    parsed = parse_application(object_of(case))
    assert parsed.warnings == [warning.removeprefix("note: ") for warning in case.get("warnings", [])]
    if "like" in case:
        assert parsed.value.spec == parse_application(an_application(case["like"])).value.spec


@pytest.mark.parametrize("case", GOOD, ids=named)
def test_good_under_strict(case: dict[str, Any]) -> None:
    unserved = [warning for warning in case.get("warnings", []) if not warning.startswith("note: ")]
    if not unserved:
        parse_application(object_of(case), strict=True)
        return
    with pytest.raises(FormatError) as caught:
        parse_application(object_of(case), strict=True)
    assert all(warning in caught.value.message for warning in unserved)


@pytest.mark.parametrize("case", GOOD, ids=named)
def test_good_is_given_back(case: dict[str, Any]) -> None:
    application = parse_application(object_of(case)).value
    dumped = dump_application(application)
    assert dumped["spec"] == object_of(case)["spec"]
    assert parse_application(dumped).value == application


@pytest.mark.parametrize("case", GOOD, ids=named)
def test_good_written_anew(case: dict[str, Any]) -> None:
    application = dataclasses.replace(parse_application(object_of(case)).value, manifest={}, annotations={})
    again = parse_application(dump_application(application)).value
    assert again.spec == application.spec
    assert again.id == application.id


@pytest.mark.parametrize("case", BAD, ids=named)
def test_bad(case: dict[str, Any]) -> None:
    with pytest.raises(FormatError) as caught:
        parse_application(Document(object_of(case), "app.yaml", 7))
    assert caught.value.message.startswith("app.yaml, line 7: ")
    for problem in case["errors"]:
        assert problem in caught.value.message


FULL = """
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: shop
  namespace: team-a
  labels: {team: a}
  annotations: {example.com/note: hello}
  finalizers: [resources-finalizer.argocd.argoproj.io]
spec:
  project: team-a
  sources:
  - repoURL: https://github.com/org/charts
    path: shop
    targetRevision: v1.2.3
    helm:
      releaseName: shop
      valueFiles: [values.yaml, $values/shop.yaml]
      values: "a: 1\\n"
      valuesObject: {b: {c: 2}}
      parameters: [{name: x, value: "1"}, {name: z, value: "2", forceString: true}]
      fileParameters: [{name: cfg, path: files/cfg.json}]
      ignoreMissingValueFiles: true
      skipCrds: true
      skipTests: true
      skipSchemaValidation: true
      namespace: shop
      kubeVersion: 1.31.0
      apiVersions: [monitoring.coreos.com/v1]
  - repoURL: git@github.com:org/values.git
    ref: values
    name: values
  - repoURL: https://github.com/org/extras
    path: overlays/prod
    kustomize:
      namePrefix: a-
      nameSuffix: -b
      namespace: shop
      images: [ghcr.io/org/shop:2]
      commonLabels: {l: m}
      commonAnnotations: {a: o}
      forceCommonLabels: true
      forceCommonAnnotations: true
      labelWithoutSelector: true
      labelIncludeTemplates: true
      replicas: [{name: shop, count: 3}]
      patches: [{target: {kind: Deployment}, patch: "- op: remove"}]
      components: [../c]
      ignoreMissingComponents: true
  - repoURL: https://github.com/org/plain
    path: .
    directory: {recurse: true, include: "*.yaml", exclude: "x/*"}
  destinations:
  - selector: {matchLabels: {env: prod}, matchExpressions: [{key: tier, operator: NotIn, values: [edge]}]}
    namespace: shop
  - {server: "https://10.0.0.1:6443"}
  overrides:
  - {clusters: [eu-1], namespace: shop-eu, source: {name: values, targetRevision: eu}}
  syncPolicy:
    automated: {prune: true, selfHeal: true, allowEmpty: true}
    syncOptions: [CreateNamespace=true, ServerSideApply=true]
    retry: {limit: 3, refresh: true, backoff: {duration: 10s, factor: 3, maxDuration: 1h30m}}
  ignoreDifferences:
  - group: apps
    kind: Deployment
    name: shop
    namespace: shop
    jsonPointers: [/spec/replicas]
    jqPathExpressions: [".spec.template"]
    managedFieldsManagers: [hpa]
  revisionHistoryLimit: 3
"""


def test_every_field_is_read() -> None:
    parsed = parse_application(load_document(FULL, name="f"), strict=True)
    application, spec = parsed.value, parsed.value.spec
    assert parsed.warnings == []
    assert application.id == ApplicationId("team-a", "shop")
    assert application.labels == {"team": "a"}
    assert application.annotations == {"example.com/note": "hello"}
    assert application.cascades
    assert spec.project == "team-a"
    assert spec.revision_history_limit == 3
    assert spec.sync_policy.automated == Automated(prune=True, self_heal=True, allow_empty=True)
    assert spec.sync_policy.sync_options == ("CreateNamespace=true", "ServerSideApply=true")
    assert spec.sync_policy.retry == Retry(3, Backoff(10.0, 3.0, 5400.0), refresh=True)
    assert spec.ignore_differences == (
        IgnoreDifference("Deployment", "apps", "shop", "shop", ("/spec/replicas",), (".spec.template",), ("hpa",)),
    )
    assert spec.destinations == (
        Destination(
            "shop", selector=LabelSelector({"env": "prod"}, (Requirement("tier", Operator.NOT_IN, ("edge",)),))
        ),
        Destination(server="https://10.0.0.1:6443"),
    )
    assert spec.overrides == (
        Override(LabelSelector(), ("eu-1",), "shop-eu", {"name": "values", "targetRevision": "eu"}),
    )


def test_every_field_of_a_source_is_read() -> None:
    charts, values, extras, plain = parse_application(load_document(FULL, name="f")).value.spec.sources
    assert charts == Source(
        "https://github.com/org/charts",
        path="shop",
        target_revision="v1.2.3",
        helm=HelmOptions(
            release_name="shop",
            value_files=("values.yaml", "$values/shop.yaml"),
            values="a: 1\n",
            values_object={"b": {"c": 2}},
            parameters=(NameValue("x", "1"), NameValue("z", "2", force_string=True)),
            file_parameters=(("cfg", "files/cfg.json"),),
            ignore_missing_value_files=True,
            skip_crds=True,
            skip_tests=True,
            skip_schema_validation=True,
            namespace="shop",
            kube_version="1.31.0",
            api_versions=("monitoring.coreos.com/v1",),
        ),
    )
    assert values == Source("git@github.com:org/values.git", ref="values", name="values")
    assert extras.kustomize == KustomizeOptions(
        name_prefix="a-",
        name_suffix="-b",
        namespace="shop",
        images=("ghcr.io/org/shop:2",),
        common_labels={"l": "m"},
        common_annotations={"a": "o"},
        force_common_labels=True,
        force_common_annotations=True,
        label_without_selector=True,
        label_include_templates=True,
        replicas=(KustomizeReplica("shop", 3),),
        patches=({"target": {"kind": "Deployment"}, "patch": "- op: remove"},),
        components=("../c",),
        ignore_missing_components=True,
    )
    assert plain == Source(
        "https://github.com/org/plain",
        path=".",
        directory=DirectoryOptions(recurse=True, include="*.yaml", exclude="x/*"),
    )


def test_every_field_is_written() -> None:
    value = load_document(FULL, name="f")
    spec = parse_application(value).value.spec
    value["spec"]["syncPolicy"]["retry"]["backoff"]["maxDuration"] = "5400s"
    for source in value["spec"]["sources"]:
        source.setdefault("targetRevision", "HEAD")
    assert write_spec(spec) == value["spec"]


def test_the_manifest_is_the_object_as_written() -> None:
    written = an_application(
        {"source": {"repoURL": "https://x/y", "path": "."}, "destination": {"name": "a"}, "info": [1]}
    )
    exported = {
        **written,
        "metadata": {
            **written["metadata"],
            "uid": "1",
            "resourceVersion": "2",
            "managedFields": [],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "a": "b"},
        },
        "status": {"sync": {}},
        "operation": {"sync": {}},
    }
    application = parse_application(exported).value
    assert application.manifest == {**written, "metadata": {**written["metadata"], "annotations": {"a": "b"}}}
    assert application.annotations == {"a": "b"}
    assert exported["status"] == {"sync": {}}


def test_dump_follows_the_application_where_it_has_moved_on() -> None:
    application = parse_application(load_document(FULL, name="f")).value
    moved = dataclasses.replace(
        application,
        finalizers=(),
        labels={"team": "b"},
        spec=dataclasses.replace(application.spec, project="other"),
    )
    dumped = dump_application(moved)
    assert "finalizers" not in dumped["metadata"]
    assert dumped["metadata"]["labels"] == {"team": "b"}
    assert parse_application(dumped).value.spec == moved.spec


def test_dump_without_a_namespace_leaves_it_out() -> None:
    spec = {"source": {"repoURL": "https://x/y", "path": "."}, "destination": {"name": "a"}}
    value = {**an_application(spec), "metadata": {"name": "a"}}
    application: Application = parse_application(value).value
    assert application.id == ApplicationId("argocd", "a")
    assert dump_application(application) == value


def test_a_password_is_never_repeated() -> None:
    spec = {"source": {"repoURL": "https://u:hunter2@x y/z", "path": "."}, "destination": {"name": "a"}}
    with pytest.raises(FormatError) as caught:
        parse_application(an_application(spec))
    assert "hunter2" not in caught.value.message


def test_a_flood_of_mistakes_is_cut_short() -> None:
    spec = {"source": {"repoURL": "https://x/y", "path": "."}, "destination": {"name": "a"}}
    warnings = parse_application(an_application({**spec, **{f"field-{n}": 1 for n in range(1000)}})).warnings
    assert len(warnings) == 26
    assert warnings[-1] == "and 975 more"


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"source": {"repoURL": "https://x/" + "y" * 2048, "path": "."}}, "repoURL is longer than 2048 characters"),
        ({"sources": [{"repoURL": "https://x/y", "path": "."}] * 101}, "spec.sources are 101; at most 100 are read"),
        ({"ignoreDifferences": [{"kind": "A", "jqPathExpressions": ["." * 10_001]}]}, "more than 10000 characters"),
    ],
)
def test_what_is_too_much(spec: dict[str, Any], problem: str) -> None:
    plain = {"source": {"repoURL": "https://x/y", "path": "."}, "destination": {"name": "a"}}
    with pytest.raises(FormatError) as caught:
        parse_application(an_application({**plain, **spec}))
    assert problem in caught.value.message


def test_an_error_is_never_as_long_as_what_caused_it() -> None:
    with pytest.raises(FormatError) as caught:
        parse_application(
            an_application({"source": {f"{n}" * 1000: [1] for n in range(1000)}, "x" * 100_000: 1}), strict=True
        )
    assert len(caught.value.message) < 11_000
