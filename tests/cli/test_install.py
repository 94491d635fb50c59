"""`cluster add --context` on a real control plane."""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.cli import joining
from hub.cli.agent_objects import PLACEHOLDERS, agent_objects, in_order
from tests.cli import samples
from tests.cli.conftest import Terminal
from tests.cli.fakehub import FakeHub, Reply
from tests.controlplane.access import ApiError, ClusterAccess


@pytest.fixture
def agents(control_plane: ClusterAccess) -> Iterator[str]:
    """A namespace that is not there yet; what is made is removed at the end."""
    name = f"agents-{secrets.token_hex(4)}"
    yield name
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    for path in (
        f"/api/v1/namespaces/{name}",
        f"{rbac}/clusterroles/escadre-agent",
        f"{rbac}/clusterrolebindings/escadre-agent",
    ):
        with contextlib.suppress(ApiError):
            control_plane.request("DELETE", path)


@pytest.mark.controlplane
def test_the_agent_is_installed_and_waited_for(
    hub: FakeHub, run: Terminal, control_plane: ClusterAccess, agents: str
) -> None:
    hub.on("POST", "/clusters", Reply(samples.join(), 201))
    away = samples.cluster(liveness="NeverConnected")
    hub.on("GET", "/clusters/edge-1", away, away, samples.cluster())
    kubeconfig = str(control_plane.kubeconfig_path)
    flags = ("--context", "test", "--kubeconfig", kubeconfig, "--namespace", agents)
    outcome = run("cluster", "add", "edge-1", *flags)
    assert outcome.code == 0, outcome.err
    assert outcome.out == f"The agent of cluster edge-1 is installed in namespace {agents} and is connected.\n"
    assert run.paused == [1.0, 1.0]
    kinds = [item["kind"].lower() for item in in_order(agent_objects(PLACEHOLDERS))]
    assert [line.partition("/")[0] for line in outcome.err.splitlines()[:-1]] == kinds
    assert "SECRET" not in outcome.out + outcome.err
    secret = control_plane.request("GET", f"/api/v1/namespaces/{agents}/secrets/escadre-agent-join")
    assert base64.b64decode(secret["data"]["token"]).decode() == samples.join()["token"]
    deployment = control_plane.request("GET", f"/apis/apps/v1/namespaces/{agents}/deployments/escadre-agent")
    assert {entry["manager"] for entry in deployment["metadata"]["managedFields"]} >= {"escadre"}
    assert deployment["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"] is True


@pytest.mark.controlplane
def test_another_token_takes_the_place_of_the_first(
    hub: FakeHub, run: Terminal, control_plane: ClusterAccess, agents: str
) -> None:
    flags = (
        "--context",
        "test",
        "--kubeconfig",
        str(control_plane.kubeconfig_path),
        "--namespace",
        agents,
        "--no-wait",
    )
    path = f"/apis/apps/v1/namespaces/{agents}/deployments/escadre-agent"
    templates = []
    for token in ("esc1.a.ONE", "esc1.a.TWO"):
        hub.on("POST", "/clusters/edge-1/rotate-token", Reply(samples.join(token=token), 201))
        outcome = run("cluster", "rotate-token", "edge-1", *flags, "--storage", "none", "-o", "json")
        assert outcome.code == 0, outcome.err
        value = json.loads(outcome.out)
        assert "token" not in value
        assert {"kind": "Secret", "name": "escadre-agent-join"} in value["objects"]
        templates.append(control_plane.request("GET", path)["spec"]["template"])
    assert templates[0]["metadata"] != templates[1]["metadata"]
    secret = control_plane.request("GET", f"/api/v1/namespaces/{agents}/secrets/escadre-agent-join")
    assert base64.b64decode(secret["data"]["token"]).decode() == "esc1.a.TWO"


@pytest.mark.controlplane
def test_an_agent_that_does_not_come_is_looked_after(
    hub: FakeHub, run: Terminal, control_plane: ClusterAccess, agents: str
) -> None:
    hub.on("POST", "/clusters", Reply(samples.join(hub="localhost:8443"), 201))
    hub.on("GET", "/clusters/edge-1", samples.cluster(liveness="NeverConnected"))
    kubeconfig = str(control_plane.kubeconfig_path)
    flags = ("--context", "test", "--kubeconfig", kubeconfig, "--namespace", agents, "--timeout", "0")
    outcome = run("cluster", "add", "edge-1", *flags)
    assert outcome.code == 4
    assert "the agent of edge-1 has not connected within 0 s: " in outcome.err
    assert "pod" in outcome.err.splitlines()[-1]
    assert "warning: the agent is told to dial localhost:8443, which in a pod is the pod itself" in outcome.err


@pytest.mark.controlplane
def test_a_user_without_rights_is_told_how_to_go_on(
    hub: FakeHub, run: Terminal, control_plane: ClusterAccess, tmp_path: Path
) -> None:
    hub.on("POST", "/clusters", Reply(samples.join(), 201))
    token = control_plane.service_account_token("default", "default")
    kubeconfig = control_plane.write_kubeconfig(tmp_path / "kubeconfig", token)
    outcome = run("cluster", "add", "edge-1", "--context", "test", "--kubeconfig", str(kubeconfig))
    assert outcome.code == 1
    assert "cluster test refused Namespace escadre-agent: " in outcome.err
    assert "forbidden" in outcome.err
    assert "go on with `escadre cluster rotate-token edge-1 --context test`" in outcome.err
    assert len(outcome.err.splitlines()) == 1


def kubeconfig(path: Path, server: str) -> str:
    value = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "kube-secret"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }
    path.write_text(json.dumps(value))
    return str(path)


@pytest.mark.parametrize(
    ("context", "content", "code", "message"),
    [
        ("nope", None, 2, "the kubeconfig has no usable context 'nope'"),
        ("c", "{", 2, "the kubeconfig has no usable context 'c'"),
        ("c", None, 1, "cluster c cannot be reached"),
    ],
)
def test_a_cluster_that_cannot_be_used_costs_no_token(
    hub: FakeHub, run: Terminal, tmp_path: Path, context: str, content: str | None, code: int, message: str
) -> None:
    path = tmp_path / "kubeconfig"
    kubeconfig(path, "https://127.0.0.1:1")
    if content is not None:
        path.write_text(content)
    outcome = run("cluster", "add", "edge-1", "--context", context, "--kubeconfig", str(path))
    assert (outcome.code, message in outcome.err) == (code, True), outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert "kube-secret" not in outcome.err
    assert hub.requests == []


def test_options_of_installation_go_where_they_belong() -> None:
    options = {
        "token_file": None,
        "context": "c",
        "kubeconfig": None,
        "namespace": "n",
        "image": "i",
        "storage": "none",
        "storage_class": None,
        "wait": True,
        "timeout": 1.0,
    }
    handover = joining.handover_of(options)
    assert (handover.storage, handover.storage_class) == ("", "")
