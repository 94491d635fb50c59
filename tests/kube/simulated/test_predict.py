"""What is predicted from two objects alone. `tests/kube/test_predict_agreement.py` holds it against a real server."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given

from agent.engine.drift import ABSENT, compare
from agent.engine.fields import format_pointer
from agent.engine.ignore import NO_IGNORES
from agent.engine.normalize import LAST_APPLIED
from agent.engine.resource import MANAGED_LABEL, TRACKING_ANNOTATION, Object
from agent.kube.simulated.predict import Predictor
from tests.engine.strategies import json_values, objects
from tests.kube.corpus import ODD, PLAIN
from tests.kube.manifests import definition

Rows = list[tuple[str, Any, Any]]


def obj(kind: str, api_version: str = "v1", *, metadata: Object | None = None, **content: Any) -> Object:
    place = {"name": "x", "namespace": "shop", **(metadata or {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": place, **content}


def deployment(metadata: Object | None = None, **spec: Any) -> Object:
    pod = {"containers": [{"name": "c", "image": "nginx:1", **spec.pop("container", {})}], **spec.pop("pod", {})}
    template = {"metadata": {"labels": {"app": "x"}}, "spec": pod}
    spec = {"selector": {"matchLabels": {"app": "x"}}, "template": template, **spec}
    return obj("Deployment", "apps/v1", metadata=metadata, spec=spec)


def widget(metadata: Object | None = None, **spec: Any) -> Object:
    return obj("Widget", "example.org/v1", metadata=metadata, spec=spec)


def differences(target: Object, live: Object, predictor: Predictor | None = None) -> Rows:
    """Return (pointer, predicted, live) of what an apply would change. Nothing given is changed."""
    given = copy.deepcopy((target, live))
    prediction = (predictor or Predictor()).predict(target, live)
    assert (target, live) == given
    assert prediction.live is not None
    found = compare(prediction.predicted, prediction.live, NO_IGNORES)
    return [(format_pointer(d.path), d.assigned, d.live) for d in found]


def paths(target: Object, live: Object) -> list[str]:
    return [row[0] for row in differences(target, live)]


def managed(live: Object, *entries: tuple[str, str, Object]) -> Object:
    fields = [
        {
            "manager": name,
            "operation": verb,
            "apiVersion": live["apiVersion"],
            "fieldsType": "FieldsV1",
            "fieldsV1": own,
        }
        for name, verb, own in entries
    ]
    return {**live, "metadata": {**live["metadata"], "managedFields": fields}}


def annotated(live: Object, applied: Object) -> Object:
    notes = {**live["metadata"].get("annotations", {}), LAST_APPLIED: orjson.dumps(applied).decode()}
    return {**live, "metadata": {**live["metadata"], "annotations": notes}}


@pytest.mark.parametrize("given", [*PLAIN, *ODD], ids=lambda given: f"{given['kind']}-{given['metadata']['name']}")
def test_an_object_over_itself_changes_nothing(given: Object) -> None:
    assert differences(given, given) == []
    prediction = Predictor().predict(given, given)
    assert prediction.live is not None and prediction.problems == ()
    assert differences(given, prediction.predicted) == []
    created = Predictor().predict(given, None)
    assert created.live is None
    assert differences(given, created.predicted) == []


@given(objects((("apps/v1", "Deployment"), ("example.org/v1", "Widget"), ("v1", "Secret"), ("v1", "Service"))))
def test_any_object_over_itself_changes_nothing(given: Any) -> None:
    assert differences(given, given) == []


@given(objects((("apps/v1", "StatefulSet"), ("example.org/v1", "Widget"))), json_values())
def test_any_two_objects_are_borne(target: Any, spec: Any) -> None:
    Predictor().predict(target, {**target, "spec": spec})


@pytest.mark.parametrize(
    ("target", "live"),
    [
        pytest.param(
            deployment(container={"resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}}}),
            deployment(container={"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}),
            id="quantities",
        ),
        pytest.param(
            deployment(container={"ports": [{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}]}),
            deployment(
                container={
                    "ports": [{"containerPort": 53, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]
                }
            ),
            id="ports by protocol",
        ),
        pytest.param(
            deployment(pod={"hostNetwork": False, "nodeSelector": {}, "volumes": []}, container={"args": None}),
            deployment(),
            id="false, empty and null are absent",
        ),
        pytest.param(deployment(), deployment(replicas=1, revisionHistoryLimit=10), id="defaults"),
        pytest.param(deployment(), deployment(replicas=7), id="what only the live object has"),
        pytest.param(
            deployment({"labels": {"a": "b"}}),
            deployment(
                {
                    "labels": {"a": "b", "more": "x"},
                    "annotations": {"deployment.kubernetes.io/revision": "3"},
                    "finalizers": ["example.org/x"],
                    "ownerReferences": [{"uid": "u"}],
                    "creationTimestamp": "2026-01-01T00:00:00Z",
                }
            ),
            id="metadata of others",
        ),
        pytest.param(
            obj("Secret", stringData={"a": "x"}), obj("Secret", data={"a": "eA=="}, type="Opaque"), id="stringData"
        ),
        pytest.param(obj("Secret", data={"a": "eHh4\neHh4\n"}), obj("Secret", data={"a": "eHh4eHh4"}), id="Base64"),
        pytest.param(
            obj("Service", spec={"ports": [{"port": 80}], "selector": {"a": "b"}, "clusterIP": ""}),
            obj(
                "Service",
                spec={
                    "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
                    "selector": {"a": "b"},
                    "clusterIP": "10.0.0.1",
                    "clusterIPs": ["10.0.0.1"],
                    "sessionAffinity": "None",
                    "type": "ClusterIP",
                },
            ),
            id="what a Service was given",
        ),
        pytest.param(
            obj("ClusterRole", "rbac.authorization.k8s.io/v1", rules=[], aggregationRule={"clusterRoleSelectors": []}),
            obj(
                "ClusterRole",
                "rbac.authorization.k8s.io/v1",
                rules=[{"verbs": ["get"]}],
                aggregationRule={"clusterRoleSelectors": []},
            ),
            id="rules of an aggregated role",
        ),
        pytest.param(widget(a=1, b=None), widget(a=1.0, c={"added": True}), id="a kind without a schema"),
        pytest.param(widget(a={"b": 1}), {**widget(a={"b": 1}), "status": {"phase": "Ready"}}, id="status"),
        pytest.param(
            {**deployment(), "apiVersion": "extensions/v1beta1"},
            {**deployment(replicas=1, container={"terminationMessagePath": "/x"}), "apiVersion": "extensions/v1beta1"},
            id="a version that is served no more",
        ),
        pytest.param(
            obj("Pod", spec={"containers": [{"name": "c"}], "tolerations": [{"key": "a"}]}),
            obj(
                "Pod",
                spec={
                    "containers": [{"name": "c"}],
                    "tolerations": [{"key": "a"}]
                    + [
                        {"key": f"node.kubernetes.io/{t}", "operator": "Exists", "effect": "NoExecute"}
                        | {"tolerationSeconds": 300}
                        for t in ("not-ready", "unreachable")
                    ],
                },
            ),
            id="tolerations that admission adds",
        ),
    ],
)
def test_no_difference(target: Object, live: Object) -> None:
    assert differences(target, live) == []


@pytest.mark.parametrize(
    ("target", "live", "expected"),
    [
        pytest.param(deployment(replicas=2), deployment(replicas=3), [("/spec/replicas", 2, 3)], id="a value"),
        pytest.param(deployment(paused=False), deployment(paused=True), [("/spec/paused", ABSENT, True)], id="false"),
        pytest.param(widget(cpu="1000m"), widget(cpu="1"), [("/spec/cpu", "1000m", "1")], id="no quantity"),
        pytest.param(widget(a=[1]), widget(a=[1, 2]), [("/spec/a/1", ABSENT, 2)], id="a list without a schema"),
        pytest.param(widget(a={}), widget(b=1), [("/spec/a", {}, ABSENT)], id="an empty map without a schema"),
        pytest.param(widget(a=None), widget(a=1), [("/spec/a", ABSENT, 1)], id="null takes away"),
        pytest.param(
            deployment(container={"image": "nginx:2"}),
            deployment(pod={"containers": [{"name": "injected"}, {"name": "c", "image": "nginx:1"}]}),
            [("/spec/template/spec/containers/1/image", "nginx:2", "nginx:1")],
            id="an item beside one of others",
        ),
    ],
)
def test_differences(target: Object, live: Object, expected: Rows) -> None:
    assert differences(target, live) == expected


class TestWhoSetIt:
    """What was applied before and is stated no more goes; what others set stays."""

    LIVE = deployment(replicas=3, minReadySeconds=5)

    @pytest.mark.parametrize(
        ("manager", "verb", "goes"),
        [
            ("escadre-agent", "Apply", True),
            ("argocd-controller", "Apply", True),
            ("argocd-controller", "Update", True),
            ("kubectl-client-side-apply", "Update", True),
            ("kubectl-edit", "Update", False),
            ("kube-controller-manager", "Update", False),
            ("somebody", "Apply", False),
        ],
    )
    def test_by_managed_fields(self, manager: str, verb: str, goes: bool) -> None:
        live = managed(self.LIVE, (manager, verb, {"f:spec": {"f:minReadySeconds": {}, "f:replicas": {}}}))
        expected = ["/spec/replicas", "/spec/minReadySeconds"] if goes else []
        assert sorted(paths(deployment(), live)) == sorted(expected)

    def test_what_another_manages_too_stays(self) -> None:
        live = managed(
            self.LIVE,
            ("argocd-controller", "Apply", {"f:spec": {"f:minReadySeconds": {}, "f:replicas": {}}}),
            ("kube-controller-manager", "Update", {"f:spec": {"f:replicas": {}}}),
        )
        assert paths(deployment(), live) == ["/spec/minReadySeconds"]

    def test_what_the_agent_has_applied_before_it_takes_over_no_more(self) -> None:
        live = managed(
            self.LIVE,
            ("escadre-agent", "Apply", {"f:spec": {"f:replicas": {}}}),
            ("kubectl-client-side-apply", "Update", {"f:spec": {"f:minReadySeconds": {}}}),
        )
        assert paths(deployment(), annotated(live, self.LIVE)) == ["/spec/replicas"]

    def test_by_the_last_applied_configuration(self) -> None:
        applied = deployment({"annotations": {}}, minReadySeconds=5)
        noted = {**self.LIVE, "metadata": {**self.LIVE["metadata"], "annotations": {"note": "of others"}}}
        assert paths(deployment(), annotated(noted, applied)) == ["/spec/minReadySeconds"]
        assert paths(deployment(minReadySeconds=5), annotated(noted, applied)) == []

    def test_it_is_more_exact_than_what_a_client_side_tool_is_said_to_manage(self) -> None:
        everything: Object = {"f:spec": {"f:minReadySeconds": {}, "f:replicas": {}}}
        live = managed(self.LIVE, ("kubectl-client-side-apply", "Update", everything))
        assert paths(deployment(), annotated(live, deployment(minReadySeconds=5))) == ["/spec/minReadySeconds"]
        applied = managed(self.LIVE, ("argocd-controller", "Apply", {"f:spec": {"f:replicas": {}}}))
        assert paths(deployment(), annotated(applied, self.LIVE)) == ["/spec/replicas"], "an apply tells better yet"

    def test_a_removed_key_of_a_map_that_is_replaced_whole(self) -> None:
        def service(**selector: str) -> Object:
            return obj("Service", spec={"ports": [{"port": 80}], "selector": selector})

        live = service(a="1", b="2", c="3")
        assert paths(service(a="1"), live) == [], "nobody is known to have applied it"
        assert paths(service(a="1"), annotated(live, service(a="1", b="2"))) == ["/spec/selector/b"]
        own = managed(live, ("argocd-controller", "Apply", {"f:spec": {"f:selector": {}}}))
        assert paths(service(a="1"), own) == ["/spec/selector/b", "/spec/selector/c"]

    def test_a_removed_service_account_goes_under_both_its_names(self) -> None:
        live = deployment(pod={"serviceAccountName": "sa", "serviceAccount": "sa"})
        found = paths(deployment(), annotated(live, deployment(pod={"serviceAccountName": "sa"})))
        assert sorted(name.rpartition("/")[2] for name in found) == ["serviceAccount", "serviceAccountName"]

    def test_what_an_agent_adds_to_a_manifest_is_not_missed(self) -> None:
        marks = {"labels": {MANAGED_LABEL: "true"}, "annotations": {TRACKING_ANNOTATION: "x"}}
        own: Object = {"f:metadata": {"f:labels": {f"f:{MANAGED_LABEL}": {}}}}
        live = managed(deployment(marks), ("escadre-agent", "Apply", own))
        assert differences(deployment(), live) == []

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"metadata": 3}'])
    def test_a_copy_that_is_none(self, text: str) -> None:
        live = obj("ConfigMap", data={"a": "1"}, metadata={"annotations": {LAST_APPLIED: text}})
        assert differences(obj("ConfigMap", data={"a": "1"}), live) == []


def test_definitions_say_how_their_kinds_are_compared() -> None:
    crd = definition("Known")
    names = crd["spec"]["names"]["kind"], f"{crd['spec']['group']}/{crd['spec']['versions'][0]['name']}"
    predictor = Predictor([crd, {"kind": "CustomResourceDefinition"}])
    target, live = obj(*names, spec={}), obj(*names, spec={"size": 3})
    assert differences(target, live, predictor) == []
    assert differences(obj(*names, spec={"size": 4}), live, predictor) == [("/spec/size", 4, 3)]
    misspelt = predictor.predict(obj(*names, spec={"sise": 4}), live)
    assert misspelt.problems == (".spec.sise: field not declared in schema",)
    assert differences(obj(*names, spec={"sise": 4}), live, predictor) == [("/spec/sise", 4, ABSENT)]
    assert predictor.namespaced(target) is True
    assert predictor.namespaced(obj("Namespace")) is False
    assert predictor.namespaced(widget()) is None


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (deployment(replica=2), ".spec.replica: field not declared in schema"),
        (deployment(replicas="2"), ".spec.replicas: expected numeric"),
        (deployment(container={"resources": {"limits": {"cpu": "much"}}}), "quantities must match"),
        (deployment(container={"env": [{"name": "A"}, {"name": "A"}]}), "duplicate entries"),
    ],
)
def test_what_a_server_would_refuse_is_told_and_compared_all_the_same(target: Object, said: str) -> None:
    prediction = Predictor().predict(target, deployment())
    assert any(said in problem for problem in prediction.problems), prediction.problems
    assert paths(target, deployment()) != []
    assert differences(target, target) == []
