"""helm: what rendering charts costs.

One repository with 20 charts as teams write them: a deployment, a service, an ingress and what goes with them, each
with named templates and a file of values for every application. 1,000 applications use them, 50 each, every one with
a release name, a value file and parameters of its own, so that there are 1,000 distinct inputs. Each goes the whole
way, as when the hub first sees it: resolved, scanned, looked up by its key, rendered in a worker, signed, and stored
in SQLite.

`seconds` is measured from the first of them begun to the last one stored, eight under way at a time. `repeat_renders`
is how many renders it costs to ask for all of them again. `ratio` is the time of one application that goes this way
alone, its chart known to Git but rendered never before, over the time of the process `helm template` with the same
chart and values; medians of 40 each, in turns.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.domain.application import HelmOptions, NameValue, Source
from hub.domain.cluster import Capabilities
from hub.domain.repository import OPEN
from hub.reconcile.materialize import Materializer
from hub.render import Renderer, RendererSettings
from hub.source import GitSource, SourcePolicy
from hub.source.charts import Charts
from hub.source.sources import Sources
from hub.source.tree import GitTree
from hub.store.factory import open_store
from tests.benchmarks.fleet import say
from tests.controlplane.build import binary
from tests.fleet.kit import Repository

APPLICATIONS = 1000
CHARTS = 20
ALONE = 40
IN_FLIGHT = 8
CLUSTER = Capabilities("v1.32.1", ("apps/v1", "networking.k8s.io/v1"), "d1")

_HELPERS = """
{{- define "NAME.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}
{{- define "NAME.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "NAME.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "NAME.selector" . }}
{{- if .Chart.AppVersion }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
"""
_HEAD = """metadata:
  name: {{ include "NAME.fullname" . }}
  labels:
    {{- include "NAME.labels" . | nindent 4 }}
"""
_DEPLOYMENT = f"""apiVersion: apps/v1
kind: Deployment
{_HEAD}spec:
  {{{{- if not .Values.autoscaling.enabled }}}}
  replicas: {{{{ .Values.replicas }}}}
  {{{{- end }}}}
  selector:
    matchLabels:
      {{{{- include "NAME.selector" . | nindent 6 }}}}
  template:
    metadata:
      annotations:
        checksum/config: {{{{ include (print $.Template.BasePath "/configmap.yaml") . | sha256sum }}}}
      labels:
        {{{{- include "NAME.labels" . | nindent 8 }}}}
    spec:
      serviceAccountName: {{{{ include "NAME.fullname" . }}}}
      securityContext:
        {{{{- toYaml .Values.podSecurityContext | nindent 8 }}}}
      containers:
        - name: {{{{ .Chart.Name }}}}
          image: "{{{{ .Values.image.repository }}}}:{{{{ .Values.image.tag | default .Chart.AppVersion }}}}"
          imagePullPolicy: {{{{ .Values.image.pullPolicy }}}}
          ports:
            - {{name: http, containerPort: {{{{ .Values.service.port }}}}, protocol: TCP}}
          envFrom: [{{configMapRef: {{name: {{{{ include "NAME.fullname" . }}}}}}}}]
          livenessProbe: {{httpGet: {{path: /healthz, port: http}}}}
          readinessProbe: {{httpGet: {{path: /ready, port: http}}}}
          resources:
            {{{{- toYaml .Values.resources | nindent 12 }}}}
      {{{{- with .Values.nodeSelector }}}}
      nodeSelector:
        {{{{- toYaml . | nindent 8 }}}}
      {{{{- end }}}}
"""
_SERVICE = f"""apiVersion: v1
kind: Service
{_HEAD}spec:
  type: {{{{ .Values.service.type }}}}
  ports: [{{port: {{{{ .Values.service.port }}}}, targetPort: http, name: http}}]
  selector:
    {{{{- include "NAME.selector" . | nindent 4 }}}}
"""
_INGRESS = f"""{{{{- if .Values.ingress.enabled -}}}}
apiVersion: networking.k8s.io/v1
kind: Ingress
{_HEAD}spec:
  rules:
    {{{{- range .Values.ingress.hosts }}}}
    - host: {{{{ .host | quote }}}}
      http:
        paths:
          {{{{- range .paths }}}}
          - path: {{{{ .path }}}}
            pathType: {{{{ .pathType }}}}
            backend: {{service: {{name: {{{{ include "NAME.fullname" $ }}}}, port: {{name: http}}}}}}
          {{{{- end }}}}
    {{{{- end }}}}
{{{{- end }}}}
"""
_CONFIG = f"""apiVersion: v1
kind: ConfigMap
{_HEAD}data:
  {{{{- range $key, $value := .Values.config }}}}
  {{{{ $key }}}}: {{{{ tpl ($value | toString) $ | quote }}}}
  {{{{- end }}}}
"""
_SCALING = f"""{{{{- if .Values.autoscaling.enabled }}}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
{_HEAD}spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {{{{ include "NAME.fullname" . }}}}}}
  minReplicas: {{{{ .Values.autoscaling.min }}}}
  maxReplicas: {{{{ .Values.autoscaling.max }}}}
{{{{- end }}}}
"""
_VALUES = """replicas: 2
image: {repository: registry.example.com/team/app, tag: "", pullPolicy: IfNotPresent}
service: {type: ClusterIP, port: 8080}
podSecurityContext: {runAsNonRoot: true, fsGroup: 2000}
resources: {limits: {cpu: 500m, memory: 256Mi}, requests: {cpu: 100m, memory: 128Mi}}
ingress:
  enabled: true
  hosts: [{host: app.example.com, paths: [{path: /, pathType: Prefix}, {path: /api, pathType: Prefix}]}]
autoscaling: {enabled: true, min: 2, max: 10}
nodeSelector: {kubernetes.io/os: linux}
config: {LOG_LEVEL: info, NAME: "{{ .Release.Name }}", REGION: eu, FEATURES: "a,b,c", TIMEOUT: 30}
"""


def write_charts(repository: Repository, charts: int, applications: int) -> None:
    for number in range(charts):
        name = f"chart-{number:02}"
        root = repository.path / "charts" / name
        (root / "templates").mkdir(parents=True)
        (root / "Chart.yaml").write_text(f"apiVersion: v2\nname: {name}\nversion: 1.{number}.0\nappVersion: '2.1'\n")
        (root / "values.yaml").write_text(_VALUES)
        account = f"apiVersion: v1\nkind: ServiceAccount\n{_HEAD}"
        templates = {"_helpers.tpl": _HELPERS, "deployment.yaml": _DEPLOYMENT, "service.yaml": _SERVICE}
        templates |= {"ingress.yaml": _INGRESS, "configmap.yaml": _CONFIG, "hpa.yaml": _SCALING, "sa.yaml": account}
        templates |= {"NOTES.txt": 'Thank you for {{ include "NAME.fullname" . }}'}
        for file, text in templates.items():
            (root / "templates" / file).write_text(text.replace("NAME.", f"{name}."))
    (repository.path / "values").mkdir()
    for number in range(applications):
        (repository.path / "values" / f"app-{number:04}.yaml").write_text(
            f"image: {{tag: '3.{number}'}}\nconfig: {{REGION: region-{number % 7}, NUMBER: '{number}'}}\n"
        )
    repository.commit("charts and values")


@dataclass(frozen=True)
class Wanted:
    name: str
    source: Source


def wanted(repository: Repository, number: int, charts: int) -> Wanted:
    options = HelmOptions(
        value_files=(f"/values/app-{number:04}.yaml",),
        parameters=(NameValue("service.port", str(8000 + number % 100)), NameValue("image.pullPolicy", "Always")),
    )
    path = f"charts/chart-{number % charts:02}"
    return Wanted(f"app-{number:04}", Source(repository.url, path=path, helm=options))


@asynccontextmanager
async def _kitchen(root: Path) -> AsyncIterator[tuple[Materializer, Renderer]]:
    """The hub's own parts, set up as the hub sets them up."""
    store, bus = await open_store(data_dir=root)
    policy = SourcePolicy(file_prefixes=(root.parent,))
    sources = Sources(GitSource(root, policy=policy), Charts(root, lambda url, project: OPEN, policy))
    settings = RendererSettings(preload=(GitTree,), hidden=(root,), readable=(root / "repositories",))
    renderer = Renderer(root / "render", settings)
    key = Ed25519PrivateKey.generate()
    try:
        await renderer.start()
        yield Materializer(store, sources, renderer, lambda digest: (key.sign(digest), "k1")), renderer
    finally:
        await renderer.close()
        await sources.close()
        await bus.close()
        await store.close()


async def run(
    root: Path, applications: int = APPLICATIONS, charts: int = CHARTS, alone: int = ALONE
) -> dict[str, float]:
    repository = Repository(root / "repository")
    write_charts(repository, charts, applications + alone)
    data = root / "data"
    data.mkdir()
    apps = [wanted(repository, number, charts) for number in range(applications + alone)]
    async with _kitchen(data) as (materializer, renderer):
        await materializer.ask([apps[0].source], "default")
        ratio = await _ratio(materializer, repository, apps[applications:])
        say(f"a render takes {ratio:.2f} of helm template")
        before = renderer.renders_total
        seconds = await _all(materializer, apps[:applications])
        renders = renderer.renders_total - before
        say(f"{seconds:.2f} s for {renders} renders")
        again = await _all(materializer, apps[:applications])
        repeat = renderer.renders_total - before - renders
    return {
        "ratio": round(ratio, 3),
        "seconds": round(seconds, 2),
        "repeat_renders": repeat,
        "repeat_seconds": round(again, 2),
        "renders": renders,
    }


async def _all(materializer: Materializer, apps: Sequence[Wanted]) -> float:
    """Return the seconds it takes to have what all of them are to be."""
    gate = asyncio.Semaphore(IN_FLIGHT)

    async def one(app: Wanted) -> None:
        async with gate:
            made = await materializer.materialize([app.source], app.name, "default", "shop", CLUSTER)
            if len(made.entries) != 6:
                raise RuntimeError(f"{app.name} has {len(made.entries)} objects in place of 6")

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for app in apps:
            tasks.create_task(one(app))
    return time.perf_counter() - began


async def _ratio(materializer: Materializer, repository: Repository, apps: Sequence[Wanted]) -> float:
    helm = str(binary("helm"))
    ours, theirs = [], []
    for app in apps:
        began = time.perf_counter()
        await asyncio.to_thread(_helm_template, helm, repository, app)
        theirs.append(time.perf_counter() - began)
        ours.append(await _all(materializer, [app]))
    # The first one pays for what all share: Helm's library, loaded into a worker.
    return statistics.median(ours) / statistics.median(theirs)


def _helm_template(helm: str, repository: Repository, app: Wanted) -> None:
    options = app.source.helm or HelmOptions()
    command = [helm, "template", app.name, str(repository.path / app.source.path), "--namespace=shop"]
    command += [f"--kube-version={CLUSTER.kubernetes_version}", *(f"--api-versions={v}" for v in CLUSTER.api_versions)]
    command += [f"--values={repository.path}{path}" for path in options.value_files]
    command += [f"--set={p.name}={p.value}" for p in options.parameters]
    subprocess.run(command, check=True, capture_output=True)
