"""What gives another key, and what does not: the promise that one distinct input is rendered once."""

from __future__ import annotations

import dataclasses
import re

import pytest

from hub.domain.application import DirectoryOptions, HelmOptions, KustomizeOptions, NameValue, Source
from hub.domain.cluster import Capabilities
from hub.render import RenderError
from hub.render.detect import detect
from hub.render.model import RenderLimits, RenderRequest, Scan
from hub.render.scan import Tools, scan
from tests.render.conftest import URL, request
from tests.render.trees import Content, Link, config_map

DIRECTORY: dict[str, Content] = {"app/a.yaml": config_map("a"), "app/deep/b.yaml": config_map("b"), "x/y": "z"}
CHART: dict[str, Content] = {
    "chart/Chart.yaml": "name: c\nversion: 1.0.0\n",
    "chart/values.yaml": "a: 1\n",
    "chart/templates/t.yaml": config_map("t"),
    "envs/prod.yaml": "a: 2\n",
    "envs/test.yaml": "a: 3\n",
    "other/o.yaml": "",
}
KUSTOMIZATION: dict[str, Content] = {
    "overlay/kustomization.yaml": "resources: [../base]\n",
    "base/kustomization.yaml": "resources: [a.yaml]\n",
    "base/a.yaml": config_map("a"),
    "base/unused.yaml": config_map("unused"),
    "other/o.yaml": "",
}


def scanned(request: RenderRequest, tools: Tools | None = None) -> Scan:
    return scan(request, tools or Tools({"helm": "v4", "kustomize": "v5"}), RenderLimits())


def key(files: dict[str, Content], source: Source, **options: object) -> str:
    return scanned(request(files, source, **options)).key  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "names", "tool"),
    [
        (Source(URL), ["Chart.yaml", "kustomization.yaml"], "helm"),
        (Source(URL), ["kustomization.yml", "a.yaml"], "kustomize"),
        (Source(URL), ["Kustomization"], "kustomize"),
        (Source(URL), ["a.yaml"], "directory"),
        (Source(URL, directory=DirectoryOptions(recurse=True)), ["Chart.yaml"], "directory"),
        (Source(URL, helm=HelmOptions()), ["kustomization.yaml"], "helm"),
        (Source(URL, kustomize=KustomizeOptions()), ["Chart.yaml"], "kustomize"),
    ],
)
def test_the_tool(source: Source, names: list[str], tool: str) -> None:
    assert detect(source, names) == tool


class TestDirectory:
    source = Source(URL, path="app")

    def test_neither_name_nor_cluster_matter(self) -> None:
        keys = {
            key(DIRECTORY, self.source, app=app, capabilities=capabilities)
            for app in ("one", "two")
            for capabilities in (Capabilities(), Capabilities("v1.30.0"))
        }
        assert len(keys) == 1
        assert not scanned(request(DIRECTORY, self.source)).uses_capabilities

    def test_nor_do_files_that_are_not_read(self) -> None:
        before = key(DIRECTORY, self.source)
        assert key(DIRECTORY | {"x/y": "!", "app/readme.md": "!", "app/deep/b.yaml": "!"}, self.source) == before

    def test_but_what_is_read_does(self) -> None:
        keys = {
            key(DIRECTORY, self.source),
            key(DIRECTORY | {"app/a.yaml": config_map("changed")}, self.source),
            key(DIRECTORY | {"app/new.yaml": config_map("new")}, self.source),
            key(DIRECTORY, dataclasses.replace(self.source, directory=DirectoryOptions(recurse=True))),
        }
        assert len(keys) == 4

    def test_equal_contents_of_other_repositories_share(self) -> None:
        assert key(DIRECTORY, self.source) == key(
            DIRECTORY, dataclasses.replace(self.source, repo_url="https://h/other")
        )

    def test_inputs_are_the_directory(self) -> None:
        before = scanned(request(DIRECTORY, self.source))
        assert list(before.inputs) == ["0:app"]
        assert scanned(request(DIRECTORY | {"x/y": "!"}, self.source)).inputs == before.inputs
        assert scanned(request(DIRECTORY | {"app/new.yaml": ""}, self.source)).inputs != before.inputs


class TestHelm:
    source = Source(URL, path="chart", helm=HelmOptions(value_files=("../envs/prod.yaml",)))

    def test_release_namespace_and_cluster_matter(self) -> None:
        given = request(CHART, self.source)
        keys = {
            scanned(given).key,
            scanned(dataclasses.replace(given, app_name="other")).key,
            scanned(dataclasses.replace(given, app_namespace="other")).key,
            scanned(dataclasses.replace(given, capabilities=Capabilities("v1.30.0", ("apps/v1",)))).key,
            scanned(dataclasses.replace(given, capabilities=Capabilities("v1.32.1", ("apps/v1",)))).key,
            scanned(given, Tools({"helm": "v5"})).key,
        }
        assert len(keys) == 6
        assert scanned(given).uses_capabilities

    def test_unless_the_source_gives_them(self) -> None:
        fixed = HelmOptions(release_name="r", namespace="n", kube_version="1.30.0", api_versions=("apps/v1",))
        given = request(CHART, Source(URL, path="chart", helm=fixed))
        other = dataclasses.replace(
            given, app_name="other", app_namespace="other", capabilities=Capabilities("v1.1.1", ("x/v1",))
        )
        assert scanned(given).key == scanned(other).key

    def test_value_files_outside_the_chart_are_inputs(self) -> None:
        found = scanned(request(CHART, self.source))
        assert list(found.inputs) == ["0:chart", "0:envs/prod.yaml"]
        assert key(CHART | {"envs/prod.yaml": "a: 9"}, self.source) != found.key
        assert key(CHART | {"envs/test.yaml": "a: 9", "other/o.yaml": "!"}, self.source) == found.key

    def test_one_that_is_absent_is_an_input_too(self) -> None:
        options = HelmOptions(value_files=("../envs/none.yaml",), ignore_missing_value_files=True)
        found = scanned(request(CHART, Source(URL, path="chart", helm=options)))
        assert found.inputs["0:envs/none.yaml"] == ""
        assert key(CHART | {"envs/none.yaml": "a: 9"}, Source(URL, path="chart", helm=options)) != found.key

    def test_one_that_is_absent_and_wanted(self) -> None:
        with pytest.raises(RenderError, match="ignoreMissingValueFiles") as caught:
            key(CHART, Source(URL, path="chart", helm=HelmOptions(value_files=("none.yaml",))))
        assert caught.value.code == "path-not-found"

    def test_globs_notice_new_files(self) -> None:
        source = Source(URL, path="chart", helm=HelmOptions(value_files=("/envs/*.yaml",)))
        found = scanned(request(CHART, source))
        assert [file.path for file in found.plans[0].value_files] == ["envs/prod.yaml", "envs/test.yaml"]
        assert "0:envs" in found.inputs
        assert key(CHART | {"envs/qa.yaml": ""}, source) != found.key
        assert key(CHART | {"envs/deep/qa.yaml": "", "envs/x.txt": ""}, source) == found.key

    @pytest.mark.parametrize(
        ("pattern", "found"),
        [
            ("/envs/**/*.yaml", ["envs/a/b/d.yaml", "envs/a/c.yaml", "envs/prod.yaml", "envs/test.yaml"]),
            ("/envs/*/c.yaml", ["envs/a/c.yaml"]),
            ("/envs/[pt]*.yaml", ["envs/prod.yaml", "envs/test.yaml"]),
            ("/envs/[!p]*.yaml", ["envs/test.yaml"]),
            ("../envs/????.yaml", ["envs/prod.yaml", "envs/test.yaml"]),
        ],
    )
    def test_globs(self, pattern: str, found: list[str]) -> None:
        files = CHART | {"envs/a/c.yaml": "", "envs/a/b/d.yaml": ""}
        source = Source(URL, path="chart", helm=HelmOptions(value_files=(pattern,)))
        assert [file.path for file in scanned(request(files, source)).plans[0].value_files] == found

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("../../x.yaml", "path-refused"),
            ("/../x.yaml", "path-refused"),
            ("https://h/values.yaml", "not-served"),
            ("s3://bucket/values.yaml", "not-served"),
            ("$nobody/x.yaml", "invalid-source"),
            ("$values/../../x.yaml", "path-refused"),
            ("/envs/none-*.yaml", "path-not-found"),
            ("********************", "invalid-source"),
        ],
    )
    def test_value_files_that_are_refused(self, text: str, code: str) -> None:
        source = Source(URL, path="chart", helm=HelmOptions(value_files=(text,)))
        with pytest.raises(RenderError) as caught:
            scanned(request(CHART, source, Source(URL, ref="values")))
        assert caught.value.code == code

    @pytest.mark.parametrize("path", ["../../x", "none.txt", "https://h/x"])
    def test_file_parameters_that_are_refused(self, path: str) -> None:
        with pytest.raises(RenderError):
            key(CHART, Source(URL, path="chart", helm=HelmOptions(file_parameters=(("a", path),))))

    def test_value_files_of_other_sources(self) -> None:
        source = Source(URL, path="chart", helm=HelmOptions(value_files=("$values/envs/prod.yaml",)))
        found = scanned(request(CHART, source, Source(URL, ref="values")))
        assert list(found.inputs) == ["0:chart", "1:envs/prod.yaml"]
        assert [plan.index for plan in found.plans] == [0]

    def test_charts_by_path(self) -> None:
        files = CHART | {
            "chart/Chart.yaml": "name: c\nversion: 1.0.0\ndependencies: [{name: lib, version: 1.0.0, repository: 'file://../lib'}]\n",
            "lib/Chart.yaml": "name: lib\nversion: 1.0.0\n",
            "lib/templates/_x.tpl": "",
        }
        found = scanned(request(files, self.source))
        assert [f.path for f in found.plans[0].files if f.path.startswith("chart/charts")] == [
            "chart/charts/lib/Chart.yaml",
            "chart/charts/lib/templates/_x.tpl",
        ]
        assert key(files | {"lib/templates/_x.tpl": "changed"}, self.source) != found.key

    @pytest.mark.parametrize("target", ["../none", "../../..", "/etc"])
    def test_charts_by_a_path_that_does_not_work(self, target: str) -> None:
        chart = f"name: c\nversion: 1.0.0\ndependencies: [{{name: lib, version: 1, repository: 'file://{target}'}}]\n"
        with pytest.raises(RenderError):
            key(CHART | {"chart/Chart.yaml": chart}, self.source)

    def test_a_chart_that_depends_on_itself(self) -> None:
        chart = "name: c\nversion: 1.0.0\ndependencies: [{name: again, version: 1, repository: 'file://.'}]\n"
        with pytest.raises(RenderError, match="one that depends on itself"):
            key(CHART | {"chart/Chart.yaml": chart}, self.source)

    @pytest.mark.parametrize("target", [".", "..", "../templates"])
    def test_symlinks_that_lead_round_in_a_circle(self, target: str) -> None:
        with pytest.raises(RenderError) as caught:
            key(CHART | {"chart/templates/loop": Link(target), "chart/charts/x": ""}, self.source)
        assert caught.value.code in ("path-refused", "too-large")

    def test_symlinks_out_of_the_repository(self) -> None:
        with pytest.raises(RenderError, match="'chart/templates/l' is a symlink"):
            key(CHART | {"chart/templates/l": Link("/etc/passwd")}, self.source)


class TestKustomize:
    source = Source(URL, path="overlay")

    def test_only_what_is_read_matters(self) -> None:
        before = key(KUSTOMIZATION, self.source)
        assert key(KUSTOMIZATION | {"base/unused.yaml": "!", "other/o.yaml": "!"}, self.source) == before
        assert key(KUSTOMIZATION, self.source, app="other", capabilities=Capabilities()) == before
        changes = [
            key(KUSTOMIZATION | {"base/a.yaml": config_map("changed")}, self.source),
            key(KUSTOMIZATION | {"base/kustomization.yaml": "resources: [a.yaml]\nnamePrefix: x-"}, self.source),
            key(KUSTOMIZATION, dataclasses.replace(self.source, kustomize=KustomizeOptions(name_prefix="y-"))),
            scanned(request(KUSTOMIZATION, self.source), Tools({"kustomize": "v6"})).key,
        ]
        assert len({before, *changes}) == 5

    def test_inputs(self) -> None:
        assert list(scanned(request(KUSTOMIZATION, self.source)).inputs) == ["0:base", "0:overlay"]


class TestOverrides:
    files = DIRECTORY | {"app/deep/c.yaml": config_map("c")}

    def paths(self, files: dict[str, Content], app: str = "shop") -> list[str]:
        found = scanned(request(self.files | files, Source(URL, path="app"), app=app))
        return [file.path for file in found.plans[0].files]

    def test_the_repository_says_how(self) -> None:
        assert self.paths({"app/.argocd-source.yaml": "directory: {recurse: true}"}) == [
            "app/a.yaml",
            "app/deep/b.yaml",
            "app/deep/c.yaml",
        ]

    def test_and_how_for_one_application(self) -> None:
        files: dict[str, Content] = {
            "app/.argocd-source.yaml": "directory: {recurse: true}",
            "app/.argocd-source-shop.yaml": "directory: {exclude: '*/b.yaml'}",
        }
        assert self.paths(files) == ["app/a.yaml", "app/deep/c.yaml"]
        assert self.paths(files, app="other") == ["app/a.yaml", "app/deep/b.yaml", "app/deep/c.yaml"]

    def test_never_what_or_from_where(self) -> None:
        text = "repoURL: https://evil.example.com/x\npath: x\ntargetRevision: evil\nchart: evil"
        assert self.paths({"app/.argocd-source.yaml": text}) == ["app/a.yaml"]

    def test_parameters_as_image_updaters_write_them(self) -> None:
        text = "helm:\n  parameters:\n  - {name: image.tag, value: 1.2.3, forcestring: true}\n"
        found = scanned(request(CHART | {"chart/.argocd-source-shop.yaml": text}, Source(URL, path="chart")))
        assert found.warnings == ()
        assert found.plans[0].source.helm == HelmOptions(parameters=(NameValue("image.tag", "1.2.3", True),))

    def test_fields_without_effect_are_told(self) -> None:
        text = "directory: {recurse: true, nonsense: 1}"
        found = scanned(request(self.files | {"app/.argocd-source.yaml": text}, Source(URL, path="app")))
        (warning,) = found.warnings
        assert warning.startswith("RenderWarning: app/.argocd-source.yaml.directory.nonsense is not a known")

    @pytest.mark.parametrize("text", ["[1]", "helm: [", "helm: {valueFiles: 3}", "a: 1\na: 2"])
    def test_one_that_means_nothing_is_told_by_its_name(self, text: str) -> None:
        with pytest.raises(RenderError, match=re.escape("app/.argocd-source.yaml")) as caught:
            self.paths({"app/.argocd-source.yaml": text})
        assert caught.value.code == "invalid-source"


class TestVariables:
    def options(self, *values: str, **options: object) -> HelmOptions:
        parameters = tuple(NameValue(f"p{i}", value) for i, value in enumerate(values))
        source = Source(URL, path="chart", helm=HelmOptions(parameters=parameters))
        given = dataclasses.replace(request(CHART, source), project="retail", **options)  # type: ignore[arg-type]
        found = scanned(given).plans[0].source.helm
        assert found is not None
        return found

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("$ARGOCD_APP_NAME", "shop"),
            ("x-${ARGOCD_APP_NAME}-y", "x-shop-y"),
            ("$ARGOCD_APP_NAMESPACE", "shop-namespace"),
            ("$ARGOCD_APP_PROJECT_NAME", "retail"),
            ("$ARGOCD_APP_REVISION", "0123456789abcdef"),
            ("$ARGOCD_APP_REVISION_SHORT", "0123456"),
            ("$ARGOCD_APP_REVISION_SHORT_8", "01234567"),
            ("$ARGOCD_APP_SOURCE_PATH", "chart"),
            ("$ARGOCD_APP_SOURCE_REPO_URL", URL),
            ("$ARGOCD_APP_SOURCE_TARGET_REVISION", "HEAD"),
            ("$KUBE_VERSION", "1.32.1"),
            ("$KUBE_API_VERSIONS", "apps/v1,monitoring.coreos.com/v1"),
            ("$$ARGOCD_APP_NAME", "$ARGOCD_APP_NAME"),
            ("$UNKNOWN ${UNKNOWN} $ 5$", "$UNKNOWN ${UNKNOWN} $ 5$"),
        ],
    )
    def test_replacement(self, text: str, value: str) -> None:
        assert self.options(text).parameters[0].value == value

    def test_value_files_named_for_the_application(self) -> None:
        source = Source(URL, path="chart", helm=HelmOptions(value_files=("/envs/$ARGOCD_APP_NAME.yaml",)))
        found = scanned(request(CHART, source, app="prod"))
        assert [file.path for file in found.plans[0].value_files] == ["envs/prod.yaml"]

    def test_a_commit_costs_no_render_unless_its_id_is_used(self) -> None:
        def key_at(revision: str, text: str) -> str:
            options = HelmOptions(parameters=(NameValue("a", text),))
            given = request(CHART, Source(URL, path="chart", helm=options))
            inputs = tuple(dataclasses.replace(item, revision=revision) for item in given.sources)
            return scanned(dataclasses.replace(given, sources=inputs)).key

        assert key_at("a" * 40, "x") == key_at("b" * 40, "x")
        assert key_at("a" * 40, "$ARGOCD_APP_REVISION") != key_at("b" * 40, "$ARGOCD_APP_REVISION")


def test_a_chart_of_a_repository_is_the_root_of_what_was_fetched() -> None:
    chart = {path.removeprefix("chart/"): content for path, content in CHART.items()}
    with_ref = Source("https://charts.example.com", chart="nginx", ref="values")
    for source in (with_ref, dataclasses.replace(with_ref, ref="", path="elsewhere")):
        (plan,) = scanned(request(chart, source)).plans
        assert (plan.tool, plan.path) == ("helm", "")
        assert "Chart.yaml" in [file.path for file in plan.files]


def test_too_much_to_read() -> None:
    with pytest.raises(RenderError, match="at most 10 are rendered") as caught:
        scan(request(DIRECTORY, Source(URL, path="app")), Tools(), RenderLimits(input_bytes=10))
    assert caught.value.code == "too-large"


def test_too_many_files() -> None:
    files: dict[str, Content] = {f"f{i}.yaml": "" for i in range(5)}
    with pytest.raises(RenderError, match="more than 4 manifests"):
        scan(request(files), Tools(), RenderLimits(files=4))
    with pytest.raises(RenderError, match="more than 2 files"):
        scan(request(CHART, Source(URL, path="chart")), Tools(), RenderLimits(files=2))
