"""What admission refuses on a real API server: quotas, ending namespaces, policies, webhooks."""

from __future__ import annotations

import base64
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp import web

from agent.kube.client import ApplyOptions
from agent.kube.cluster import ClusterClient
from agent.kube.errors import NamespaceTerminating, Rejected, Throttled, WebhookUnreachable
from tests.controlplane.access import ClusterAccess
from tests.kube.realcluster import CONFIG_MAP, NAMESPACE, QUOTA, SECRET, client_as, config_map, eventually, refused
from tests.kube.serving import authority, serving

pytestmark = pytest.mark.controlplane

ADMISSION = "admissionregistration.k8s.io"


@pytest.fixture
async def client(control_plane: ClusterAccess) -> AsyncIterator[ClusterClient]:
    async with client_as(control_plane) as made:
        yield made


async def test_a_quota_that_is_used_up_is_a_rejection_once_it_is_counted(
    client: ClusterClient, control_plane: ClusterAccess, namespace: str
) -> None:
    hard = {"count/secrets": "0"}
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q", "namespace": namespace},
        "spec": {"hard": hard},
    }
    await client.apply(QUOTA, quota)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": namespace}}
    dry = ApplyOptions(dry_run=True)

    def write_status(**found: dict[str, str]) -> None:  # the plane has no quota controller that would
        path = f"/api/v1/namespaces/{namespace}/resourcequotas/q/status"
        control_plane.apply(path, quota | {"status": found}, force=True)

    write_status(hard=hard)
    error = await refused(lambda: client.apply(SECRET, secret, dry), Throttled)
    assert "status unknown for quota" in str(error)
    write_status(hard=hard, used={"count/secrets": "0"})
    with pytest.raises(Rejected, match="exceeded quota"):
        await eventually(lambda: client.apply(SECRET, secret, dry), passing=Throttled)


async def test_a_namespace_on_its_way_out_takes_nothing_new(client: ClusterClient) -> None:
    name = f"test-{secrets.token_hex(4)}"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await client.apply(NAMESPACE, namespace)
    held = config_map(name)
    held["metadata"]["finalizers"] = ["example.org/held"]
    await client.apply(CONFIG_MAP, held)
    assert await client.delete(NAMESPACE, "", name)
    try:
        with pytest.raises(NamespaceTerminating):
            await client.apply(CONFIG_MAP, config_map(name, "late"))
    finally:
        held["metadata"]["finalizers"] = []
        await client.apply(CONFIG_MAP, held)


@pytest.fixture
def policy(control_plane: ClusterAccess, namespace: str) -> Iterator[str]:
    """A ValidatingAdmissionPolicy that denies in one namespace. Its name."""
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}
    paths = {
        "validatingadmissionpolicies": {
            "matchConstraints": {"resourceRules": [rule], "namespaceSelector": selector},
            "validations": [{"expression": "!has(object.data) || !('no' in object.data)", "message": "not that"}],
        },
        "validatingadmissionpolicybindings": {"policyName": namespace, "validationActions": ["Deny"]},
    }
    kinds = {
        "validatingadmissionpolicies": "ValidatingAdmissionPolicy",
        "validatingadmissionpolicybindings": "ValidatingAdmissionPolicyBinding",
    }
    try:
        for plural, spec in paths.items():
            manifest = {
                "apiVersion": f"{ADMISSION}/v1",
                "kind": kinds[plural],
                "metadata": {"name": namespace},
                "spec": spec,
            }
            control_plane.apply(f"/apis/{ADMISSION}/v1/{plural}/{namespace}", manifest)
        yield namespace
    finally:
        for plural in paths:
            control_plane.request("DELETE", f"/apis/{ADMISSION}/v1/{plural}/{namespace}")


async def test_a_policy_s_no_is_a_rejection(client: ClusterClient, policy: str) -> None:
    wrong = config_map(policy, no="1")
    error = await refused(lambda: client.apply(CONFIG_MAP, wrong, ApplyOptions(dry_run=True)), Rejected)
    assert "not that" in str(error)


@contextlib.contextmanager
def webhook(control_plane: ClusterAccess, namespace: str, url: str) -> Iterator[None]:
    path = f"/apis/{ADMISSION}/v1/validatingwebhookconfigurations/{namespace}"
    manifest = {
        "apiVersion": f"{ADMISSION}/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": namespace},
        "webhooks": [
            {
                "name": "says.no.example.org",
                "clientConfig": {"url": url, "caBundle": base64.b64encode(authority().cert_pem.bytes()).decode()},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "timeoutSeconds": 5,
            }
        ],
    }
    control_plane.apply(path, manifest)
    try:
        yield
    finally:
        control_plane.request("DELETE", path)


@pytest.mark.parametrize("code", [403, 400, 500])
async def test_a_webhook_s_no_is_a_rejection_whatever_code_it_chose(
    client: ClusterClient, control_plane: ClusterAccess, namespace: str, code: int
) -> None:
    async def answer(request: web.Request) -> web.Response:
        review = await request.json()
        response = {
            "uid": review["request"]["uid"],
            "allowed": False,
            "status": {"code": code, "message": "because"},
        }
        return web.json_response({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})

    async with serving(answer) as server:
        with webhook(control_plane, namespace, f"https://127.0.0.1:{server.port}/"):
            manifest = config_map(namespace)
            error = await refused(lambda: client.apply(CONFIG_MAP, manifest, ApplyOptions(dry_run=True)), Rejected)
    assert "because" in str(error)


async def test_a_webhook_that_is_down_is_worth_another_try(
    client: ClusterClient, control_plane: ClusterAccess, namespace: str
) -> None:
    with webhook(control_plane, namespace, "https://127.0.0.1:1/"):
        manifest = config_map(namespace)
        error = await refused(
            lambda: client.apply(CONFIG_MAP, manifest, ApplyOptions(dry_run=True)), WebhookUnreachable
        )
    assert "failed calling webhook" in str(error)
