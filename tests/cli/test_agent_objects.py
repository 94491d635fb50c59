"""What an agent is installed as: the same from `cluster add --context` and from deploy/agent, and with no more rights
and no fewer precautions than said."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.config import read_config
from hub.cli.agent_objects import PLACEHOLDERS, Installation, agent_objects, files, in_order
from hub.cli.install import pod_troubles, wait_connected

DIRECTORY = Path(__file__).parents[2] / "deploy" / "agent"
TOKEN = "esc1.abcdefgh.SECRET"
MADE = Installation(hub="hub.example:8443", ca_pin="sha256:" + "ab" * 32, token=TOKEN)


def made(**values: Any) -> dict[str, dict[str, Any]]:
    """The objects by kind."""
    installation = Installation(**({"hub": MADE.hub, "ca_pin": MADE.ca_pin, "token": TOKEN} | values))
    return {item["kind"]: item for item in in_order(agent_objects(installation))}


def test_the_files_are_as_the_program_makes_them() -> None:
    found = {path.name: path.read_text("utf-8") for path in DIRECTORY.iterdir()}
    assert found == files(), "run `python -m hub.cli.agent_objects`"


def test_the_files_hold_the_objects_that_are_applied() -> None:
    kustomization = yaml.safe_load((DIRECTORY / "kustomization.yaml").read_text())
    listed = [
        item for name in kustomization["resources"] for item in yaml.safe_load_all((DIRECTORY / name).read_text())
    ]
    applied = in_order(agent_objects(PLACEHOLDERS))
    for item in listed:
        if item["kind"] == "Secret":
            token = item.pop("stringData")["token"]
            item["data"] = {"token": base64.b64encode(token.encode()).decode()}
    assert listed == applied


def test_everything_is_labelled_and_in_its_namespace() -> None:
    objects = made(namespace="agents")
    for kind, item in objects.items():
        assert item["metadata"]["labels"]["app.kubernetes.io/part-of"] == "escadre"
        cluster_wide = kind in ("Namespace", "ClusterRole", "ClusterRoleBinding")
        assert item["metadata"].get("namespace") == (None if cluster_wide else "agents"), kind
    assert objects["Namespace"]["metadata"]["name"] == "agents"
    assert objects["ClusterRoleBinding"]["subjects"] == [
        {"kind": "ServiceAccount", "name": "escadre-agent", "namespace": "agents"}
    ]
    assert objects["ClusterRoleBinding"]["roleRef"]["name"] == objects["ClusterRole"]["metadata"]["name"]
    assert objects["Namespace"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_role_holds_what_syncing_takes_and_no_more() -> None:
    everything, roles = made()["ClusterRole"]["rules"]
    assert (everything["apiGroups"], everything["resources"]) == (["*"], ["*"])
    assert set(everything["verbs"]) == {"get", "list", "watch", "create", "update", "patch", "delete"}
    assert roles == {
        "apiGroups": ["rbac.authorization.k8s.io"],
        "resources": ["roles", "clusterroles"],
        "verbs": ["escalate", "bind"],
    }


def test_the_pod_has_no_rights_on_its_node() -> None:
    pod = made()["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["requests"] and container["resources"]["limits"]["memory"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)


def test_the_token_is_in_the_secret_and_nowhere_else() -> None:
    objects = made()
    secret = objects.pop("Secret")
    assert base64.b64decode(secret["data"]["token"]).decode() == TOKEN
    assert TOKEN not in repr(objects)
    assert TOKEN not in repr(MADE)


def test_the_agent_reads_its_settings_from_what_the_pod_gives_it(tmp_path: Path) -> None:
    objects = made()
    settings = objects["ConfigMap"]["data"]
    (container,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    environ = {
        entry["name"]: entry["value"] if "value" in entry else settings[entry["valueFrom"]["configMapKeyRef"]["key"]]
        for entry in container["env"]
    }
    program, *arguments = container["command"]
    assert program == "escadre-agent"
    config = read_config(arguments, environ)
    assert (config.hub, config.ca_pin, config.in_cluster) == (MADE.hub, MADE.ca_pin, True)
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert str(config.token_file) == f"{mounts['join']}/token"
    assert str(config.data_dir).startswith(f"{mounts['data']}/")


def test_what_it_keeps_is_on_a_volume_or_goes_with_the_pod() -> None:
    claim = made(storage="5Gi", storage_class="fast")["PersistentVolumeClaim"]["spec"]
    assert claim["resources"]["requests"]["storage"] == "5Gi"
    assert claim["storageClassName"] == "fast"
    assert "storageClassName" not in made()["PersistentVolumeClaim"]["spec"]
    without = made(storage="")
    assert "PersistentVolumeClaim" not in without
    (data, *_) = without["Deployment"]["spec"]["template"]["spec"]["volumes"]
    assert data == {"name": "data", "emptyDir": {}}


def test_two_agents_never_run_at_once_and_another_token_starts_it_anew() -> None:
    spec = made()["Deployment"]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    template = spec["template"]["metadata"]
    assert made(token="another")["Deployment"]["spec"]["template"]["metadata"] != template
    assert spec["selector"]["matchLabels"].items() <= template["labels"].items()


# --- waiting for it


def waiting(reason: str) -> dict[str, Any]:
    status = {"containerStatuses": [{"state": {"waiting": {"reason": reason, "message": "why"}}}]}
    return {"metadata": {"name": "p"}, "status": status}


@pytest.mark.parametrize(
    ("pods", "troubles"),
    [
        ([], ["its Deployment has made no pod yet"]),
        ([waiting("ImagePullBackOff")], ["pod p: ImagePullBackOff: why"]),
        (
            [
                {
                    "metadata": {"name": "p"},
                    "status": {"conditions": [{"type": "PodScheduled", "status": "False", "message": "no nodes"}]},
                }
            ],
            ["pod p has no node: no nodes"],
        ),
        ([{"metadata": {"name": "p"}}], ["its pod runs; see its log"]),
        (
            [{"metadata": {"name": "p"}, "status": {"containerStatuses": [{"state": {"running": {}}}]}}],
            ["its pod runs; see its log"],
        ),
    ],
)
def test_why_a_pod_does_not_run(pods: list[dict[str, Any]], troubles: list[str]) -> None:
    assert pod_troubles(pods) == troubles


def test_waiting_ends_with_the_connection_or_the_time() -> None:
    clock = [0.0]

    def pause(seconds: float) -> None:
        clock[0] += seconds

    states = iter(["NeverConnected", "NeverConnected", "Connected"])
    assert wait_connected(lambda: next(states), pause, lambda: clock[0], 10)
    assert clock[0] == 2
    assert not wait_connected(lambda: "Unreachable", pause, lambda: clock[0], 5)
    assert clock[0] == 7
