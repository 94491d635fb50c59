"""The demonstration's Git repository: plain manifests, a Helm chart and a Kustomize overlay."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

NAMESPACE = "escadre-demo"
"""The demonstration's own on every cluster: on a real one it goes with all that is in it."""

# The images exist, and run anywhere: on a real cluster the pods have to become ready.
PLAIN = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: shop-settings
data:
  greeting: {greeting}
  theme: light
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop
spec:
  replicas: 2
  selector:
    matchLabels: {{app: shop}}
  template:
    metadata:
      labels: {{app: shop}}
    spec:
      containers:
        - name: shop
          image: registry.k8s.io/pause:{version}
          ports: [{{containerPort: 8080}}]
---
apiVersion: v1
kind: Service
metadata:
  name: shop
spec:
  selector: {{app: shop}}
  ports: [{{port: 80, targetPort: 8080}}]
"""

EXTRA = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: shop-banner
data:
  text: Opening week
"""

CHART = {
    "Chart.yaml": 'apiVersion: v2\nname: cache\nversion: 1.0.0\nappVersion: "3.10"\n',
    "values.yaml": "replicas: 1\nsize: small\n",
    "templates/cache.yaml": """\
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ .Release.Name }}
spec:
  serviceName: {{ .Release.Name }}
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels: {app: {{ .Release.Name }}}
  template:
    metadata:
      labels: {app: {{ .Release.Name }}, size: {{ .Values.size }}}
    spec:
      containers:
        - name: cache
          image: registry.k8s.io/pause:{{ .Chart.AppVersion }}
""",
}

KUSTOMIZE = {
    "base/kustomization.yaml": "resources: [worker.yaml]\n",
    "base/worker.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: worker
spec:
  selector:
    matchLabels: {app: worker}
  template:
    metadata:
      labels: {app: worker}
    spec:
      containers:
        - name: worker
          image: registry.k8s.io/pause:3.10
""",
    "overlays/eu/kustomization.yaml": """\
resources: [../../base]
namePrefix: eu-
replicas: [{name: worker, count: 2}]
""",
}

APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: {name}
  namespace: argocd
  finalizers: [resources-finalizer.argocd.argoproj.io]
spec:
  project: default
  source:
    repoURL: {url}
    targetRevision: main
    path: {path}{more}
  destinations:
    - namespace: {namespace}
      selector:
        matchLabels: {{{labels}}}
  syncPolicy:{automated}
    syncOptions: [CreateNamespace=true]
"""

AUTOMATED = "\n    automated: {prune: true, selfHeal: true}"


class Repository:
    def __init__(self, root: Path) -> None:
        self.path = root / "repository"
        self.applications = root / "applications"
        self.path.mkdir()
        self.applications.mkdir()
        self._git("init", "--quiet", "--initial-branch=main")
        # For whoever commits here by hand, and has never told Git who they are.
        self._git("config", "user.name", "Ada Demo")
        self._git("config", "user.email", "ada@example.com")

    @property
    def url(self) -> str:
        return f"file://{self.path}"

    def fill(self, *, kustomize: bool) -> None:
        """Write and commit everything, and the Applications beside the repository."""
        self.write_shop("hello", "3.9")
        self._write("shop/banner.yaml", EXTRA)
        for name, text in CHART.items():
            self._write(f"cache/{name}", text)
        if kustomize:
            for name, text in KUSTOMIZE.items():
                self._write(f"worker/{name}", text)
        self.commit("Everything, for a start")
        everywhere, eu = 'demo: "true"', "region: eu"
        self._application("shop", "shop", everywhere, AUTOMATED)
        helm = "\n    helm:\n      valuesObject: {replicas: 2}"
        self._application("cache", "cache", everywhere, "", helm)
        if kustomize:
            self._application("worker", "worker/overlays/eu", eu, AUTOMATED)

    def write_shop(self, greeting: str, version: str) -> None:
        self._write("shop/shop.yaml", PLAIN.format(greeting=greeting, version=version))

    def write_cache_size(self, size: str) -> None:
        self._write("cache/values.yaml", f"replicas: 1\nsize: {size}\n")

    def remove_banner(self) -> None:
        (self.path / "shop/banner.yaml").unlink()

    def commit(self, message: str) -> str:
        """Commit all changes; returns the commit's id."""
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", message)
        return self._git("rev-parse", "HEAD")

    def _application(self, name: str, path: str, labels: str, automated: str, more: str = "") -> None:
        values = {"name": name, "url": self.url, "path": path, "labels": labels, "automated": automated, "more": more}
        text = APPLICATION.format(namespace=NAMESPACE, **values)
        (self.applications / f"{name}.yaml").write_text(text, "utf-8")

    def _write(self, path: str, text: str) -> None:
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")

    def _git(self, *arguments: str) -> str:
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(self.path), "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(
            ["git", "-c", "commit.gpgsign=false", *arguments],
            cwd=self.path,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()
