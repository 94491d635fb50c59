"""What every cluster must do with the workloads it is given. See `tests.kube.contract`."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from agent.engine.resource import Object
from agent.kube.client import DeleteOptions, Kind, KubeClient
from agent.kube.errors import NotFound, Rejected, Retryable
from tests.kube.contract_steps import until, until_gone
from tests.kube.manifests import (
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    POD,
    REPLICA_SET,
    SELECTOR,
    SERVICE,
    STATEFUL_SET,
    container,
    deployment,
    manifest,
    service,
    template,
)


async def settled(kube: KubeClient, kind: Kind, namespace: str, name: str, **status: Any) -> Object:
    """Wait until an object's status says these things of its latest generation."""

    def holds(obj: Object | None) -> bool:
        found = (obj or {}).get("status") or {}
        if obj is None or found.get("observedGeneration", 1) < obj["metadata"].get("generation", 1):
            return False
        return all(found.get(key) == value for key, value in status.items())

    obj = await until(lambda: kube.get(kind, namespace, name), holds)
    assert obj is not None
    return obj


def condition(obj: Object, kind: str) -> Object:
    found = (entry for entry in obj["status"].get("conditions", ()) if entry["type"] == kind)
    return next(found, {})


class WorkloadContract:
    async def test_the_output_of_a_pod_is_read(self, kube: KubeClient, namespace: str) -> None:
        pod = {**manifest(POD, namespace, "one"), "spec": {"containers": [container()]}}
        await kube.apply(POD, pod)
        name = container()["name"]

        async def written() -> Any:
            with contextlib.suppress(Rejected, Retryable):  # it has not started
                return await kube.logs(namespace, "one", name, lines=5, limit=1000)

        assert await until(written, lambda text: text is not None) is not None
        with pytest.raises(NotFound):
            await kube.logs(namespace, "none", name, lines=5, limit=1000)

    async def test_a_deployment_rolls_out(self, kube: KubeClient, namespace: str) -> None:
        await kube.apply(DEPLOYMENT, deployment(namespace, replicas=2))
        ready = await settled(
            kube, DEPLOYMENT, namespace, "web", replicas=2, updatedReplicas=2, readyReplicas=2, availableReplicas=2
        )
        assert "unavailableReplicas" not in ready["status"]
        assert condition(ready, "Available")["status"] == "True"
        done = await until(
            lambda: settled(kube, DEPLOYMENT, namespace, "web"),
            lambda obj: condition(obj, "Progressing").get("reason") == "NewReplicaSetAvailable",
        )
        assert done["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"

    async def test_a_deployment_owns_sets_that_own_pods(self, kube: KubeClient, namespace: str) -> None:
        await kube.apply(DEPLOYMENT, deployment(namespace, replicas=2))
        owner = await settled(kube, DEPLOYMENT, namespace, "web", readyReplicas=2)
        (replica_set,) = (await kube.list(REPLICA_SET, namespace=namespace)).items
        pods = (await kube.list(POD, namespace=namespace, selector="app=web")).items
        assert len(pods) == 2
        assert _owner(replica_set) == ("Deployment", owner["metadata"]["uid"])
        assert {_owner(pod) for pod in pods} == {("ReplicaSet", replica_set["metadata"]["uid"])}
        name = replica_set["metadata"]["labels"]["pod-template-hash"]
        assert replica_set["metadata"]["name"] == f"web-{name}"
        assert {pod["metadata"]["labels"]["pod-template-hash"] for pod in pods} == {name}
        assert all(pod["status"]["phase"] == "Running" and pod["spec"]["nodeName"] for pod in pods)

    async def test_a_change_makes_a_new_set_and_empties_the_old(self, kube: KubeClient, namespace: str) -> None:
        await kube.apply(DEPLOYMENT, deployment(namespace, replicas=1))
        await settled(kube, DEPLOYMENT, namespace, "web", readyReplicas=1)
        await kube.apply(DEPLOYMENT, deployment(namespace, container(image="example.org/web:2"), replicas=1))
        await settled(kube, DEPLOYMENT, namespace, "web", updatedReplicas=1, replicas=1, readyReplicas=1)
        sets = (await kube.list(REPLICA_SET, namespace=namespace)).items
        assert sorted(replica_set["spec"]["replicas"] for replica_set in sets) == [0, 1]

    async def test_the_controllers_write_does_not_conflict(self, kube: KubeClient, namespace: str) -> None:
        await kube.apply(DEPLOYMENT, deployment(namespace, replicas=1))
        rolled = await settled(kube, DEPLOYMENT, namespace, "web", readyReplicas=1)
        again = await kube.apply(DEPLOYMENT, deployment(namespace, replicas=1))
        assert again["metadata"]["generation"] == rolled["metadata"]["generation"] == 1
        managers = {e["manager"]: e.get("subresource") for e in again["metadata"]["managedFields"]}
        assert managers == {"escadre-agent": None, "kube-controller-manager": "status"}

    @pytest.mark.parametrize("propagation", ["foreground", "background"])
    async def test_deleting_a_deployment_takes_its_pods(
        self, kube: KubeClient, namespace: str, propagation: str
    ) -> None:
        made = await kube.apply(DEPLOYMENT, deployment(namespace, replicas=1))
        await settled(kube, DEPLOYMENT, namespace, "web", readyReplicas=1)
        await kube.delete(DEPLOYMENT, namespace, "web", DeleteOptions(propagation=propagation))
        await until_gone(kube, made)
        await until(lambda: kube.list(POD, namespace=namespace), lambda pods: not pods.items)

    async def test_a_stateful_set_has_pods_by_number(self, kube: KubeClient, namespace: str) -> None:
        spec = {"replicas": 2, "serviceName": "web", "selector": SELECTOR, "template": template()}
        await kube.apply(STATEFUL_SET, manifest(STATEFUL_SET, namespace, "web", {"spec": spec}))
        ready = await settled(kube, STATEFUL_SET, namespace, "web", readyReplicas=2, updatedReplicas=2)
        assert ready["status"]["currentRevision"] == ready["status"]["updateRevision"]
        pods = (await kube.list(POD, namespace=namespace)).items
        assert [pod["metadata"]["name"] for pod in pods] == ["web-0", "web-1"]
        renamed = {**spec, "serviceName": "other"}
        with pytest.raises(Rejected) as caught:
            await kube.apply(STATEFUL_SET, manifest(STATEFUL_SET, namespace, "web", {"spec": renamed}))
        assert caught.value.fields == ("spec",)

    async def test_a_daemon_set_covers_the_nodes(self, kube: KubeClient, namespace: str) -> None:
        content = {"spec": {"selector": SELECTOR, "template": template()}}
        await kube.apply(DAEMON_SET, manifest(DAEMON_SET, namespace, "web", content))
        await until(
            lambda: kube.get(DAEMON_SET, namespace, "web"),
            lambda obj: bool(obj and obj["status"].get("numberReady") == obj["status"]["desiredNumberScheduled"] > 0),
        )

    async def test_a_job_completes_and_stays_as_it_was(self, kube: KubeClient, namespace: str) -> None:
        pod = {"spec": {"containers": [container()], "restartPolicy": "Never"}}
        await kube.apply(JOB, manifest(JOB, namespace, "once", {"spec": {"template": pod}}))
        done = await until(
            lambda: settled(kube, JOB, namespace, "once"),
            lambda obj: condition(obj, "Complete").get("status") == "True",
        )
        assert done["status"]["succeeded"] == 1
        assert done["status"]["startTime"] and done["status"]["completionTime"]
        changed = {"spec": {"containers": [container(image="example.org/web:2")], "restartPolicy": "Never"}}
        with pytest.raises(Rejected) as caught:
            await kube.apply(JOB, manifest(JOB, namespace, "once", {"spec": {"template": changed}}))
        assert caught.value.fields == ("spec.template",)

    async def test_a_service_has_its_empty_status(self, kube: KubeClient, namespace: str) -> None:
        applied = await kube.apply(SERVICE, service(namespace))
        assert applied["status"] == {"loadBalancer": {}}


def _owner(obj: Object) -> tuple[str, str]:
    (reference,) = obj["metadata"]["ownerReferences"]
    assert reference["controller"] and reference["blockOwnerDeletion"]
    return reference["kind"], reference["uid"]
