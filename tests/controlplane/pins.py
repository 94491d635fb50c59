"""What is pinned, and how it is built: one Go module per family under ``tools/``, so that dependencies never meet.

The versions are read from each ``go.mod``: a pin is written once.
To move one, in its directory: ``go get -tool PACKAGE@VERSION`` and ``go mod tidy``;
for Kubernetes set the version in the ``replace`` lines first, and take over those its own go.mod has gained.
"""

from __future__ import annotations

import functools
import hashlib
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MODULES = Path(__file__).parent / "tools"


def _kubernetes_ldflags(version: str) -> list[str]:
    # Without these the server calls itself v0.0.0, and clients that ask for its version misjudge it.
    major, minor, _patch = version.removeprefix("v").split(".", 2)
    base = "k8s.io/component-base/version"
    return [f"-X {base}.gitVersion={version}", f"-X {base}.gitMajor={major}", f"-X {base}.gitMinor={minor}"]


def _helm_ldflags(version: str) -> list[str]:
    return [f"-X helm.sh/helm/v4/internal/version.version={version}"]


def _kustomize_ldflags(version: str) -> list[str]:
    return [f"-X sigs.k8s.io/kustomize/api/provenance.version={version}"]


def _no_ldflags(_version: str) -> list[str]:
    return []


@dataclass(frozen=True, eq=False)
class Family:
    """Binaries that come from one Go module."""

    name: str
    module: str
    packages: dict[str, str]
    """Binary name → Go package."""
    version_command: tuple[str, ...]
    """Arguments that make any of the binaries print its version."""
    version_ldflags: Callable[[str], list[str]] = _no_ldflags

    @property
    def directory(self) -> Path:
        return MODULES / self.name

    @functools.cached_property
    def version(self) -> str:
        text = (self.directory / "go.mod").read_text()
        found = re.search(rf"^\s*{re.escape(self.module)} (v\S+)", text, re.MULTILINE)
        if found is None:
            raise LookupError(f"{self.directory / 'go.mod'} does not require {self.module}; restore its pin")
        return found.group(1)

    @property
    def major_minor(self) -> str:
        """``1.36`` of ``v1.36.3``: what a binary found elsewhere must share with the pin."""
        return ".".join(self.version.removeprefix("v").split(".")[:2])

    @property
    def ldflags(self) -> str:
        return " ".join(["-s", "-w", *self.version_ldflags(self.version)])

    @functools.cached_property
    def digest(self) -> str:
        """Names the cache entry: anything that would change the binaries is part of it."""
        digest = hashlib.sha256()
        for part in ("go.mod", "go.sum"):
            digest.update((self.directory / part).read_bytes())
        digest.update(self.ldflags.encode())
        digest.update(f"{platform.system()}/{platform.machine()}".encode())
        return digest.hexdigest()[:16]


FAMILIES = (
    Family("etcd", "go.etcd.io/etcd/server/v3", {"etcd": "go.etcd.io/etcd/server/v3"}, ("--version",)),
    Family(
        "kubernetes",
        "k8s.io/kubernetes",
        {
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
        },
        ("--version",),
        _kubernetes_ldflags,
    ),
    # Apart from the servers: a tool more in their module would have all of them built anew.
    Family(
        "kubectl",
        "k8s.io/kubernetes",
        {"kubectl": "k8s.io/kubernetes/cmd/kubectl"},
        ("version", "--client"),
        _kubernetes_ldflags,
    ),
    Family("kwok", "sigs.k8s.io/kwok", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"}, ("--version",)),
    Family(
        "kustomize",
        "sigs.k8s.io/kustomize/kustomize/v5",
        {"kustomize": "sigs.k8s.io/kustomize/kustomize/v5"},
        ("version",),
        _kustomize_ldflags,
    ),
    Family(
        "registry",
        "github.com/google/go-containerregistry",
        {"registry": "github.com/google/go-containerregistry/cmd/registry"},
        (),
    ),
    Family("helm", "helm.sh/helm/v4", {"helm": "helm.sh/helm/v4/cmd/helm"}, ("version", "--short"), _helm_ldflags),
)

FAMILY_OF: dict[str, Family] = {binary: family for family in FAMILIES for binary in family.packages}
"""Binary name → its family."""
