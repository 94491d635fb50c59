"""Objects that tests of the syncer assign, beside those of the harness. Cluster-wide ones are named after the test."""

from __future__ import annotations

from typing import Any

from agent.engine.resource import Object


def namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def group_of(test: str) -> str:
    """Return the API group of a test's own kind, by its namespace."""
    return f"{test}.example.com"


def crd(test: str, scope: str = "Namespaced") -> Object:
    """Return the definition of a test's own kind Widget, which takes any field."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group_of(test)}"},
        "spec": {
            "group": group_of(test),
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
            "scope": scope,
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def in_next_version(definition: Object) -> Object:
    """Return a definition with a version v2, and with v1 served no more."""
    (first,) = definition["spec"]["versions"]
    versions = [{**first, "served": False, "storage": False}, {**first, "name": "v2"}]
    return {**definition, "spec": {**definition["spec"], "versions": versions}}


def widget(test: str, name: str, version: str = "v1", **spec: Any) -> Object:
    return {
        "apiVersion": f"{group_of(test)}/{version}",
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": spec or {"size": 1},
    }


def workflow_crd() -> Object:
    """Return a definition of Argo's Workflow, as far as tests need one: its name cannot be a test's own."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "workflows.argoproj.io"},
        "spec": {
            "group": "argoproj.io",
            "names": {"kind": "Workflow", "plural": "workflows", "singular": "workflow", "listKind": "WorkflowList"},
            "scope": "Namespaced",
            "versions": [{"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def workflow(prefix: str) -> Object:
    """Return one whose name is generated, as people write hooks."""
    steps = [{"name": "main", "container": {"image": "migrate:1"}}]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": prefix},
        "spec": {"entrypoint": "main", "templates": steps},
    }


def secret(name: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def cron_job(name: str) -> Object:
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "app:1"}]}
    template = {"metadata": {"labels": {"made": "by-hand"}}, "spec": {"template": {"spec": pod}}}
    spec = {"schedule": "0 0 1 1 *", "jobTemplate": template}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name}, "spec": spec}
