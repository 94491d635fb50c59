"""Workloads come up, or visibly fail to, in their time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agent.engine.resource import Object, ResourceKey
from agent.kube.client import Kind
from agent.kube.errors import KubeError
from agent.kube.simulated import SimulatedCluster
from tests.kube.contract_steps import until
from tests.kube.manifests import (
    CRON_JOB,
    DEPLOYMENT,
    INGRESS,
    JOB,
    POD,
    REPLICA_SET,
    SELECTOR,
    SERVICE,
    STATEFUL_SET,
    container,
    deployment,
    kind,
    manifest,
    service,
    template,
)

AUTOSCALER = kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
API_SERVICE = kind("apiregistration.k8s.io", "v1", "APIService", "apiservices", namespaced=False)
BUDGET = kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
CLAIM = kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")
BROKEN = container(image="example.org/web:broken")


@pytest.fixture
async def slow() -> AsyncIterator[SimulatedCluster]:
    """A cluster where things take a moment."""
    simulated = SimulatedCluster(rollout_seconds=0.05)
    yield simulated
    await simulated.close()


async def read(cluster: SimulatedCluster, of: Kind, name: str = "web") -> Object:
    obj = await cluster.get(of, "default" if of.namespaced else "", name)
    assert obj is not None
    return obj


def conditions(obj: Object) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c.get("reason", "")) for c in obj["status"].get("conditions", ())}


async def pods(cluster: SimulatedCluster) -> list[Object]:
    return (await cluster.list(POD, namespace="default")).items


async def test_a_rollout_takes_its_time(slow: SimulatedCluster) -> None:
    await slow.apply(DEPLOYMENT, deployment("default", replicas=2))
    begun = await read(slow, DEPLOYMENT)
    assert begun["status"]["unavailableReplicas"] == 2
    assert conditions(begun) == {
        "Progressing": ("True", "ReplicaSetUpdated"),
        "Available": ("False", "MinimumReplicasUnavailable"),
    }
    assert {pod["status"]["phase"] for pod in await pods(slow)} == {"Pending"}
    done = await until(lambda: read(slow, DEPLOYMENT), lambda obj: obj["status"].get("availableReplicas") == 2)
    assert conditions(done)["Available"] == ("True", "MinimumReplicasAvailable")


async def test_a_crash_exceeds_the_deadline(slow: SimulatedCluster) -> None:
    await slow.apply(DEPLOYMENT, deployment("default", container(image="example.org/crash-loop:1"), replicas=1))
    failed = await until(
        lambda: read(slow, DEPLOYMENT),
        lambda obj: conditions(obj)["Progressing"] == ("False", "ProgressDeadlineExceeded"),
    )
    assert conditions(failed)["Available"][0] == "False"
    (pod,) = await pods(slow)
    (state,) = pod["status"]["containerStatuses"]
    assert state["state"]["waiting"]["reason"] == "CrashLoopBackOff" and not state["ready"]


async def test_the_deadline_counts_when_it_is_shorter(cluster: SimulatedCluster) -> None:
    await cluster.apply(DEPLOYMENT, deployment("default", BROKEN, progressDeadlineSeconds=600))
    assert conditions(await read(cluster, DEPLOYMENT))["Progressing"] == ("False", "ProgressDeadlineExceeded")


async def test_a_broken_change_leaves_the_old_pods_running(cluster: SimulatedCluster) -> None:
    await cluster.apply(DEPLOYMENT, deployment("default", replicas=2))
    await cluster.apply(DEPLOYMENT, deployment("default", BROKEN, replicas=2))
    status = (await read(cluster, DEPLOYMENT))["status"]
    assert (status["availableReplicas"], status["updatedReplicas"], status["replicas"]) == (2, 2, 4)
    await cluster.apply(DEPLOYMENT, deployment("default", container(image="example.org/web:3"), replicas=2))
    mended = await read(cluster, DEPLOYMENT)
    assert mended["status"]["replicas"] == mended["status"]["updatedReplicas"] == 2
    assert conditions(mended)["Progressing"] == ("True", "NewReplicaSetAvailable")


async def test_recreate_stops_the_old_pods_first(slow: SimulatedCluster) -> None:
    strategy = {"type": "Recreate"}
    await slow.apply(DEPLOYMENT, deployment("default", replicas=1, strategy=strategy))
    await until(lambda: read(slow, DEPLOYMENT), lambda obj: obj["status"].get("readyReplicas") == 1)
    changed = deployment("default", container(image="example.org/web:2"), replicas=1, strategy=strategy)
    await slow.apply(DEPLOYMENT, changed)
    images = {pod["spec"]["containers"][0]["image"] for pod in await pods(slow)}
    assert images == {"example.org/web:2"}
    await until(lambda: read(slow, DEPLOYMENT), lambda obj: obj["status"].get("readyReplicas") == 1)


async def test_scaling_makes_and_removes_pods(cluster: SimulatedCluster) -> None:
    for replicas in (3, 1, 0, 2):
        await cluster.apply(DEPLOYMENT, deployment("default", replicas=replicas))
        assert len(await pods(cluster)) == replicas
    assert (await read(cluster, DEPLOYMENT))["metadata"]["generation"] == 4


async def test_a_pod_somebody_deletes_comes_back(cluster: SimulatedCluster) -> None:
    await cluster.apply(DEPLOYMENT, deployment("default", replicas=1))
    (pod,) = await pods(cluster)
    await cluster.remove(ResourceKey("", "Pod", "default", pod["metadata"]["name"]))
    (other,) = await pods(cluster)
    assert other["metadata"]["uid"] != pod["metadata"]["uid"]
    assert (await read(cluster, DEPLOYMENT))["status"]["readyReplicas"] == 1


async def test_old_sets_are_kept_up_to_a_limit(cluster: SimulatedCluster) -> None:
    for version in range(6):
        wanted = deployment("default", container(image=f"example.org/web:{version}"), revisionHistoryLimit=2)
        await cluster.apply(DEPLOYMENT, wanted)
    sets = (await cluster.list(REPLICA_SET, namespace="default")).items
    assert len(sets) == 3
    assert (await read(cluster, DEPLOYMENT))["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "6"


async def test_going_back_is_a_new_revision_of_the_old_set(cluster: SimulatedCluster) -> None:
    for image in ("example.org/web:1", "example.org/web:2", "example.org/web:1"):
        await cluster.apply(DEPLOYMENT, deployment("default", container(image=image)))
    assert len((await cluster.list(REPLICA_SET, namespace="default")).items) == 2
    assert (await read(cluster, DEPLOYMENT))["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"


async def test_a_paused_deployment_does_not_roll_out(cluster: SimulatedCluster) -> None:
    await cluster.apply(DEPLOYMENT, deployment("default", replicas=1))
    await cluster.apply(DEPLOYMENT, deployment("default", BROKEN, replicas=1, paused=True))
    (pod,) = await pods(cluster)
    assert pod["spec"]["containers"][0]["image"] == "example.org/web:1"
    assert conditions(await read(cluster, DEPLOYMENT))["Progressing"] == ("Unknown", "DeploymentPaused")


def stateful(*containers: Object, **spec: Any) -> Object:
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    content = {
        "replicas": 2,
        "serviceName": "web",
        "selector": SELECTOR,
        "template": template(*containers),
        "volumeClaimTemplates": [claim],
        **spec,
    }
    return manifest(STATEFUL_SET, "default", "web", {"spec": content})


async def test_stateful_pods_come_one_after_the_other(slow: SimulatedCluster) -> None:
    await slow.apply(STATEFUL_SET, stateful())
    assert [pod["metadata"]["name"] for pod in await pods(slow)] == ["web-0"]
    await until(lambda: read(slow, STATEFUL_SET), lambda obj: obj["status"].get("readyReplicas") == 2)
    claims = (await slow.list(CLAIM, namespace="default")).items
    assert [claim["metadata"]["name"] for claim in claims] == ["data-web-0", "data-web-1"]
    await until(lambda: read(slow, CLAIM, "data-web-1"), lambda obj: obj["status"]["phase"] == "Bound")


async def test_a_stateful_change_replaces_pods_and_keeps_claims(cluster: SimulatedCluster) -> None:
    await cluster.apply(STATEFUL_SET, stateful())
    before = await read(cluster, STATEFUL_SET)
    await cluster.apply(STATEFUL_SET, stateful(container(image="example.org/web:2")))
    after = await read(cluster, STATEFUL_SET)
    assert {pod["spec"]["containers"][0]["image"] for pod in await pods(cluster)} == {"example.org/web:2"}
    assert after["status"]["currentRevision"] == after["status"]["updateRevision"]
    assert after["status"]["updateRevision"] != before["status"]["updateRevision"]
    assert len((await cluster.list(CLAIM, namespace="default")).items) == 2


async def test_a_broken_stateful_change_stops_at_the_first_pod(cluster: SimulatedCluster) -> None:
    await cluster.apply(STATEFUL_SET, stateful())
    await cluster.apply(STATEFUL_SET, stateful(BROKEN))
    images = {pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"] for pod in await pods(cluster)}
    assert images == {"web-0": "example.org/web:1", "web-1": "example.org/web:broken"}
    status = (await read(cluster, STATEFUL_SET))["status"]
    assert (status["readyReplicas"], status["updatedReplicas"]) == (1, 1)


def job(*containers: Object, **spec: Any) -> Object:
    pod = {"spec": {"containers": list(containers) or [container()], "restartPolicy": "Never"}}
    return manifest(JOB, "default", "web", {"spec": {"template": pod, **spec}})


async def test_a_job_runs_as_often_as_asked(cluster: SimulatedCluster) -> None:
    await cluster.apply(JOB, job(completions=3, parallelism=2))
    done = await read(cluster, JOB)
    assert done["status"]["succeeded"] == 3
    assert conditions(done)["Complete"][0] == "True"
    assert len(await pods(cluster)) == 3


async def test_a_job_gives_up(cluster: SimulatedCluster) -> None:
    await cluster.apply(JOB, job(BROKEN, backoffLimit=2))
    failed = await read(cluster, JOB)
    assert conditions(failed)["Failed"] == ("True", "BackoffLimitExceeded")
    assert failed["status"]["failed"] == 3
    assert "completionTime" not in failed["status"]


async def test_a_suspended_job_waits(cluster: SimulatedCluster) -> None:
    await cluster.apply(JOB, job(suspend=True))
    assert conditions(await read(cluster, JOB))["Suspended"] == ("True", "JobSuspended")
    assert await pods(cluster) == []
    await cluster.apply(JOB, job(suspend=False))
    assert conditions(await read(cluster, JOB))["Complete"][0] == "True"


async def test_a_job_goes_when_its_time_is_over(cluster: SimulatedCluster) -> None:
    await cluster.apply(JOB, job(ttlSecondsAfterFinished=0))
    assert await cluster.get(JOB, "default", "web") is None
    assert await pods(cluster) == []


async def test_a_cron_job_is_kept_and_not_run(cluster: SimulatedCluster) -> None:
    pod = {"spec": {"containers": [container()], "restartPolicy": "Never"}}
    spec = {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": pod}}}
    await cluster.apply(CRON_JOB, manifest(CRON_JOB, "default", "web", {"spec": spec}))
    assert (await read(cluster, CRON_JOB))["status"] == {}
    assert (await cluster.list(JOB)).items == []


async def test_a_load_balancer_gets_an_address(slow: SimulatedCluster) -> None:
    applied = await slow.apply(SERVICE, service("default", type="LoadBalancer"))
    assert applied["status"] == {"loadBalancer": {}}
    given = await until(lambda: read(slow, SERVICE), lambda obj: obj["status"] != {"loadBalancer": {}})
    (entry,) = given["status"]["loadBalancer"]["ingress"]
    assert entry["ip"].startswith("198.18.") and entry["ipMode"] == "VIP"
    await slow.apply(SERVICE, service("default", type="ClusterIP"))
    assert (await read(slow, SERVICE))["status"] == {"loadBalancer": {}}


async def test_an_ingress_gets_an_address(cluster: SimulatedCluster) -> None:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    await cluster.apply(INGRESS, manifest(INGRESS, "default", "web", {"spec": {"defaultBackend": backend}}))
    (entry,) = (await read(cluster, INGRESS))["status"]["loadBalancer"]["ingress"]
    assert entry["ip"]


async def test_an_autoscaler_keeps_its_target_within_bounds(cluster: SimulatedCluster) -> None:
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"minReplicas": 2, "maxReplicas": 4, "scaleTargetRef": reference}
    await cluster.apply(AUTOSCALER, manifest(AUTOSCALER, "default", "web", {"spec": spec}))
    assert conditions(await read(cluster, AUTOSCALER))["AbleToScale"] == ("False", "FailedGetScale")
    await cluster.apply(DEPLOYMENT, deployment("default"))
    scaled = await read(cluster, DEPLOYMENT)
    assert scaled["spec"]["replicas"] == 2
    (entry,) = (e for e in scaled["metadata"]["managedFields"] if e.get("subresource") == "scale")
    assert entry["fieldsV1"] == {"f:spec": {"f:replicas": {}}}
    found = conditions(await read(cluster, AUTOSCALER))
    assert found["AbleToScale"][0] == found["ScalingActive"][0] == "True"


async def test_a_budget_counts_its_pods(cluster: SimulatedCluster) -> None:
    spec = {"minAvailable": "50%", "selector": SELECTOR}
    await cluster.apply(BUDGET, manifest(BUDGET, "default", "web", {"spec": spec}))
    await cluster.apply(DEPLOYMENT, deployment("default", replicas=4))
    status = (await read(cluster, BUDGET))["status"]
    assert (status["expectedPods"], status["currentHealthy"], status["disruptionsAllowed"]) == (4, 4, 2)


async def test_an_aggregated_api_is_available(cluster: SimulatedCluster) -> None:
    spec = {
        "group": "x.example",
        "version": "v1",
        "groupPriorityMinimum": 1,
        "versionPriority": 1,
        "service": {"name": "x", "namespace": "default"},
    }
    await cluster.apply(API_SERVICE, manifest(API_SERVICE, "", "v1.x.example", {"spec": spec}))
    assert conditions(await read(cluster, API_SERVICE, "v1.x.example"))["Available"] == ("True", "Passed")


async def test_a_settled_cluster_does_nothing(cluster: SimulatedCluster) -> None:
    await cluster.apply(DEPLOYMENT, deployment("default", replicas=2))
    await cluster.apply(STATEFUL_SET, stateful())
    before = (await cluster.list(POD)).resource_version
    await asyncio.sleep(0.05)
    await cluster.apply(DEPLOYMENT, deployment("default", replicas=2))
    assert (await cluster.list(POD)).resource_version == before


async def test_workloads_in_a_namespace_that_goes_are_let_go(cluster: SimulatedCluster) -> None:
    namespaces = kind("", "v1", "Namespace", "namespaces", namespaced=False)
    await cluster.apply(namespaces, manifest(namespaces, "", "going"))
    await cluster.apply(DEPLOYMENT, deployment("going", replicas=3))
    await cluster.delete(namespaces, "", "going")
    assert (await cluster.list(POD)).items == []
    with pytest.raises(KubeError):
        await cluster.apply(DEPLOYMENT, deployment("going"))
