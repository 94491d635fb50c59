"""A service account of a test's own on a control plane, and what RBAC lets it do."""

from __future__ import annotations

import time

from tests.controlplane.access import ClusterAccess, Object

RBAC = "/apis/rbac.authorization.k8s.io/v1"
EVERYTHING: Object = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
LIMIT = 15.0
"""Seconds an API server may take to hear of other rights."""


class Account:
    """The service account `agent` of a namespace."""

    def __init__(self, plane: ClusterAccess, namespace: str) -> None:
        self.plane, self.namespace = plane, namespace
        self.name = f"agent-{namespace}"

    def make(self) -> str:
        """Let it do everything, as the installed agent may. Returns a token."""
        self.may(EVERYTHING)
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "agent"}}
        self.plane.apply(f"/api/v1/namespaces/{self.namespace}/serviceaccounts/agent", account)
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": self.name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": self.name},
            "subjects": [{"kind": "ServiceAccount", "name": "agent", "namespace": self.namespace}],
        }
        self.plane.apply(f"{RBAC}/clusterrolebindings/{self.name}", binding)
        return self.plane.service_account_token(self.namespace, "agent")

    def may(self, *rules: Object) -> None:
        version = "rbac.authorization.k8s.io/v1"
        role = {"apiVersion": version, "kind": "ClusterRole", "metadata": {"name": self.name}, "rules": list(rules)}
        self.plane.apply(f"{RBAC}/clusterroles/{self.name}", role, force=True)

    def may_in(self, namespace: str, *rules: Object) -> None:
        """Let it do this in one namespace, with which that ends."""
        group = "rbac.authorization.k8s.io"
        place = f"{RBAC}/namespaces/{namespace}"
        subject = {"kind": "ServiceAccount", "name": "agent", "namespace": self.namespace}
        role: Object = {"rules": list(rules)}
        binding: Object = {
            "roleRef": {"apiGroup": group, "kind": "Role", "name": self.name},
            "subjects": [subject],
        }
        for kind, plural, content in (("Role", "roles", role), ("RoleBinding", "rolebindings", binding)):
            obj = {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": self.name}, **content}
            self.plane.apply(f"{place}/{plural}/{self.name}", obj, force=True)

    def until_allowed(self, verb: str, resource: str, *, allowed: bool = True, namespace: str = "") -> None:
        """Wait until the API server has heard of what it may, or may no longer, do to a core resource in a namespace,
        its own where none is named."""
        asked = {"namespace": namespace or self.namespace, "verb": verb, "resource": resource}
        user = f"system:serviceaccount:{self.namespace}:agent"
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": user, "resourceAttributes": asked},
        }
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            answer = self.plane.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
            if answer["status"]["allowed"] is allowed:
                return
            time.sleep(0.05)
        raise AssertionError(f"{verb} {resource} is {'not ' if allowed else ''}allowed after {LIMIT:g} s")

    def remove(self) -> None:
        for kind in ("clusterrolebindings", "clusterroles"):
            self.plane.request("DELETE", f"{RBAC}/{kind}/{self.name}")
