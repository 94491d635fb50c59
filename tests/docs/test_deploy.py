"""The manifests and images: what they name is there, and a real API server takes the manifests."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hub.config import Settings
from hub.formats.yaml import load_documents
from tests.controlplane.access import ClusterAccess
from tests.docs.pages import ROOT

HUB = ROOT / "deploy" / "hub"
AGENT = ROOT / "deploy" / "agent"
DOCKERFILES = sorted((ROOT / "deploy").glob("Dockerfile.*"))

_PLURALS = {
    "ClusterRole": ("apis/rbac.authorization.k8s.io/v1", "clusterroles"),
    "ClusterRoleBinding": ("apis/rbac.authorization.k8s.io/v1", "clusterrolebindings"),
    "ConfigMap": ("api/v1", "configmaps"),
    "Deployment": ("apis/apps/v1", "deployments"),
    "Namespace": ("api/v1", "namespaces"),
    "PersistentVolumeClaim": ("api/v1", "persistentvolumeclaims"),
    "Secret": ("api/v1", "secrets"),
    "Service": ("api/v1", "services"),
    "ServiceAccount": ("api/v1", "serviceaccounts"),
}

Object = dict[str, Any]


def objects(folder: Path) -> list[Object]:
    """Return the objects in the order of the kustomization."""
    (kustomization,) = load_documents((folder / "kustomization.yaml").read_text(), name="kustomization.yaml")
    names = kustomization.value["resources"]
    assert sorted(names) == sorted(p.name for p in folder.glob("*.yaml") if p.name != "kustomization.yaml")
    return [d.value for name in names for d in load_documents((folder / name).read_text(), name=name)]


def one(kind: str) -> Object:
    (found,) = (obj for obj in objects(HUB) if obj["kind"] == kind)
    return found


def container() -> Object:
    (found,) = one("Deployment")["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_the_hub_is_given_settings_that_there_are() -> None:
    names = {entry["name"] for entry in container()["env"]}
    assert names <= {f"ESCADRE_{name.upper()}" for name in Settings.model_fields}
    assert "ESCADRE_DATA_DIR" in names


def test_the_hub_has_no_rights_in_its_cluster() -> None:
    kinds = {obj["kind"] for obj in objects(HUB)}
    assert not {kind for kind in kinds if "Role" in kind}
    pod = one("Deployment")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert one("ServiceAccount")["automountServiceAccountToken"] is False


def test_ports_are_the_hubs_own() -> None:
    wanted = {Settings.model_fields["port"].default, Settings.model_fields["agent_port"].default}
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}
    assert set(ports.values()) == wanted
    assert {port["targetPort"]: port["port"] for port in one("Service")["spec"]["ports"]} == ports


def test_what_is_mounted_is_there() -> None:
    pod = one("Deployment")["spec"]["template"]["spec"]
    assert {v["name"] for v in pod["volumes"]} == {m["name"] for m in container()["volumeMounts"]}
    claim = next(v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if "persistentVolumeClaim" in v)
    assert claim == one("PersistentVolumeClaim")["metadata"]["name"]


def test_selectors_select_the_pods() -> None:
    labels = one("Deployment")["spec"]["template"]["metadata"]["labels"]
    for selector in (one("Deployment")["spec"]["selector"]["matchLabels"], one("Service")["spec"]["selector"]):
        assert selector.items() <= labels.items()


def test_the_versions_of_images_are_the_products() -> None:
    version = importlib.metadata.version("escadre")
    named = {
        (path.name, tag)
        for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "deploy").rglob("*")]
        if path.is_file()
        for tag in re.findall(r"escadre/(?:hub|agent):(\d[\w.]*)", path.read_text())
    }
    assert named and {tag for _, tag in named} == {version}, named


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: str(path.name))
def test_images_copy_what_is_there(path: Path) -> None:
    sources = re.findall(r"^COPY (?!--from)(\S+) ", path.read_text(), re.MULTILINE)
    assert sources and [source for source in sources if not (ROOT / source).exists()] == []
    assert "USER 65532:65532" in path.read_text()


def test_the_agents_image_holds_what_the_agent_imports() -> None:
    lines = (ROOT / "deploy" / "agent.in").read_text().splitlines()
    held = {line.strip() for line in lines if line and not line.startswith("#")}
    owners = importlib.metadata.packages_distributions()
    own = {"agent", "escadre"}
    needed = {
        next(iter(sorted({name.lower() for name in owners[module]} & held)), module)
        for module in imported("agent", "proto/escadre") - own - sys.stdlib_module_names
    }
    # Of aiohttp itself: its types of addresses and of headers. What zoneinfo reads where the system has no time zones.
    assert needed - {"yarl", "multidict"} == held - {"tzdata"}


def test_the_hubs_image_finds_the_commands_of_admin(tmp_path: Path) -> None:
    """It holds the code without having installed it."""
    command = [sys.executable, str(ROOT / "deploy" / "metadata.py"), str(ROOT / "pyproject.toml"), str(tmp_path)]
    subprocess.run(command, check=True, timeout=60)
    (found,) = importlib.metadata.distributions(name="escadre", path=[str(tmp_path)])
    group = "escadre.admin"
    installed = importlib.metadata.entry_points(group=group)
    assert {(p.name, p.value) for p in found.entry_points.select(group=group)} == {(p.name, p.value) for p in installed}
    text = (ROOT / "deploy" / "Dockerfile.hub").read_text()
    assert "metadata.py" in text and "COPY agent " in text


def imported(*folders: str) -> set[str]:
    """Return the top names of everything that modules below these folders import."""
    found: set[str] = set()
    for path in (p for folder in folders for p in (ROOT / folder).rglob("*.py")):
        if ROOT / "agent" / "admin" in path.parents:
            # Commands of the program escadre, which the agent's image does not hold.
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found


@pytest.mark.controlplane
@pytest.mark.parametrize("folder", [HUB, AGENT], ids=["hub", "agent"])
def test_an_api_server_takes_the_manifests(folder: Path, control_plane: ClusterAccess, namespace: str) -> None:
    """By dry runs in a namespace of the test, with pods held to what the manifests' own namespace allows."""
    level = next(o for o in objects(folder) if o["kind"] == "Namespace")["metadata"]["labels"]
    labels = {key: value for key, value in level.items() if key.startswith("pod-security")}
    assert labels == {"pod-security.kubernetes.io/enforce": "restricted"}
    answer = control_plane.request("GET", f"/api/v1/namespaces/{namespace}")
    answer["metadata"]["labels"] = {**answer["metadata"].get("labels", {}), **labels}
    control_plane.request("PUT", f"/api/v1/namespaces/{namespace}", answer)
    for obj in objects(folder):
        prefix, plural = _PLURALS[obj["kind"]]
        place = f"namespaces/{namespace}/" if obj["metadata"].pop("namespace", None) else ""
        query = "?dryRun=All&fieldValidation=Strict"
        made = control_plane.request("POST", f"/{prefix}/{place}{plural}{query}", obj)
        assert made["metadata"]["name"] == obj["metadata"]["name"]
        if obj["kind"] == "Deployment":
            template = obj["spec"]["template"]
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": template["spec"]}
            control_plane.request("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", pod)
