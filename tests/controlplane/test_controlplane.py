"""The control plane itself does what the tests that use it rely on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

from tests.controlplane.access import ApiError, ClusterAccess
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.pins import FAMILY_OF
from tests.controlplane.stages import COMPLETE_AFTER, POD_LABEL

pytestmark = pytest.mark.controlplane

Object = dict[str, Any]


def config_map(name: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def template(**labels: str) -> Object:
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "example/app:1"}]}}


def deployment(name: str, replicas: int = 2, **labels: str) -> Object:
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "template": template(app=name, **labels),
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def job(name: str, behaviour: str = "") -> Object:
    pod = template(**({POD_LABEL: behaviour} if behaviour else {}))
    pod["spec"]["restartPolicy"] = "Never"
    spec = {"backoffLimit": 0, "template": pod}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def condition(kind: str, found: Object) -> bool:
    conditions = found.get("status", {}).get("conditions", [])
    return any(one["type"] == kind and one["status"] == "True" for one in conditions)


def first_pod(plane: ClusterAccess, namespace: str, selector: str) -> str:
    found = plane.request("GET", f"/api/v1/namespaces/{namespace}/pods?labelSelector={selector}")["items"]
    name: str = found[0]["metadata"]["name"]
    return name


def roll_out(plane: ClusterAccess, namespace: str, manifest: Object) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{manifest['metadata']['name']}"
    plane.apply(path, manifest)
    wanted = manifest["spec"]["replicas"]
    plane.wait_for(path, lambda found: found["status"].get("readyReplicas") == wanted, "every replica was ready")


def test_says_the_pinned_version(control_plane: ClusterAccess) -> None:
    assert control_plane.request("GET", "/version")["gitVersion"] == FAMILY_OF["kube-apiserver"].version


def test_server_side_apply_owns_fields_and_reports_conflicts(control_plane: ClusterAccess, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps/settings"
    applied = control_plane.apply(path, config_map("settings", colour="blue"), manager="first")
    assert [entry["manager"] for entry in applied["metadata"]["managedFields"]] == ["first"]
    with pytest.raises(ApiError, match="first") as refused:
        control_plane.apply(path, config_map("settings", colour="red"), manager="second")
    assert refused.value.status == 409
    forced = control_plane.apply(path, config_map("settings", colour="red"), manager="second", force=True)
    assert forced["data"] == {"colour": "red"}


def test_owned_objects_are_collected(control_plane: ClusterAccess, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}/configmaps"
    owner = control_plane.request("POST", base, config_map("owner"))
    owned = config_map("owned")
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    owned["metadata"]["ownerReferences"] = [reference]
    control_plane.request("POST", base, owned)
    control_plane.request("DELETE", f"{base}/owner")
    deadline = time.monotonic() + 30
    while control_plane.exists(f"{base}/owned"):
        assert time.monotonic() < deadline, "the owned object outlived its owner by 30 s"
        time.sleep(0.1)


def test_users_may_do_what_rbac_grants_and_no_more(control_plane: ClusterAccess, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    tokens = control_plane.tokens
    control_plane.request("GET", path, token=tokens["viewer"])
    for method, user in (("POST", "viewer"), ("GET", "agent"), ("GET", "nobody")):
        with pytest.raises(ApiError) as refused:
            control_plane.request(method, path, config_map("x") if method == "POST" else None, token=tokens[user])
        assert refused.value.status == 403
    assert tokens["viewer"] in control_plane.kubeconfig_for("viewer").read_text()
    with pytest.raises(KeyError, match="viewer"):
        control_plane.kubeconfig_for("somebody")


def test_service_account_has_the_rights_of_its_role(control_plane: ClusterAccess, namespace: str) -> None:
    control_plane.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "reader"}})
    token = control_plane.service_account_token(namespace, "reader")
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    with pytest.raises(ApiError) as refused:
        control_plane.request("GET", path, token=token)
    assert refused.value.status == 403
    binding = {
        "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": namespace}],
    }
    control_plane.request("POST", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings", binding)
    deadline = time.monotonic() + 10
    while True:  # the authorizer hears of the binding through a watch
        try:
            control_plane.request("GET", path, token=token)
            return
        except ApiError as error:
            assert error.status == 403 and time.monotonic() < deadline
            time.sleep(0.05)


def test_deployment_rolls_out(workload_plane: ClusterAccess, namespace: str) -> None:
    roll_out(workload_plane, namespace, deployment("web", replicas=3))


@pytest.mark.parametrize(
    ("behaviour", "reason"), [("image-pull", "ImagePullBackOff"), ("crash", "CrashLoopBackOff"), ("never-ready", None)]
)
def test_pods_misbehave_when_asked(
    workload_plane: ClusterAccess, namespace: str, behaviour: str, reason: str | None
) -> None:
    manifest = template(**{POD_LABEL: behaviour})
    manifest["metadata"]["name"] = "bad"
    pods = f"/api/v1/namespaces/{namespace}/pods"
    workload_plane.request("POST", pods, manifest)

    def settled(pod: Object) -> bool:
        states = [status["state"] for status in pod["status"].get("containerStatuses", [])]
        wanted = [{"waiting"}] if reason else [{"running"}]
        return [set(state) for state in states] == wanted

    pod = workload_plane.wait_for(f"{pods}/bad", settled, "the container was in the state asked for")
    state = pod["status"]["containerStatuses"][0]["state"]
    assert state.get("waiting", {}).get("reason") == reason
    assert not condition("Ready", pod)


@pytest.mark.parametrize(("behaviour", "outcome"), [("", "Complete"), ("fail", "Failed")])
def test_job_ends(workload_plane: ClusterAccess, namespace: str, behaviour: str, outcome: str) -> None:
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs/task"
    workload_plane.apply(path, job("task", behaviour))
    workload_plane.wait_for(path, lambda found: condition(outcome, found), f"the job was {outcome}")


def test_job_takes_the_time_asked_for(workload_plane: ClusterAccess, namespace: str) -> None:
    manifest = job("slow")
    manifest["spec"]["template"]["metadata"]["annotations"] = {COMPLETE_AFTER: "2s"}
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs/slow"
    began = time.monotonic()
    workload_plane.apply(path, manifest)
    workload_plane.wait_for(path, lambda found: condition("Complete", found), "the job was complete")
    assert time.monotonic() - began >= 2


def test_claim_is_bound(workload_plane: ClusterAccess, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/data"
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec}
    workload_plane.apply(path, claim)
    workload_plane.wait_for(path, lambda found: found["status"].get("phase") == "Bound", "the claim was bound")


def test_logs_are_read_and_followed(workload_plane: ClusterAccess, namespace: str) -> None:
    roll_out(workload_plane, namespace, deployment("talker", replicas=1))
    path = f"/api/v1/namespaces/{namespace}/pods/{first_pod(workload_plane, namespace, 'app=talker')}/log"
    workload_plane.log_line(f"{namespace} says hello")
    assert f"{namespace} says hello\n" in workload_plane.request("GET", path)
    later = threading.Timer(0.3, workload_plane.log_line, [f"{namespace} says goodbye"])
    later.start()
    try:
        with workload_plane.open("GET", f"{path}?follow=true", timeout=20) as stream:
            assert any(f"{namespace} says goodbye" in line.decode() for line in stream)
    finally:
        later.join()


@pytest.fixture(scope="module")
def own_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane.start(tmp_path_factory.mktemp("own")) as plane:
        yield plane


def test_killed_api_server_comes_back_with_its_data(own_plane: ControlPlane) -> None:
    path = "/api/v1/namespaces/default/configmaps/kept"
    before = own_plane.apply(path, config_map("kept", a="1"))
    own_plane.kill_apiserver()
    with pytest.raises(OSError, match="refused"):
        own_plane.request("GET", path)
    own_plane.restart_apiserver()
    assert own_plane.request("GET", path)["metadata"]["uid"] == before["metadata"]["uid"]


def test_clusters_that_share_an_etcd_are_separate(own_plane: ControlPlane, tmp_path: Path) -> None:
    path = "/api/v1/namespaces/default/configmaps/mine"
    own_plane.apply(path, config_map("mine"))
    with ControlPlane.start(tmp_path, etcd=own_plane.etcd_url, etcd_prefix="/other") as other:
        assert not other.exists(path)
        assert set(other.pids) == {"kube-apiserver"}
    assert own_plane.exists(path)


@pytest.mark.parametrize(
    ("ask", "protocol", "answer"),
    [
        ("exec?command=cat&stdin=true&stdout=true", "v5.channel.k8s.io", b"\x01hello"),
        ("portforward?ports=80", "v4.channel.k8s.io", b"\x00hello"),
    ],
)
def test_a_command_and_a_port_answer(
    workload_plane: ClusterAccess, namespace: str, ask: str, protocol: str, answer: bytes
) -> None:
    roll_out(workload_plane, namespace, deployment("shell", replicas=1))
    pod = first_pod(workload_plane, namespace, "app=shell")
    connection = websocket.create_connection(
        f"{workload_plane.server_url.replace('https', 'wss')}/api/v1/namespaces/{namespace}/pods/{pod}/{ask}",
        timeout=20,
        sslopt={"context": workload_plane.tls},
        header={"Authorization": f"Bearer {workload_plane.admin_token}"},
        subprotocols=[protocol],
    )
    try:
        connection.send_binary(b"\x00hello")  # channel 0: standard input, or the first port's data
        assert any(connection.recv() == answer for _ in range(3))
    finally:
        connection.close()
