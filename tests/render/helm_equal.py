"""Holds the hub's render of a chart to what the real `helm template` prints, with the flags Argo CD would give it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from hub.domain.application import HelmOptions, Source
from hub.render import RenderError
from tests.render.conftest import URL, Kitchen, request
from tests.render.helm_reference import HelmRefused, helm_template, normalized
from tests.render.trees import Content

SHOWN = """apiVersion: v1
kind: ConfigMap
metadata: {name: values}
data:
  json: {{ .Values | toJson | quote }}
  yaml: |
    {{- .Values | toYaml | nindent 4 }}
  printed: {{ print .Values | quote }}
  kinds: {{ include "kinds" .Values | quote }}
"""
KINDS = """{{- define "kinds" -}}
{{- if kindIs "map" . -}}
{ {{- range $key, $value := . }}{{ $key }}: {{ include "kinds" $value }}, {{ end -}} }
{{- else if kindIs "slice" . -}}
[ {{- range . }}{{ include "kinds" . }}, {{ end -}} ]
{{- else -}}
{{ kindOf . }}
{{- end -}}
{{- end -}}
"""
METADATA = "apiVersion: v2\nname: web\nversion: 1.2.3\nappVersion: '9'\n"
VALUES = """
a: chart
number: 80
large: 12345678
float: 1.5
nothing: null
flag: on
list: [1, two, {three: 3}]
map: {x: 1, y: {z: deep}}
"""
CHART: dict[str, Content] = {
    "chart/Chart.yaml": METADATA,
    "chart/values.yaml": VALUES,
    "chart/templates/_kinds.tpl": KINDS,
    "chart/templates/values.yaml": SHOWN,
}


SUB: dict[str, Content] = {
    "Chart.yaml": "apiVersion: v2\nname: sub\nversion: 0.1.0\n",
    "values.yaml": "color: red\ninner: {a: 1, b: 2}\nexports: {data: {exported: 1}}\nout: {p: 5}\n",
    "crds/thing.yaml": "apiVersion: x/v1\nkind: CRD\nmetadata: {name: things}\n---\n# none\n---\n"
    "apiVersion: x/v1\nkind: CRD\nmetadata: {name: others}\n",
    "templates/_helpers.tpl": '{{ define "shared" }}sub of {{ .Chart.Name }}{{ end }}{{ define "of.sub" }}x{{ end }}',
    "templates/s.yaml": """apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-{{ .Chart.Name }}}
data:
  values: {{ .Values | toJson | quote }}
  printed: {{ print .Values | quote }}
  shared: {{ include "shared" . }}
  root: {{ .Chart.IsRoot | quote }}
  template: {{ .Template.Name }} {{ .Template.BasePath }}
""",
    "templates/NOTES.txt": "{{ .Values.color }}",
}
DEPENDENCIES = """dependencies:
- {name: sub, version: 0.1.0, repository: "", condition: sub.enabled, tags: [front], import-values: [data]}
- {name: sub, alias: again, version: 0.1.0, repository: "", condition: "again.on,again.also", tags: [back],
   import-values: [{child: out, parent: taken}]}
"""
PARENT: dict[str, Content] = (
    CHART
    | {
        "chart/Chart.yaml": METADATA + DEPENDENCIES,
        "chart/values.yaml": VALUES + "global: {tag: v1, deep: {er: 1}}\nsub: {color: blue}\n",
        "chart/templates/_shared.tpl": '{{ define "shared" }}parent of {{ .Chart.Name }}{{ end }}',
        "chart/templates/uses.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: uses}\n"
        'data: {a: {{ include "of.sub" . }}, b: {{ .Subcharts | keys | sortAlpha | join "," | quote }}}\n',
    }
    | {f"chart/charts/sub/{name}": content for name, content in SUB.items()}
)


def template(body: str, **more: Content) -> dict[str, Content]:
    """A chart with one template; `more` are further files, "__" for "/" and "_" for "." in their names."""
    return {"chart/Chart.yaml": METADATA, "chart/templates/t.yaml": body} | _named(more)


def _named(files: dict[str, Content]) -> dict[str, Content]:
    return {"chart/" + name.replace("__", "/"): content for name, content in files.items()}


def data(**entries: str) -> dict[str, Content]:
    """A chart whose config map has what these expressions give."""
    lines = "".join(f"  {name}: {{{{ {expression} | toString | quote }}}}\n" for name, expression in entries.items())
    return template(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\ndata:\n{lines}")


async def compare(kitchen: Kitchen, files: dict[str, Content], **options: Any) -> dict[str, Any]:
    """Hold one render to the program's; returns the objects by name."""
    helm = HelmOptions(**options)
    with tempfile.TemporaryDirectory() as root:
        expected, wanted = normalized(helm_template(files, helm, Path(root)))
    rendered = await kitchen.render(request(files, Source(URL, path="chart", helm=helm)))
    found = [(str(entry.key), entry.digest) for entry in rendered.manifest_set.entries]
    assert rendered.blobs == wanted
    assert found == expected
    values = [json.loads(content) for content in wanted.values()]
    return {value["metadata"]["name"]: value for value in values}


async def both_refuse(kitchen: Kitchen, files: dict[str, Content], **options: Any) -> tuple[str, str]:
    """Return what the program said and what the hub says."""
    helm = HelmOptions(**options)
    with tempfile.TemporaryDirectory() as root, pytest.raises(HelmRefused) as refused:
        normalized(helm_template(files, helm, Path(root)))
    with pytest.raises(RenderError) as caught:
        await kitchen.render(request(files, Source(URL, path="chart", helm=helm)))
    assert not caught.value.retryable
    return str(refused.value), caught.value.message
