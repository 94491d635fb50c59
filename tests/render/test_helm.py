"""Renders with Helm's library in the worker, and with a real helm program: the same cases, the same outcome."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from hub.domain.application import HelmOptions, NameValue, Source
from hub.domain.cluster import Capabilities
from hub.render import RenderError, RendererSettings
from tests.controlplane.build import binary
from tests.render.conftest import ONE_LOOP, URL, Kitchen, open_kitchen, request
from tests.render.trees import Content, Link, Submodule

pytestmark = ONE_LOOP


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["library", "program"])
async def kitchen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kitchen]:
    helm = str(binary("helm")) if request.param == "program" else ""
    async with open_kitchen(tmp_path_factory.mktemp("render"), RendererSettings(workers=1, helm=helm)) as kitchen:
        yield kitchen


CHART: dict[str, Content] = {
    "chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.2.3\nappVersion: '9'\n",
    "chart/values.yaml": "a: chart\nb: chart\nc: chart\nd: chart\ne: chart\nlist: [1, 2]\nmap: {x: 1, y: 2}\n",
    "chart/templates/_helpers.tpl": '{{ define "name" }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end }}',
    "chart/templates/NOTES.txt": "Thank you",
    "chart/templates/values.yaml": """
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "name" . }}
  namespace: {{ .Release.Namespace }}
data:
  values: {{ .Values | toJson | quote }}
---
# nothing
""",
    "chart/crds/thing.yaml": "apiVersion: x/v1\nkind: CRD\nmetadata: {name: things}\n",
    "files/one.yaml": "b: file one\nc: file one\nd: file one\ne: file one\n",
    "files/two.yaml": "c: file two\nd: file two\ne: file two\nmap: {y: null, z: 3}\n",
    "files/content.txt": "line 1\nline 2\n",
}


def helm(**options: Any) -> Source:
    return Source(URL, path="chart", helm=HelmOptions(**options) if options else None)


def template(body: str) -> dict[str, Content]:
    """A chart whose only template is a config map with this data."""
    text = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\ndata:\n  out: {body}\n"
    return {"chart/Chart.yaml": CHART["chart/Chart.yaml"], "chart/templates/t.yaml": text}


async def values(kitchen: Kitchen, source: Source, *others: Source) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for value in await kitchen.objects(CHART, source, *others):
        if value["kind"] == "ConfigMap":
            found = json.loads(value["data"]["values"])
    return found


async def out(kitchen: Kitchen, body: str, *sources: Source, **options: Any) -> str:
    (value,) = await kitchen.objects(template(body), *(sources or (helm(),)), **options)
    text: str = value["data"]["out"]
    return text


async def test_a_chart(kitchen: Kitchen) -> None:
    crd, config_map = await kitchen.objects(CHART, helm())
    assert crd == {"apiVersion": "x/v1", "kind": "CRD", "metadata": {"name": "things"}}
    assert config_map["metadata"] == {"name": "shop-web", "namespace": "shop-namespace"}
    assert json.loads(config_map["data"]["values"])["a"] == "chart"


async def test_precedence(kitchen: Kitchen) -> None:
    source = helm(
        value_files=("../files/one.yaml", "/files/two.yaml"),
        values="d: values\ne: values\n",
        parameters=(NameValue("e", "parameter"), NameValue("list[1]", "7")),
    )
    found = await values(kitchen, source)
    assert [found[name] for name in "abcde"] == ["chart", "file one", "file two", "values", "parameter"]
    assert found["map"] == {"x": 1, "z": 3}


async def test_a_values_object_stands_in_for_values(kitchen: Kitchen) -> None:
    found = await values(kitchen, helm(values="a: text\nb: text\n", values_object={"b": "object", "n": {"m": [1]}}))
    assert (found["a"], found["b"], found["n"]) == ("chart", "object", {"m": [1]})


async def test_parameters(kitchen: Kitchen) -> None:
    parameters = (
        NameValue("n", "80"),
        NameValue("t", "80", force_string=True),
        NameValue("flag", "true"),
        NameValue("l", "{a,b}"),
        NameValue("comma", "a,b=c"),
        NameValue(r"dot\.ted", "x"),
        NameValue("a", "null"),
    )
    found = await values(kitchen, helm(parameters=parameters))
    assert (found["n"], found["t"], found["flag"]) == (80, "80", True)
    assert (found["l"], found["comma"], found["dot.ted"]) == (["a", "b"], "a,b=c", "x")
    assert "a" not in found


async def test_file_parameters(kitchen: Kitchen) -> None:
    found = await values(kitchen, helm(file_parameters=(("f.g", "../files/content.txt"),)))
    assert found["f"] == {"g": "line 1\nline 2\n"}


async def test_value_files_of_another_source(kitchen: Kitchen) -> None:
    found = await values(kitchen, helm(value_files=("$values/files/one.yaml",)), Source(URL, ref="values"))
    assert found["b"] == "file one"


async def test_missing_value_files_can_be_ignored(kitchen: Kitchen) -> None:
    found = await values(kitchen, helm(value_files=("none.yaml",), ignore_missing_value_files=True))
    assert found["a"] == "chart"


@pytest.mark.parametrize("pattern", ["env/sub/*.yaml", "env/*/v.yaml", "env/**/v.yaml", "e*/sub/v.yaml"])
async def test_value_files_that_may_be_in_a_submodule_are_not_taken_for_absent(kitchen: Kitchen, pattern: str) -> None:
    files = template("x") | {"env/sub": Submodule(), "env/one.yaml": "a: b\n"}
    source = helm(value_files=(f"$values/{pattern}",), ignore_missing_value_files=True)
    with pytest.raises(RenderError, match=r"'env/sub', where helm\.valueFiles looks, is a Git submodule") as caught:
        await kitchen.scan(request(files, source, Source(URL, ref="values")))
    assert caught.value.code == "not-served"


@pytest.mark.parametrize("pattern", ["env/*.yaml", "env/x*/v.yaml", "other/**/v.yaml", "env/one.yaml/*"])
async def test_a_submodule_beside_the_value_files_is_no_matter(kitchen: Kitchen, pattern: str) -> None:
    files = template("x") | {"env/sub": Submodule(), "env/one.yaml": "a: b\n"}
    source = helm(value_files=(f"$values/{pattern}",), ignore_missing_value_files=True)
    assert await kitchen.scan(request(files, source, Source(URL, ref="values")))


async def test_release_name_and_namespace(kitchen: Kitchen) -> None:
    _, config_map = await kitchen.objects(CHART, helm(release_name="other", namespace="elsewhere"))
    assert config_map["metadata"] == {"name": "other-web", "namespace": "elsewhere"}


async def test_what_a_template_knows_of_the_release(kitchen: Kitchen) -> None:
    body = '"{{ .Release.IsInstall }} {{ .Release.IsUpgrade }} {{ .Release.Revision }} {{ .Release.Service }}"'
    assert await out(kitchen, body) == "true false 1 Helm"
    assert await out(kitchen, '"{{ lookup "v1" "Secret" "a" "b" }}"') == "map[]"


class TestCapabilities:
    body = '"{{ .Capabilities.KubeVersion.Version }} {{ .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" }}"'

    async def test_are_the_clusters(self, kitchen: Kitchen) -> None:
        assert await out(kitchen, self.body) == "v1.32.1 true"
        assert await out(kitchen, self.body, capabilities=Capabilities("v1.30.4", ())) == "v1.30.4 false"

    async def test_or_the_sources(self, kitchen: Kitchen) -> None:
        assert await out(kitchen, self.body, helm(kube_version="1.29.0", api_versions=("x/v1",))) == "v1.29.0 false"

    @pytest.mark.parametrize(
        ("constraint", "version", "works"),
        [
            (">=1.30.0", "v1.32.1", True),
            (">=1.33.0", "v1.32.1", False),
            (">= 1.20.0-0 < 1.33.0-0", "v1.32.1", True),
            (">=1.20, <1.30", "v1.32.1", False),
            ("^1.20.0", "v1.32.1", True),
            (">=1.30.0-0", "v1.32.4-gke.100", True),
            ("~1.31.0 || ~1.32.0", "v1.32.1", True),
        ],
    )
    async def test_a_chart_may_ask_for_a_version(
        self, kitchen: Kitchen, constraint: str, version: str, works: bool
    ) -> None:
        chart = f"apiVersion: v2\nname: web\nversion: 1.2.3\nkubeVersion: '{constraint}'\n"
        files = template("x") | {"chart/Chart.yaml": chart}
        given = request(files, helm(), capabilities=Capabilities(version, ()))
        if works:
            assert (await kitchen.render(given)).manifest_set.entries
            return
        with pytest.raises(RenderError, match=re.escape(constraint)) as caught:
            await kitchen.render(given)
        assert not caught.value.retryable

    async def test_one_that_no_cluster_has_told_excludes_nothing(self, kitchen: Kitchen) -> None:
        chart = "apiVersion: v2\nname: web\nversion: 1.2.3\nkubeVersion: '>=1.20.0-0'\n"
        files = template("x") | {"chart/Chart.yaml": chart}
        assert await kitchen.objects(files, helm(), capabilities=Capabilities())


async def test_custom_resource_definitions_can_be_left_out(kitchen: Kitchen) -> None:
    assert [o["kind"] for o in await kitchen.objects(CHART, helm(skip_crds=True))] == ["ConfigMap"]


HOOK = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: %s\n  annotations: {'helm.sh/hook': '%s'}\n"


async def test_hooks_stay_objects(kitchen: Kitchen) -> None:
    files = template("x") | {
        "chart/templates/a.yaml": HOOK % ("migrate", "pre-install,pre-upgrade"),
        "chart/templates/b.yaml": HOOK % ("check", "test"),
        "chart/templates/c.yaml": HOOK % ("old-check", "test-success"),
    }
    objects = {o["metadata"]["name"]: o for o in await kitchen.objects(files, helm())}
    assert sorted(objects) == ["check", "migrate", "old-check", "x"]
    assert objects["migrate"]["metadata"]["annotations"] == {"helm.sh/hook": "pre-install,pre-upgrade"}
    assert sorted(await kitchen.names(files, helm(skip_tests=True))) == ["migrate", "x"]


SUBCHART: dict[str, str] = {
    "charts/sub/Chart.yaml": "apiVersion: v2\nname: sub\nversion: 0.1.0\n",
    "charts/sub/values.yaml": "color: red\n",
    "charts/sub/crds/c.yaml": "apiVersion: x/v1\nkind: CRD\nmetadata: {name: subthings}\n",
    "charts/sub/templates/s.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: sub}\n"
        "data: {color: {{ .Values.color }}, tag: {{ .Values.global.tag | quote }}}\n"
    ),
}


class TestSubcharts:
    wanted = "dependencies: [{name: sub, version: 0.1.0, repository: '%s', condition: sub.enabled}]\n"

    def files(self, repository: str = "https://charts.example.com") -> dict[str, Content]:
        chart = "apiVersion: v2\nname: web\nversion: 1.2.3\n" + self.wanted % repository
        return template("x") | {"chart/Chart.yaml": chart, "chart/values.yaml": "global: {tag: v1}\n"}

    async def test_vendored_ones_are_rendered(self, kitchen: Kitchen) -> None:
        files = self.files() | {f"chart/{path}": text for path, text in SUBCHART.items()}
        objects = {o["metadata"]["name"]: o for o in await kitchen.objects(files, helm(values="sub: {color: blue}"))}
        assert sorted(objects) == ["sub", "subthings", "x"]
        assert objects["sub"]["data"] == {"color": "blue", "tag": "v1"}

    async def test_those_switched_off_are_not_nor_their_definitions(self, kitchen: Kitchen) -> None:
        files = self.files() | {f"chart/{path}": text for path, text in SUBCHART.items()}
        source = helm(parameters=(NameValue("sub.enabled", "false"),))
        assert await kitchen.names(files, source) == ["x"]

    async def test_archives_are_rendered(self, kitchen: Kitchen) -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for path, text in SUBCHART.items():
                info = tarfile.TarInfo(path.removeprefix("charts/"))
                info.size = len(text)
                archive.addfile(info, io.BytesIO(text.encode()))
        files = self.files() | {"chart/charts/sub-0.1.0.tgz": buffer.getvalue()}
        assert sorted(await kitchen.names(files, helm())) == ["sub", "subthings", "x"]

    async def test_those_beside_the_chart_are_rendered(self, kitchen: Kitchen) -> None:
        files = self.files("file://../library/sub")
        files |= {f"library/{path.removeprefix('charts/')}": text for path, text in SUBCHART.items()}
        assert sorted(await kitchen.names(files, helm())) == ["sub", "subthings", "x"]

    async def test_those_behind_a_symlink_are_rendered(self, kitchen: Kitchen) -> None:
        files = self.files() | {"chart/charts": Link("../library")}
        files |= {f"library/{path.removeprefix('charts/')}": text for path, text in SUBCHART.items()}
        assert sorted(await kitchen.names(files, helm())) == ["sub", "subthings", "x"]

    async def test_missing_ones_are_named(self, kitchen: Kitchen) -> None:
        with pytest.raises(RenderError, match="sub") as caught:
            await kitchen.names(self.files(""), helm())
        assert re.search("helm dependency build|missing in charts", caught.value.message)
        assert not caught.value.retryable


class TestSchema:
    schema = '{"properties": {"port": {"type": "integer"}}, "required": ["port"]}'

    async def test_values_are_held_to_it(self, kitchen: Kitchen) -> None:
        files = template('"{{ .Values.port }}"') | {"chart/values.schema.json": self.schema}
        with pytest.raises(RenderError, match="port") as caught:
            await kitchen.names(files, helm(values="port: many"))
        assert caught.value.code == "tool-failed"
        assert await kitchen.names(files, helm(values="port: 80")) == ["x"]

    async def test_unless_the_source_says_not_to(self, kitchen: Kitchen) -> None:
        files = template('"{{ .Values.port }}"') | {"chart/values.schema.json": self.schema}
        assert await kitchen.names(files, helm(values="port: many", skip_schema_validation=True)) == ["x"]


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        (template("{{ .Values.a | nosuch }}"), {}, "nosuch"),
        (template('{{ required "say the port" .Values.port }}'), {}, "say the port"),
        (template('{{ fail "not today" }}'), {}, "not today"),
        (template("x") | {"chart/templates/t.yaml": "apiVersion: v1\nkind: A\n metadata:"}, {}, "line"),
        (template("x"), {"values": "a: [", "kube_version": "1.30.0"}, "the source's helm.values, line"),
        (template("x"), {"values": "[1]"}, "values are a mapping"),
        (template("x"), {"release_name": "Not Valid"}, "chart"),
        (template("x"), {"release_name": "a" * 60}, "chart"),
        (template("x") | {"chart/Chart.yaml": "name: [\n"}, {}, "chart/Chart.yaml, line"),
        (template("x") | {"chart/Chart.yaml": "version: 1.0.0\n"}, {}, "chart"),
    ],
)
async def test_charts_that_do_not_render(
    kitchen: Kitchen, files: dict[str, Content], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(RenderError, match=re.escape(message)) as caught:
        await kitchen.names(files, helm(**options))
    assert "/worker-" not in caught.value.message
    assert not caught.value.retryable


async def test_a_directory_with_a_backslash_is_a_directory(kitchen: Kitchen) -> None:
    files = {path.replace("chart/", "cha\\qt/"): content for path, content in template('{{ fail "no luck" }}').items()}
    with pytest.raises(RenderError, match="no luck") as caught:
        await kitchen.names(files, Source(URL, path="cha\\qt"))
    assert caught.value.code == "tool-failed"


async def test_a_doubled_key_in_a_values_file_is_told_by_file_and_line(kitchen: Kitchen) -> None:
    files = CHART | {"files/one.yaml": "a: 1\nb: 2\na: 3\n"}
    with pytest.raises(RenderError, match=r'files/one\.yaml, line 3, .*the key "a" is written twice'):
        await kitchen.names(files, helm(value_files=("../files/one.yaml",)))


async def test_no_chart_where_the_source_says_there_is_one(kitchen: Kitchen) -> None:
    with pytest.raises(RenderError, match=r"no Chart\.yaml in files"):
        await kitchen.names(CHART, Source(URL, path="files", helm=HelmOptions(release_name="x")))


async def test_the_same_input_gives_the_same_bytes(kitchen: Kitchen) -> None:
    first, second = [await kitchen.render(request(CHART, helm())) for _ in range(2)]
    assert first.manifest_set.encode() == second.manifest_set.encode()


async def test_helm_ignore_is_obeyed(kitchen: Kitchen) -> None:
    files = template("x") | {
        "chart/.helmignore": "templates/ignored.yaml\n",
        "chart/templates/ignored.yaml": "{{ fail }}",
    }
    assert await kitchen.names(files, helm()) == ["x"]


async def test_large_integers_keep_their_digits_where_they_are_numbers(kitchen: Kitchen) -> None:
    source = helm(parameters=(NameValue("user", "1000650000"), NameValue("context.user", "1000650000")))
    files = template("x") | {
        "chart/templates/t.yaml": (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n"
            "spec: {user: {{ .Values.user }}, context: {{ .Values.context | toJson }}}\n"
        )
    }
    (pod,) = await kitchen.objects(files, source)
    assert pod["spec"] == {"user": 1000650000, "context": {"user": 1000650000}}


async def test_library_and_program_agree(tmp_path: Path) -> None:
    outcomes = []
    for name, helm_program in (("library", ""), ("program", str(binary("helm")))):
        settings = RendererSettings(workers=1, helm=helm_program)
        async with open_kitchen(tmp_path / name, settings) as kitchen:
            outcomes.append(await kitchen.render(request(CHART, helm(value_files=("../files/two.yaml",)))))
    first, second = outcomes
    assert first.blobs == second.blobs
