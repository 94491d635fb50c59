"""What templates do, and what becomes of what they put out: as with `helm template`, to the byte."""

from __future__ import annotations

import base64

import pytest

from hub.domain.application import NameValue
from tests.render.conftest import ONE_LOOP, Kitchen
from tests.render.helm_equal import CHART, METADATA, PARENT, both_refuse, compare, data, template
from tests.render.helm_reference import HelmRefused

pytestmark = ONE_LOOP


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
