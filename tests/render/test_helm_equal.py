"""What Escadre renders is what `helm template` prints: the same objects, byte for byte, in the same order.

Every case goes through the real program, with the flags that Argo CD would give it, and through the hub's renderer.
"""

from __future__ import annotations

import base64
import io
import json
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hub.domain.application import HelmOptions, NameValue, Source
from hub.render import RenderError
from tests.render.conftest import ONE_LOOP, URL, Kitchen, request
from tests.render.helm_reference import HelmRefused, helm_template, normalized
from tests.render.trees import Content

pytestmark = ONE_LOOP

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


class TestValues:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("a", "text"),
            ("a", ""),
            ("new", ""),
            ("a", "null"),
            ("map", "null"),
            ("map.x", "null"),
            ("map.y.z", "null"),
            ("nothing", "x"),
            ("map.y.more", "7"),
            ("a", "7"),
            ("a", "-7"),
            ("a", "+7"),
            ("a", "-0"),
            ("a", "-007"),
            ("a", "007"),
            ("a", "0"),
            ("a", "0x1F"),
            ("a", "0o17"),
            ("a", "1_000"),
            ("a", "1e3"),
            ("a", "1.5"),
            ("a", "999999"),
            ("a", "1000000"),
            ("a", "1000650000"),
            ("a", "9007199254740993"),
            ("a", "9223372036854775807"),
            ("a", "-9223372036854775808"),
            ("a", "9223372036854775808"),
            ("a", "TRUE"),
            ("a", "False"),
            ("a", "yes"),
            ("a", "{x,1,true,null,1000000}"),
            ("a", "{}"),
            ("a", "{x, y}"),
            ("a", r"{x\,y,z}"),
            ("a", "x,y=z"),
            ("a", r"x\,y"),
            ("a", r"x\\y"),
            ("a", "k=v"),
            ("a", "x}"),
            ("a", r"\{x}y"),
            ("list", "{9000000,b}"),
            ("list[1]", "7"),
            ("other[2]", "1000000"),
            ("other[0].port", "1000000"),
            ("other[1][2]", "1000000"),
            ("other[1][2].x[1]", "1000000"),
            (r"annotations.example\.com/port", "1000000"),
            (r"quo\"ted", "1000000"),
            ("unicode-😀", "1000000"),
            ("line\nbreak", "1000000"),
            ("large", "87654321"),
            ("map.deep.er", "1000000"),
        ],
    )
    async def test_of_parameters(self, kitchen: Kitchen, name: str, value: str) -> None:
        await compare(kitchen, CHART, parameters=(NameValue(name, value),))
        await compare(kitchen, CHART, parameters=(NameValue(name, value, force_string=True),))

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("a.b", "x"),
            ("number", "{x"),
            ("a", "{x}y}"),
            ("map", "{x}y,z}"),
            ("a[0]", "x"),
            ("b[0]x", "1"),
            ("b[-1]", "1"),
            ("b[x]", "1"),
            ("b[65537]", "1"),
            ("b" * 40 + "." + ".".join("c" * 40), "1"),
        ],
    )
    async def test_that_are_refused(self, kitchen: Kitchen, name: str, value: str) -> None:
        await both_refuse(kitchen, CHART, values="a: text\n", parameters=(NameValue(name, value),))

    async def test_precedence(self, kitchen: Kitchen) -> None:
        files = CHART | {
            "one.yaml": "a: one\nb: one\nc: one\nd: one\ne: one\nf: one\nmap: {x: 2, w: 3}\nlist: [one]\n",
            "two.yaml": "b: two\nc: two\nd: two\ne: two\nf: two\nmap: {y: null}\n",
            "content.txt": "content, {with} = everything\\\n",
        }
        over: dict[str, Any] = {"c": "values", "d": "values", "e": "values", "f": "values", "map": {"v": None}}
        parameters = (NameValue("e", "1", force_string=True), NameValue("d", "1"), NameValue("e", "2"))
        for above in ({"values": json.dumps(over)}, {"values_object": over}):
            found = await compare(
                kitchen,
                files,
                value_files=("../one.yaml", "../two.yaml"),
                parameters=(*parameters, NameValue("f", "1", force_string=True)),
                file_parameters=(("f", "../content.txt"), ("map.file", "../content.txt")),
                **above,
            )
            shown = json.loads(found["values"]["data"]["json"])
            assert [shown[name] for name in "abcde"] == ["one", "two", "values", 1, "1"]
            assert shown["f"] == "content, {with} = everything\\\n"

    async def test_of_files_as_yaml_spells_them(self, kitchen: Kitchen) -> None:
        text = """
scalars: [yes, No, on, 0755, 0o17, 0x1F, 1_000, .5, 1e3, 1.0, 2020-01-01, 1:30, ~, 18446744073709551615, -0, +5, 0b11]
more: [08, 0.1e-7,
  "x", 5., y, n, 190:20:30, 2001-12-14t21:59:43.10-05:00, !!str 5, !!float 3, !!int "3", 1e6, 123456789]
1: a
true: b
1.5: c
anchored: &x {q: 1}
merged: {<<: *x, r: 2}
text: |
  ---
  a: b
folded: >-
  one
  two
"""
        await compare(kitchen, CHART | {"v.yaml": text}, value_files=("../v.yaml",))
        await compare(kitchen, CHART | {"chart/values.yaml": text})

    async def test_of_files_with_several_documents_comments_or_nothing(self, kitchen: Kitchen) -> None:
        files = CHART | {"v.yaml": "a: 1\nmap: {p: 1}\n---\n# none\n---\nb: 2\nmap: {q: 1}\n", "w.yaml": "# nothing\n"}
        await compare(kitchen, files | {"u.yaml": ""}, value_files=("../v.yaml", "../w.yaml", "../u.yaml"))

    @pytest.mark.parametrize("length", [4095, 4096, 8192])
    async def test_of_a_file_that_ends_where_a_buffer_does(self, kitchen: Kitchen, length: int) -> None:
        last = "last: "
        found = await compare(kitchen, CHART | {"chart/values.yaml": "a: b\n" + last + "x" * (length - len(last))})
        assert len(json.loads(found["values"]["data"]["json"])["last"]) == length - len(last)

    async def test_with_carriage_returns(self, kitchen: Kitchen) -> None:
        files = {name: str(content).replace("\n", "\r\n") for name, content in CHART.items()}
        await compare(kitchen, dict(files), values="a: 1\r\nb: |\r\n  x\r\n  y\r\n")

    async def test_integers_may_be_compared_and_added(self, kitchen: Kitchen) -> None:
        files = data(
            same="eq .Values.port 8080",
            more="gt .Values.port 80",
            added="add .Values.port 1",
            text='printf "%d" .Values.port',
            list='join "," .Values.ports',
        )
        await compare(kitchen, files, parameters=(NameValue("port", "8080"), NameValue("ports", "{1000000,2}")))

    async def test_null_takes_a_subcharts_default_away(self, kitchen: Kitchen) -> None:
        await compare(kitchen, PARENT, values="sub: {color: null, inner: null}\n")
        await compare(kitchen, PARENT, parameters=(NameValue("sub.color", "null"), NameValue("sub.inner.a", "null")))


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


class TestSubcharts:
    @pytest.mark.parametrize(
        "parameters",
        [
            {},
            {"sub.enabled": "false"},
            {"again.on": "false"},
            {"again.also": "false"},
            {"tags.front": "false"},
            {"tags.front": "false", "sub.enabled": "true"},
            {"tags.back": "false", "tags.front": "true"},
            {"sub.enabled": "not-a-flag"},
            {"global.tag": "v2", "global.number": "1000000", "global.deep.er": "7000000"},
            {"sub.color": "1000000", "again.color": "5", "sub.inner.a": "9000000"},
            {"sub.global.own": "x"},
            {"global": "null"},
        ],
    )
    async def test_conditions_tags_aliases_and_globals(self, kitchen: Kitchen, parameters: dict[str, str]) -> None:
        given = tuple(NameValue(name, value) for name, value in parameters.items())
        await compare(kitchen, PARENT, parameters=given)
        await compare(kitchen, PARENT, parameters=given, skip_crds=True)

    async def test_archives(self, kitchen: Kitchen) -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for path, text in SUB.items():
                info = tarfile.TarInfo(f"sub/{path}")
                info.size = len(str(text))
                archive.addfile(info, io.BytesIO(str(text).encode()))
        files = {name: content for name, content in PARENT.items() if "charts/" not in name}
        files["chart/charts/sub-0.1.0.tgz"] = buffer.getvalue()
        found = await compare(kitchen, files, parameters=(NameValue("global.n", "1000000"),))
        assert {"shop-sub", "shop-again", "things"} <= found.keys()

    async def test_library_charts(self, kitchen: Kitchen) -> None:
        files = CHART | {
            "chart/Chart.yaml": METADATA + "dependencies: [{name: lib, version: 0.1.0, repository: ''}]\n",
            "chart/charts/lib/Chart.yaml": "apiVersion: v2\nname: lib\nversion: 0.1.0\ntype: library\n",
            "chart/charts/lib/templates/_map.tpl": '{{ define "lib.map" }}apiVersion: v1\nkind: ConfigMap\n'
            "metadata: {name: {{ .name }}}\n{{ end }}",
            "chart/charts/lib/templates/never.yaml": "{{ fail `libraries render nothing` }}",
            "chart/templates/m.yaml": '{{ include "lib.map" (dict "name" "from-the-library") }}',
        }
        assert "from-the-library" in await compare(kitchen, files)

    async def test_a_library_alone_is_refused(self, kitchen: Kitchen) -> None:
        said, told = await both_refuse(kitchen, CHART | {"chart/Chart.yaml": METADATA + "type: library\n"})
        assert "not installable" in said and "type library" in told

    async def test_charts_of_the_first_version(self, kitchen: Kitchen) -> None:
        files = PARENT | {
            "chart/Chart.yaml": METADATA.replace("v2", "v1"),
            "chart/requirements.yaml": DEPENDENCIES,
            "chart/charts/sub/Chart.yaml": "apiVersion: v1\nname: sub\nversion: 0.1.0\n",
        }
        await compare(kitchen, files)


OBJECT = "apiVersion: v1\nkind: %s\nmetadata: {name: %s}\n"
HOOK = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: %s, annotations: {helm.sh/hook: '%s'}}\n"


class TestDocuments:
    async def test_are_in_helms_order(self, kitchen: Kitchen) -> None:
        kinds = ["Zebra", "Service", "Deployment", "Apple", "ConfigMap", "Secret", "Namespace", "Ingress", "Role"]
        files = template("", templates__a="---\n".join(OBJECT % (kind, f"a-{kind}".lower()) for kind in kinds))
        files["chart/templates/sub/b.yaml"] = "---\n".join(OBJECT % (kind, f"b-{kind}".lower()) for kind in kinds[::-1])
        files["chart/templates/B.yaml"] = OBJECT % ("Service", "upper")
        files["chart/templates/h.yaml"] = HOOK % ("hook", "pre-install") + "---\n" + OBJECT % ("Pod", "beside-a-hook")
        await compare(kitchen, files)

    async def test_hooks(self, kitchen: Kitchen) -> None:
        hooks = [
            *("pre-install", "post-install,post-upgrade", "pre-delete", "post-delete", "pre-rollback", "test"),
            *("test-success", "test-failure", "crd-install", "", " PRE-Install ", "pre-install, unheard-of", "Test"),
        ]
        text = "---\n".join(HOOK % (f"hook-{number}", hook) for number, hook in enumerate(hooks))
        assert "hook-9" not in await compare(kitchen, template(text))
        await compare(kitchen, template(text), skip_tests=True)

    async def test_the_last_of_two_alike_wins(self, kitchen: Kitchen) -> None:
        files = template(OBJECT % ("ConfigMap", "x") + "data: {from: t}\n")
        files["chart/templates/a.yaml"] = OBJECT % ("ConfigMap", "x") + "data: {from: a}\n"
        files["chart/crds/c.yaml"] = OBJECT % ("ConfigMap", "x") + "data: {from: crds}\n"
        assert (await compare(kitchen, files))["x"]["data"] == {"from": "t"}

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "\n\n---\n---\n",
            "# only a comment\n",
            "---\n# a comment\n---\n" + OBJECT % ("Pod", "x"),
            OBJECT % ("Pod", "x") + "---" + OBJECT % ("Pod", "other"),
            OBJECT % ("Pod", "x") + "---   \t" + OBJECT % ("Pod", "other"),
            OBJECT % ("Pod", "x") + "--- # and more\n" + OBJECT % ("Pod", "other"),
            OBJECT % ("Pod", "x") + "---\n\n\n  \n---\n" + OBJECT % ("Pod", "other"),
            OBJECT % ("Pod", "x") + "data: |\n  ---\n  a: b\n",
            OBJECT % ("Pod", "x") + 'data: "a\n  ---\n  b"\n',
            OBJECT % ("Pod", "x") + "a: &a {b: 1}\nc: *a\nd: {<<: *a, e: 1}\n",
            (OBJECT % ("Pod", "x")).replace("\n", "\r\n") + "---\r\n" + OBJECT % ("Pod", "other"),
            OBJECT % ("Pod", "x") + "...\n",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: x, annotations: {number: 5, flag: true, none: ~}}\n",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: x, annotations: {helm.sh/hook: true}}\n",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: x, annotations: {helm.sh/hook: ~}}\n",
            '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}',
            "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: x}}\n",
            "  \n " + OBJECT % ("Pod", "x"),
            OBJECT % ("Pod", "x") + "spec: {a: 0755, b: 1e3, c: yes, d: 1.0, e: 12345678901, f: ~}\n",
            OBJECT % ("Pod", "x") + "{{- if true }}\n---\n" + OBJECT % ("Pod", "other") + "{{- end }}",
            OBJECT % ("Pod", "x") + 'metadata2: "{{ `{{ not a template }}` }}"\n',
        ],
    )
    async def test_however_they_are_set_apart(self, kitchen: Kitchen, text: str) -> None:
        await compare(kitchen, template(text))

    @pytest.mark.parametrize(
        "text",
        [
            "apiVersion: v1\nkind: Pod\nmetadata: {name: x, annotations: {list: [5]}}\n",
            "apiVersion: v1\nkind: Pod\n metadata: {name: x}\n",
            "apiVersion: v1\nkind: [Pod]\nmetadata: {name: x}\n",
        ],
    )
    async def test_that_are_refused(self, kitchen: Kitchen, text: str) -> None:
        await both_refuse(kitchen, template(text))

    async def test_keep_policies_and_weights(self, kitchen: Kitchen) -> None:
        annotations = "{helm.sh/resource-policy: keep, helm.sh/hook-weight: '-5', helm.sh/hook: pre-install}"
        text = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: x, annotations: {annotations}}}\n"
        found = await compare(kitchen, template(text))
        assert found["x"]["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"

    async def test_partials_and_notes_are_none(self, kitchen: Kitchen) -> None:
        files = template(OBJECT % ("Pod", "x")) | {
            "chart/templates/_partial.yaml": OBJECT % ("Pod", "never"),
            "chart/templates/NOTES.txt": OBJECT % ("Pod", "never"),
            "chart/templates/sub/NOTES.txt": OBJECT % ("Pod", "never"),
            "chart/templates/sub/AND-NOTES.txt": OBJECT % ("Pod", "never"),
            "chart/templates/plain.txt": OBJECT % ("Pod", "any-name-will-do"),
        }
        assert sorted(await compare(kitchen, files)) == ["any-name-will-do", "x"]


FUNCTIONS = {
    "dates": 'date "2006-01-02" (toDate "2006-01-02" "2024-02-29")',
    "duration": "duration 3700",
    "sha": 'sha256sum "x"',
    "stable": 'derivePassword 1 "long" "password" "user" "example.com"',
    "adler": 'adler32sum "x"',
    "semver": 'semverCompare ">=1.2.0 <2.0.0" "1.5.0"',
    "parts": '(semver "1.2.3-beta.1+build").Prerelease',
    "regex": 'regexReplaceAll "a(x*)b" "-ab-axxb-" "${1}W"',
    "found": 'regexFindAll "[2,4,6,8]" "123456789" -1',
    "quoted": 'regexQuoteMeta "1.2.3"',
    "indent": 'indent 2 "a\\nb"',
    "ternary": 'ternary "a" "b" true',
    "dict": 'dict "a" 1 "b" (list 1 2.5 "x") | toJson',
    "yaml": 'dict "a" 1.0 "b" (list 1 2.5 "x" nil) | toYaml',
    "pretty": 'dict "a" (list 1) | toPrettyJson',
    "toml": 'dict "a" 1 | toToml',
    "fromyaml": 'fromYaml "a: 0755\\nb: 1e6\\nc: yes"',
    "fromjson": 'fromJson "{\\"a\\": 1000000}"',
    "broken": 'fromYaml "a: ["',
    "math": "add 1 2.7 | mul 3 | div 2",
    "float": "mulf 1.1 3",
    "round": "round 123.5555 3",
    "seq": "untilStep 3 9 2",
    "b64": 'b64enc "x" | b64dec',
    "url": 'urlParse "https://user@example.com:80/p?q#f"',
    "path": 'base "/a/b.c"',
    "trunc": 'trunc -3 "abcdef"',
    "case": 'camelcase "a_b" | snakecase | kebabcase',
    "deep": 'dig "a" "b" "none" (dict "a" (dict "b" 1))',
    "merged": 'merge (dict "a" 1) (dict "a" 2 "b" 3)',
    "over": 'mergeOverwrite (dict "a" 1) (dict "a" 2 "b" 3)',
    "env": '.Values.none | default "no environment"',
    "host": 'getHostByName "localhost"',
    "looked": 'lookup "v1" "Secret" "a" "b"',
    "list": '(lookup "v1" "Secret" "a" "").items',
    "release": ".Release",
    "kube": '.Capabilities.KubeVersion.Version | printf "%s %s" .Capabilities.KubeVersion.Minor',
    "kubetext": ".Capabilities.KubeVersion",
    "git": ".Capabilities.KubeVersion.GitVersion",
    # The names before those that are given are of the version of Helm.
    "apis": "slice .Capabilities.APIVersions (sub (len .Capabilities.APIVersions) 2) | toJson",
    "has": '.Capabilities.APIVersions.Has "monitoring.coreos.com/v1"',
    "haskind": '.Capabilities.APIVersions.Has "apps/v1/Deployment"',
    "hasown": '.Capabilities.APIVersions.Has "monitoring.coreos.com/v1/ServiceMonitor"',
    "chart": ".Chart.AppVersion | printf .Chart.Name",
    "kubeversion": ".Chart",
    "tpl": 'tpl "{{ .Release.Name }} {{ include \\"own\\" . }}{{ define \\"own\\" }}mine{{ end }}" .',
    "nothing": ".Values.no.such",
    "version": '.Capabilities.HelmVersion.Version | regexFind "^v4"',
    "getvalue": 'get .Values "none"',
    "files": '.Files.Get "none"',
}


class TestFunctions:
    @pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "nothing"])
    async def test_give_the_same(self, kitchen: Kitchen, name: str) -> None:
        await compare(kitchen, data(out=FUNCTIONS[name]))

    @pytest.mark.parametrize(
        "expression",
        [
            FUNCTIONS["nothing"],
            'required "say the port" .Values.port',
            'fail "not today"',
            'env "HOME"',
            'expandenv "$HOME"',
            'include "none" .',
            'tpl "{{ .x" .',
            "nosuch",
            'semverCompare "x" "y"',
            'mustRegexMatch "(" "x"',
        ],
    )
    async def test_fail_alike(self, kitchen: Kitchen, expression: str) -> None:
        said, told = await both_refuse(kitchen, data(out=expression))
        # The last words are the reason; before them Helm tells the way there.
        said = said.replace("Use --debug flag to render out invalid YAML", "").strip()
        assert said.splitlines()[-1].rsplit(": ", 1)[-1].strip() in told

    async def test_files_of_the_chart(self, kitchen: Kitchen) -> None:
        body = """apiVersion: v1
kind: ConfigMap
metadata: {name: x}
data:
  get: {{ .Files.Get "config/a.ini" | quote }}
  bytes: {{ .Files.GetBytes "config/b.bin" | toString | sha256sum }}
  {{- (.Files.Glob "config/**.ini").AsConfig | nindent 2 }}
  secrets: |
    {{- (.Files.Glob "config/*").AsSecrets | nindent 4 }}
  lines: {{ .Files.Lines "config/a.ini" | join "|" | quote }}
  names: {{ range $path, $_ := .Files.Glob "**" }}{{ $path }} {{ end }}
  outside: {{ .Files.Get "../../etc/passwd" | quote }}
  absolute: {{ .Files.Get "/etc/passwd" | quote }}
"""
        binary = base64.b64decode("AAH/gA==")
        await compare(
            kitchen,
            template(body)
            | {
                "chart/config/a.ini": "a=1\nb=2\n",
                "chart/config/deep/c.ini": "c=3",
                "chart/config/b.bin": binary,
                "chart/.helmignore": "ignored/\n*.bak\n",
                "chart/ignored/x.ini": "x",
                "chart/a.bak": "x",
                "chart/README.md": "# read me",
                "chart/LICENSE": "free",
                "chart/Chart.lock": "digest: x\n",
            },
        )

    @pytest.mark.parametrize(
        "rules",
        [
            "*.ini\n",
            "config\n",
            "config/\n",
            "/config/deep\n",
            "config/a.ini\n",
            "deep/c.ini\n",
            "  # a comment\n\n*.bak  \r\n",
            "[a-b].*\n",
            "[^a].ini\n",
            "?.ini\n",
            "\\*.ini\n",
            "a.ini/\n",
            "templates/_*\n",
            "\ufeff*.ini\n",
        ],
    )
    async def test_what_helmignore_leaves_out(self, kitchen: Kitchen, rules: str) -> None:
        body = "{{ range $path, $_ := .Files.Glob `**` }}{{ $path }} {{ end }}"
        files = data(names='include "names" .') | {
            "chart/templates/_names.tpl": f'{{{{ define "names" }}}}{body}{{{{ end }}}}',
            "chart/templates/.hidden.yaml": "{{ fail `hidden files are no templates` }}",
            "chart/templates/.git/x.yaml": "{{ fail `nor are those of hidden directories` }}",
            "chart/config/a.ini": "a",
            "chart/config/deep/c.ini": "c",
            "chart/b.ini": "b",
            "chart/x.bak": "x",
            "chart/.helmignore": rules,
        }
        try:
            await compare(kitchen, files)
        except HelmRefused:
            await both_refuse(kitchen, files)


SCHEMAS = {
    "draft 7": '{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": {"port": '
    '{"type": "integer", "minimum": 1}, "mode": {"enum": ["a", "b"]}}, "required": ["port"]}',
    "2020-12": '{"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": {"p": {"type": "integer"}}, '
    '"properties": {"port": {"$ref": "#/$defs/p"}}, "required": ["port"], "additionalProperties": true}',
    "none": '{"properties": {"port": {"type": "integer"}}, "required": ["port"]}',
}


class TestSchema:
    @pytest.mark.parametrize("name", SCHEMAS)
    async def test_what_it_lets_pass(self, kitchen: Kitchen, name: str) -> None:
        files = data(port=".Values.port") | {"chart/values.schema.json": SCHEMAS[name]}
        await compare(kitchen, files, parameters=(NameValue("port", "1000000"),))
        await compare(kitchen, files, values="port: 80\n")
        await compare(kitchen, files, values="port: many\n", skip_schema_validation=True)

    @pytest.mark.parametrize("name", SCHEMAS)
    async def test_what_it_does_not(self, kitchen: Kitchen, name: str) -> None:
        files = data(port=".Values.port") | {"chart/values.schema.json": SCHEMAS[name]}
        said, told = await both_refuse(kitchen, files, parameters=(NameValue("port", "many"),))
        assert "at '/port': got string, want integer" in said
        assert "at '/port': got string, want integer" in told
        _, told = await both_refuse(kitchen, files)
        assert "missing property 'port'" in told

    async def test_of_a_subchart(self, kitchen: Kitchen) -> None:
        files = PARENT | {"chart/charts/sub/values.schema.json": '{"properties": {"color": {"type": "string"}}}'}
        await compare(kitchen, files)
        _, told = await both_refuse(kitchen, files, parameters=(NameValue("sub.color", "7"),))
        assert "/color" in told and "sub" in told


class TestKubeVersion:
    @pytest.mark.parametrize(
        "constraint",
        [
            ">=1.30.0",
            ">= 1.20.0-0 < 1.33.0-0",
            "^1.20.0",
            "~1.31.0 || ~1.32.0",
            "1.32.x",
            "!=1.31.0",
            "1.30 - 1.32",
            "*",
        ],
    )
    async def test_that_fits(self, kitchen: Kitchen, constraint: str) -> None:
        chart = {"chart/Chart.yaml": METADATA + f"kubeVersion: '{constraint}'\n"}
        await compare(kitchen, CHART | chart)
        await compare(kitchen, CHART | chart, kube_version="v1.32.4-gke.100")

    @pytest.mark.parametrize("constraint", [">=1.33.0", "<1.20", "!=1.32.1", "1.31.x", "nonsense", ">=1.33.0-0"])
    async def test_that_does_not(self, kitchen: Kitchen, constraint: str) -> None:
        said, told = await both_refuse(
            kitchen, CHART | {"chart/Chart.yaml": METADATA + f"kubeVersion: '{constraint}'\n"}
        )
        assert "incompatible" in said and constraint in told


async def test_release_names_and_namespaces(kitchen: Kitchen) -> None:
    files = data(name=".Release.Name", namespace=".Release.Namespace", all=".Release")
    await compare(kitchen, files, release_name="other", namespace="elsewhere")
    for wrong in ("Not-Valid", "a" * 54, "-a"):
        await both_refuse(kitchen, files, release_name=wrong)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(-1e9, 1e9, allow_nan=False)
    | st.text(alphabet="abc 0179.:-{}[],'\"\\#\n😀", max_size=8)
)
NAMES = st.sampled_from(["a", "b", "number", "large", "list", "map", "x", "y", "nothing"])
TREES = st.dictionaries(
    NAMES,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)
STEPS = st.lists(NAMES | st.sampled_from(["a[0]", "new[1]", "x[0][1]", r"d\.ot"]), min_size=1, max_size=3)
WORDS = st.text(alphabet="ab17,{}=\\ .[]tru0null-", max_size=8)
PARAMETERS = st.builds(NameValue, STEPS.map(".".join), WORDS, st.booleans())
EACH = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@EACH
@given(TREES, TREES)
async def test_any_values(kitchen: Kitchen, below: dict[str, Any], above: dict[str, Any]) -> None:
    files = CHART | {"v.json": json.dumps(below, ensure_ascii=False)}
    await compare(kitchen, files, value_files=("../v.json",), values=json.dumps(above, ensure_ascii=False))


@EACH
@given(st.lists(PARAMETERS, min_size=1, max_size=3))
@example([NameValue("a", "{a,b},c={1000000}")])
async def test_any_parameters(kitchen: Kitchen, parameters: list[NameValue]) -> None:
    try:
        await compare(kitchen, CHART, parameters=tuple(parameters))
    except HelmRefused:
        await both_refuse(kitchen, CHART, parameters=tuple(parameters))
