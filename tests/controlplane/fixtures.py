"""Control planes as pytest fixtures. Loaded by ``tests/conftest.py``.

``control_plane``
    An API server whose namespaces and owned objects really go away when deleted. Nothing runs on it.
``workload_plane``
    The same with workloads: Deployments roll out, Jobs complete, pods log (see ``tests.controlplane.stages``).
``namespace``
    The name of a fresh namespace on the one of them that the test uses.
``helm_binary``, ``kubectl_binary``, ``kustomize_binary``
    Their paths.

All tests of a run share the planes, xdist's workers included, so what a test makes outside its namespace it removes.
A test that wants to stop or break a server starts one of its own with ``ControlPlane.start``.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controlplane.access import ApiError, ClusterAccess
from tests.controlplane.build import BuildError, binary
from tests.controlplane.shared import shared_plane

_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
_NEEDED_BY = {
    "control_plane": _PLANE,
    "workload_plane": _PLANE,
    "namespace": _PLANE,
    "helm_binary": ("helm",),
    "kubectl_binary": ("kubectl",),
    "kustomize_binary": ("kustomize",),
}


_build_error = pytest.StashKey[str]()


def pytest_collection_finish(session: pytest.Session) -> None:
    # A first build takes minutes, which the time limit of a test would cut short; here is none.
    if session.config.option.collectonly:
        return
    try:
        for name in sorted({name for item in session.items for name in _needs(item)}):
            binary(name)
    except BuildError as error:
        session.config.stash[_build_error] = str(error)


def pytest_runtest_setup(item: pytest.Item) -> None:
    # Not at once, in the hook above: a worker of xdist that gives up while collecting takes the message with it.
    error = item.config.stash.get(_build_error, None)
    if error and any(True for _ in _needs(item)):
        pytest.fail(error, pytrace=False)


def _needs(item: pytest.Item) -> Iterator[str]:
    if item.get_closest_marker("controlplane"):
        yield from _PLANE
    for fixture in getattr(item, "fixturenames", ()):
        yield from _NEEDED_BY.get(fixture, ())


@pytest.fixture(scope="session")
def helm_binary() -> Path:
    return binary("helm")


@pytest.fixture(scope="session")
def kubectl_binary() -> Path:
    return binary("kubectl")


@pytest.fixture(scope="session")
def kustomize_binary() -> Path:
    return binary("kustomize")


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterAccess]:
    with shared_plane(_shared_directory(tmp_path_factory, "control-plane"), workloads=False) as plane:
        yield plane


@pytest.fixture(scope="session")
def workload_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterAccess]:
    with shared_plane(_shared_directory(tmp_path_factory, "workload-plane"), workloads=True) as plane:
        yield plane


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> Iterator[str]:
    which = "workload_plane" if "workload_plane" in request.fixturenames else "control_plane"
    plane: ClusterAccess = request.getfixturevalue(which)
    name = f"test-{secrets.token_hex(4)}"
    plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    # Not waited for: the namespace controller lets five seconds pass before it starts.
    with contextlib.suppress(ApiError):
        plane.request("DELETE", f"/api/v1/namespaces/{name}")


def _shared_directory(factory: pytest.TempPathFactory, name: str) -> Path:
    # xdist's workers have each a directory of their own, side by side in that of the run.
    base = factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
