"""The contract of server-side apply with the types of the built-in kinds. See `tests.kube.contract`."""

from __future__ import annotations

import pytest

from agent.engine.resource import Object
from agent.kube.client import KubeClient
from agent.kube.errors import FieldConflict, Rejected
from tests.kube.contract_steps import (
    manager,
)
from tests.kube.manifests import (
    DEPLOYMENT,
    SECRET,
    SERVICE,
    container,
    deployment,
    manifest,
    service,
)


class TypedApplyContract:
    """What server-side apply does with the types of the built-in kinds."""

    async def test_fills_in_defaults(self, kube: KubeClient, namespace: str) -> None:
        applied = await kube.apply(DEPLOYMENT, deployment(namespace))
        spec, pod = applied["spec"], applied["spec"]["template"]["spec"]
        assert spec["replicas"] == 1
        assert spec["strategy"]["rollingUpdate"] == {"maxSurge": "25%", "maxUnavailable": "25%"}
        assert (pod["restartPolicy"], pod["dnsPolicy"]) == ("Always", "ClusterFirst")
        assert pod["containers"][0]["imagePullPolicy"] == "IfNotPresent"

    async def test_defaults_belong_to_nobody(self, kube: KubeClient, namespace: str) -> None:
        applied = await kube.apply(DEPLOYMENT, deployment(namespace))
        (entry,) = (e for e in applied["metadata"]["managedFields"] if e["operation"] == "Apply")
        assert set(entry["fieldsV1"]["f:spec"]) == {"f:selector", "f:template"}

    async def test_a_field_dropped_falls_back_to_its_default(self, kube: KubeClient, namespace: str) -> None:
        await kube.apply(DEPLOYMENT, deployment(namespace, replicas=0, minReadySeconds=5))
        applied = await kube.apply(DEPLOYMENT, deployment(namespace))
        assert applied["spec"]["replicas"] == 1
        assert "minReadySeconds" not in applied["spec"]

    async def test_spells_quantities_one_way(self, kube: KubeClient, namespace: str) -> None:
        limits = {"cpu": "1000m", "memory": "1024Mi"}
        wanted = container(resources={"limits": limits, "requests": {"cpu": "0.5"}})
        applied = await kube.apply(DEPLOYMENT, deployment(namespace, wanted, replicas=0))
        resources = applied["spec"]["template"]["spec"]["containers"][0]["resources"]
        assert resources == {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}
        again = await kube.apply(DEPLOYMENT, deployment(namespace, wanted, replicas=0))
        assert again["metadata"]["generation"] == 1

    async def test_containers_merge_by_name(self, kube: KubeClient, namespace: str) -> None:
        await kube.apply(DEPLOYMENT, deployment(namespace, container("web"), container("old"), replicas=0))
        sidecar = deployment(namespace, container("sidecar", "example.org/sidecar:1"))
        await kube.apply(DEPLOYMENT, sidecar, manager("injector"))
        applied = await kube.apply(DEPLOYMENT, deployment(namespace, container("web", "example.org/web:2"), replicas=0))
        containers = {c["name"]: c["image"] for c in applied["spec"]["template"]["spec"]["containers"]}
        assert containers == {"web": "example.org/web:2", "sidecar": "example.org/sidecar:1"}

    async def test_the_order_of_a_list_is_the_appliers(self, kube: KubeClient, namespace: str) -> None:
        variables = [{"name": name, "value": "x"} for name in "ABC"]
        await kube.apply(DEPLOYMENT, deployment(namespace, container(env=variables), replicas=0))
        applied = await kube.apply(DEPLOYMENT, deployment(namespace, container(env=variables[::-1]), replicas=0))
        env = applied["spec"]["template"]["spec"]["containers"][0]["env"]
        assert [variable["name"] for variable in env] == ["C", "B", "A"]

    async def test_a_name_twice_in_a_list_is_rejected(self, kube: KubeClient, namespace: str) -> None:
        doubled = container(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}])
        with pytest.raises(Rejected, match="duplicate"):
            await kube.apply(DEPLOYMENT, deployment(namespace, doubled))

    async def test_other_lists_are_replaced_whole(self, kube: KubeClient, namespace: str) -> None:
        await kube.apply(DEPLOYMENT, deployment(namespace, container(args=["--one"]), replicas=0))
        with pytest.raises(FieldConflict):
            await kube.apply(DEPLOYMENT, deployment(namespace, container(args=["--two"])), manager("other"))

    async def test_the_generation_counts_changes_of_the_spec(self, kube: KubeClient, namespace: str) -> None:
        await kube.apply(DEPLOYMENT, deployment(namespace, replicas=0))
        labelled = deployment(namespace, replicas=0)
        labelled["metadata"]["labels"] = {"l": "1"}
        assert (await kube.apply(DEPLOYMENT, labelled))["metadata"]["generation"] == 1
        changed = deployment(namespace, container(image="example.org/web:2"), replicas=0)
        assert (await kube.apply(DEPLOYMENT, changed))["metadata"]["generation"] == 2

    async def test_an_applied_status_is_ignored(self, kube: KubeClient, namespace: str) -> None:
        with_status = {**deployment(namespace, replicas=0), "status": {"replicas": 99}}
        applied = await kube.apply(DEPLOYMENT, with_status)
        assert applied["status"].get("replicas") != 99
        assert all(
            "f:status" not in e["fieldsV1"] for e in applied["metadata"]["managedFields"] if not e.get("subresource")
        )

    async def test_text_in_a_secret_becomes_data(self, kube: KubeClient, namespace: str) -> None:
        applied = await kube.apply(SECRET, manifest(SECRET, namespace, "s", {"stringData": {"key": "value"}}))
        assert applied["data"] == {"key": "dmFsdWU="}
        assert applied["type"] == "Opaque"
        assert "stringData" not in applied

    async def test_a_service_gets_an_address_and_keeps_it(self, kube: KubeClient, namespace: str) -> None:
        first = await kube.apply(SERVICE, service(namespace))
        assert first["spec"]["clusterIP"] and first["spec"]["type"] == "ClusterIP"
        assert first["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
        changed = await kube.apply(SERVICE, service(namespace, ports=[{"port": 81}]))
        assert changed["spec"]["clusterIP"] == first["spec"]["clusterIP"]
        assert [port["port"] for port in changed["spec"]["ports"]] == [81]

    async def test_a_fixed_field_is_rejected_by_name(self, kube: KubeClient, namespace: str) -> None:
        await kube.apply(DEPLOYMENT, deployment(namespace, replicas=0))
        moved = deployment(namespace, replicas=0)
        moved["spec"]["selector"] = {"matchLabels": {"app": "other"}}
        moved["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
        with pytest.raises(Rejected) as caught:
            await kube.apply(DEPLOYMENT, moved)
        assert "spec.selector" in caught.value.fields
        await kube.apply(SERVICE, service(namespace))
        with pytest.raises(Rejected) as caught:
            await kube.apply(SERVICE, service(namespace, clusterIP="None"))
        assert any(field.startswith("spec.clusterIP") for field in caught.value.fields)

    @pytest.mark.parametrize(
        ("spec", "field"),
        [
            ({"selector": None}, "spec.selector"),
            ({"selector": {"matchLabels": {"app": "other"}}}, "spec.template.metadata.labels"),
            ({"template": {"metadata": {"labels": {"app": "web"}}}}, "spec.template.spec.containers"),
            ({"replicas": -1}, "spec.replicas"),
            ({"replicas": "three"}, "spec.replicas"),
        ],
    )
    async def test_what_does_not_make_sense_is_rejected(
        self, kube: KubeClient, namespace: str, spec: Object, field: str
    ) -> None:
        with pytest.raises(Rejected) as caught:
            await kube.apply(DEPLOYMENT, deployment(namespace, **spec))
        assert field in caught.value.fields

    async def test_a_service_without_ports_is_rejected(self, kube: KubeClient, namespace: str) -> None:
        with pytest.raises(Rejected) as caught:
            await kube.apply(SERVICE, service(namespace, ports=[]))
        assert "spec.ports" in caught.value.fields
