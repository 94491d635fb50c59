"""What a cluster makes of a manifest is no drift, and what Git takes back is no Synced: on both clusters alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from agent.engine.assignment import IgnoreDifference
from agent.engine.ignore import compile_ignores
from agent.engine.normalize import LAST_APPLIED
from agent.engine.reconcile import Target
from agent.engine.resource import FIELD_MANAGER, Object, key_of, split_api_version
from agent.engine.takeover import take_over
from agent.kube.client import ApplyOptions, Kind
from agent.kube.errors import Conflict
from agent.syncer.judge import Verdict, judge
from agent.syncer.targets import manifest_of
from tests.syncer.cluster import Cluster, until
from tests.syncer.harness import config_map, deployment
from tests.syncer.objects import crd, secret, widget


@dataclass(frozen=True, slots=True)
class Managed:
    """One object as an agent manages it."""

    cluster: Cluster
    kind: Kind
    target: Target

    async def apply(self, manifest: Object) -> Object:
        """Apply a manifest as the agent does."""
        return await self.cluster.client.apply(self.kind, self.marked(manifest))

    async def verdict(self, manifest: Object, *entries: IgnoreDifference) -> Verdict:
        """Judge the object as it is by a manifest."""
        rules = compile_ignores(entries)
        return await judge(self.cluster.client, self.kind, self.target, self.marked(manifest), None, rules)

    async def drift(self, manifest: Object, *entries: IgnoreDifference) -> list[str]:
        """Return the places where the object is not as a manifest says."""
        return [field.path for field in (await self.verdict(manifest, *entries)).drift]

    async def edit(self, patch: Object, manager: str) -> None:
        await self.cluster.people.edit(self.target.key, patch, manager=manager)

    async def live(self) -> Object:
        found = await self.cluster.people.get(self.target.key)
        assert found is not None
        return found

    def marked(self, manifest: Object) -> Object:
        return manifest_of(orjson.dumps(manifest), self.target, "app")


async def managed(cluster: Cluster, manifest: Object) -> Managed:
    """Return an object that is not there yet."""
    group, version = split_api_version(manifest["apiVersion"])
    kind = await cluster.people.kind(group, manifest["kind"])
    key = key_of(manifest)._replace(namespace=cluster.namespace if kind.namespaced else "")
    return Managed(cluster, kind, Target(key, version, "digest", kind.namespaced))


def service(*ports: Object, **spec: Any) -> Object:
    metadata = {"name": "s"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": list(ports), **spec}}


def rich_deployment() -> Object:
    obj = deployment("web")
    obj["spec"]["template"]["spec"]["containers"][0] |= {
        "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}, "requests": {"cpu": 0.1, "memory": "0.5Gi"}},
        "ports": [{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}],
        "env": [{"name": "EMPTY", "value": ""}, {"name": "NONE", "value": None}],
        "livenessProbe": {"httpGet": {"port": "health"}},
        "args": [],
        "tty": False,
    }
    obj["spec"]["template"]["spec"] |= {"nodeSelector": {}, "hostNetwork": False, "volumes": []}
    obj["metadata"] |= {"creationTimestamp": None, "annotations": None}
    return {**obj, "status": {}}


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(rich_deployment(), id="defaults, quantities, empty and absent"),
        pytest.param(
            service({"name": "t", "port": 53}, {"name": "u", "port": 53, "protocol": "UDP"}, type="NodePort"),
            id="ports by protocol, and those the server chose",
        ),
        pytest.param({**secret("s", a="1"), "data": {"b": "eHg=\n"}}, id="stringData"),
        pytest.param({**config_map("c"), "data": {"k": "v"}, "binaryData": {}}, id="an empty map"),
    ],
)
async def test_what_the_server_makes_of_a_manifest_is_no_drift(cluster: Cluster, manifest: Object) -> None:
    obj = await managed(cluster, manifest)
    await obj.apply(manifest)
    assert await obj.drift(manifest) == []


async def test_a_custom_kind_that_takes_any_field(cluster: Cluster) -> None:
    await defined(cluster, crd(cluster.namespace))
    manifest = widget(cluster.namespace, "w", size=1, nested={"list": [{"a": None}], "empty": {}}, cpu="1000m")
    obj = await managed(cluster, manifest)
    await obj.apply(manifest)
    assert await obj.drift(manifest) == []
    await obj.edit({"spec": {"cpu": "1", "added": "by somebody"}}, "kubectl-edit")
    assert await obj.drift(manifest) == ["/spec/cpu"], "nobody says that it is a quantity"


async def defined(cluster: Cluster, definition: Object) -> None:
    """Have a kind of the test's own served."""
    await cluster.people.create(cluster.people.leave(definition))
    names = definition["spec"]["names"]
    await cluster.people.kind(definition["spec"]["group"], names["kind"])
    await cluster.client.discover(refresh=True)


async def test_a_custom_kind_with_defaults_and_lists_that_merge(cluster: Cluster) -> None:
    definition = crd(cluster.namespace)
    port = {"type": "object", "properties": {"port": {"type": "integer"}, "mode": {"type": "string", "default": "a"}}}
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "size": {"type": "integer", "default": 3},
                    "ports": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["port"],
                        "items": {**port, "required": ["port"]},
                    },
                    "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                },
            }
        },
    }
    await defined(cluster, definition)
    manifest = widget(cluster.namespace, "w", ports=[{"port": 2}, {"port": 1}], tags=["b", "a"])
    obj = await managed(cluster, manifest)
    live = await obj.apply(manifest)
    assert live["spec"]["size"] == 3 and live["spec"]["ports"][0]["mode"] == "a"
    assert await obj.drift(manifest) == []
    theirs = widget(cluster.namespace, "w", ports=[{"port": 9, "mode": "b"}], tags=["z"])
    await cluster.people.apply(theirs, manager="somebody")
    assert await obj.drift(manifest) == [], "items of somebody else"
    await obj.edit({"spec": {"tags": ["a", "z"], "size": 4}}, "kubectl-edit")
    assert await obj.drift(manifest) == ["/spec/tags/0"], "the size is nobody's but theirs"


async def test_replicas_that_an_autoscaler_owns(cluster: Cluster) -> None:
    manifest = deployment("web")
    del manifest["spec"]["replicas"]
    obj = await managed(cluster, manifest)
    await obj.apply(manifest)
    await obj.edit({"spec": {"replicas": 3}}, "kube-controller-manager")
    assert await obj.drift(manifest) == []
    with_replicas = {**manifest, "spec": {**manifest["spec"], "replicas": 1}}
    entry = IgnoreDifference(group="apps", kind="Deployment", managed_fields_managers=("kube-controller-manager",))
    assert await obj.drift(with_replicas) == ["/spec/replicas"]
    assert await obj.drift(with_replicas, entry) == []


async def test_rules_of_an_aggregated_role_are_the_controllers(cluster: Cluster) -> None:
    manifest: Object = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": f"{cluster.namespace}-all"},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"for": cluster.namespace}}]},
        "rules": [],
    }
    cluster.people.leave(manifest)
    obj = await managed(cluster, manifest)
    await obj.apply(manifest)
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    part = {
        "apiVersion": manifest["apiVersion"],
        "kind": "ClusterRole",
        "metadata": {"name": f"{cluster.namespace}-part", "labels": {"for": cluster.namespace}},
        "rules": rules,
    }
    await cluster.people.create(cluster.people.leave(part))
    if cluster.simulated:
        await obj.edit({"rules": rules}, "clusterrole-aggregation-controller")
    await until(obj.live, lambda live: live.get("rules") == rules)
    assert await obj.drift(manifest) == []


async def test_an_injected_authority_with_the_ordinary_entry(cluster: Cluster) -> None:
    name = f"{cluster.namespace}.example.com"
    webhook = {
        "name": name,
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {"service": {"name": "x", "namespace": "y"}, "caBundle": "Cg=="},
        "rules": [
            {"apiGroups": ["none.example"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["nothings"]}
        ],
    }
    manifest: Object = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": cluster.namespace},
        "webhooks": [webhook],
    }
    cluster.people.leave(manifest)
    obj = await managed(cluster, manifest)
    await obj.apply(manifest)
    live = (await obj.live())["webhooks"]
    live[0]["clientConfig"]["caBundle"] = "eHh4"
    await obj.edit({"webhooks": live}, "cainjector")
    assert await obj.drift(manifest) == ["/webhooks/0/clientConfig/caBundle"]
    entry = IgnoreDifference(
        group="admissionregistration.k8s.io",
        kind="ValidatingWebhookConfiguration",
        jq_path_expressions=(".webhooks[]?.clientConfig.caBundle",),
    )
    assert await obj.drift(manifest, entry) == []
    del webhook["clientConfig"]["caBundle"]  # type: ignore[attr-defined] # a value of a literal
    assert await obj.drift(manifest) == [], "where Git says nothing of it, it is the injector's"


async def test_what_git_has_no_more_is_drift_until_it_is_gone(cluster: Cluster) -> None:
    before = rich_deployment()
    obj = await managed(cluster, before)
    await obj.apply(before)
    after = rich_deployment()
    container = after["spec"]["template"]["spec"]["containers"][0]
    del container["livenessProbe"], container["resources"]["limits"]["cpu"], after["spec"]["replicas"]
    container["ports"].pop()
    place = "/spec/template/spec/containers/0"
    assert sorted(await obj.drift(after)) == [
        f"{place}/livenessProbe",
        f"{place}/ports/1",
        f"{place}/resources/limits/cpu",
    ]
    await obj.apply(after)
    assert await obj.drift(after) == []


@pytest.mark.parametrize("manager", ["kubectl-client-side-apply", "argocd-controller"])
async def test_what_was_applied_client_side_and_git_has_no_more_is_removed(cluster: Cluster, manager: str) -> None:
    before = rich_deployment()
    text = orjson.dumps(before).decode()
    obj = await managed(cluster, before)
    created = {**before, "metadata": {**before["metadata"], "annotations": {LAST_APPLIED: text}}}
    await cluster.people.create(created, manager=manager)
    after = rich_deployment()
    del after["spec"]["template"]["spec"]["containers"][0]["livenessProbe"]
    while (mine := take_over(await obj.live())) is not None:
        try:
            await cluster.client.replace(obj.kind, mine, field_manager=FIELD_MANAGER)
        except Conflict:
            continue  # a controller was quicker
    assert "/spec/template/spec/containers/0/livenessProbe" in await obj.drift(after)
    await obj.apply(after)
    assert await obj.drift(after) == []
    assert "livenessProbe" not in (await obj.live())["spec"]["template"]["spec"]["containers"][0]


async def test_what_admission_alone_would_change_is_no_drift(cluster: Cluster) -> None:
    """On the real cluster a policy writes whether a request is a dry run; elsewhere its answer is made up."""
    manifest = config_map("a")
    obj = await managed(cluster, manifest)
    stamps = await stamping(cluster)
    await obj.apply(manifest)
    if stamps:
        stamped = {**manifest, "metadata": {"name": "b"}}
        other = await managed(cluster, stamped)
        await until(
            lambda: cluster.client.apply(other.kind, other.marked(stamped), ApplyOptions(dry_run=True)),
            lambda answer: "stamp" in answer["metadata"]["annotations"],
        )
        await obj.apply({**manifest, "data": {"k": "2"}})
        answer = await cluster.client.apply(obj.kind, obj.marked(manifest), ApplyOptions(dry_run=True))
        live = await obj.live()
        assert answer["metadata"]["annotations"]["stamp"] != live["metadata"]["annotations"]["stamp"]
        assert await obj.drift(manifest) == ["/data/k"]
        await obj.apply(manifest)
    assert await obj.drift(manifest) == []
    if stamps:
        asked = {**manifest, "metadata": {"name": "a", "annotations": {COMPARE: "IncludeMutationWebhook=true"}}}
        await obj.apply(asked)
        assert await obj.drift(asked) == ["/metadata/annotations/stamp"]


COMPARE = "argocd.argoproj.io/compare-options"


async def stamping(cluster: Cluster) -> bool:
    """Have admission write on every ConfigMap of the test whether it was a dry run; False where nothing can."""
    if cluster.simulated:
        return False
    name = cluster.namespace
    api = "admissionregistration.k8s.io/v1"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": name}}
    expression = (
        'Object{metadata: Object.metadata{annotations: {"stamp": string(has(request.dryRun) && request.dryRun)}}}'
    )
    policy = {
        "apiVersion": api,
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "reinvocationPolicy": "Never",
            "matchConstraints": {"resourceRules": [rule], "namespaceSelector": selector},
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}],
        },
    }
    binding = {
        "apiVersion": api,
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name},
    }
    for obj in (policy, binding):
        await cluster.people.create(cluster.people.leave(obj))
    return True
