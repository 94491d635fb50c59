from __future__ import annotations

import json
import re
from typing import Any

import pytest

from hub.domain.application import DirectoryOptions, Source
from hub.render import RenderError
from tests.render.conftest import ONE_LOOP, URL, Kitchen, request
from tests.render.trees import Content, Link, Submodule, config_map

pytestmark = ONE_LOOP

FILES: dict[str, Content] = {
    "app/b.yaml": config_map("b"),
    "app/a.yml": config_map("a1") + "\n---\n" + config_map("a2"),
    "app/c.json": config_map("c"),
    "app/notes.txt": "kind: nonsense",
    "app/deep/d.yaml": config_map("d"),
    "app/deep/er/e.yaml": config_map("e"),
    "elsewhere/x.yaml": config_map("x"),
}


def directory(**options: Any) -> Source:
    return Source(URL, path="app", directory=DirectoryOptions(**options))


async def test_the_files_of_one_directory_in_order(kitchen: Kitchen) -> None:
    assert await kitchen.names(FILES, Source(URL, path="app")) == ["a1", "a2", "b", "c"]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"recurse": True}, ["a1", "a2", "b", "c", "d", "e"]),
        ({"recurse": True, "include": "deep/*"}, ["d", "e"]),
        ({"recurse": True, "exclude": "deep/er/*"}, ["a1", "a2", "b", "c", "d"]),
        ({"include": "{a.yml,c.json}"}, ["a1", "a2", "c"]),
        ({"include": "*.yaml", "exclude": "b.*"}, []),
    ],
)
async def test_options(kitchen: Kitchen, options: dict[str, Any], names: list[str]) -> None:
    assert await kitchen.names(FILES, directory(**options)) == names


async def test_several_sources_follow_one_another(kitchen: Kitchen) -> None:
    sources = (Source(URL, path="elsewhere"), Source(URL, path="app/deep"))
    assert await kitchen.names(FILES, *sources) == ["x", "d"]


async def test_numbers_dates_and_words_are_as_kubernetes_reads_them(kitchen: Kitchen) -> None:
    data = "data: {date: 2020-01-01, time: 12:30:45, on: yes, big: 1e3}\n"
    (value,) = await kitchen.objects({"a.yaml": f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\n{data}"})
    assert value["data"] == {"date": "2020-01-01", "time": "12:30:45", "true": True, "big": 1000}


class TestSymlinks:
    async def test_to_a_file_of_the_repository(self, kitchen: Kitchen) -> None:
        files: dict[str, Content] = {"app/l.yaml": Link("../elsewhere/x.yaml"), "elsewhere/x.yaml": config_map("x")}
        assert await kitchen.names(files, Source(URL, path="app")) == ["x"]
        scan = await kitchen.scan(request(files, Source(URL, path="app")))
        assert "0:elsewhere/x.yaml" in scan.inputs

    @pytest.mark.parametrize("target", ["../../secret.yaml", "/etc/passwd.yaml", "../../../../../etc/shadow"])
    async def test_out_of_the_repository(self, kitchen: Kitchen, target: str) -> None:
        with pytest.raises(RenderError, match=re.escape("'app/l.yaml' is a symlink to")) as caught:
            await kitchen.names({"app/l.yaml": Link(target)}, Source(URL, path="app"))
        assert caught.value.code == "path-refused"
        assert not caught.value.retryable

    async def test_that_dangle_or_lead_to_directories_are_passed_over(self, kitchen: Kitchen) -> None:
        links: dict[str, Content] = {"app/l.yaml": Link("none.yaml"), "app/d.yaml": Link("../b")}
        files = links | {"b/x": "", "app/a.yaml": config_map("a")}
        assert await kitchen.names(files, Source(URL, path="app")) == ["a"]

    async def test_the_path_itself_may_be_one(self, kitchen: Kitchen) -> None:
        files: dict[str, Content] = {"current": Link("v1"), "v1/a.yaml": config_map("a")}
        assert await kitchen.names(files, Source(URL, path="current")) == ["a"]
        scan = await kitchen.scan(request(files, Source(URL, path="current")))
        assert list(scan.inputs) == ["0:current", "0:v1"]


async def test_a_submodule_below_the_path_is_told_and_not_taken_for_nothing(kitchen: Kitchen) -> None:
    files: dict[str, Content] = {"app/a.yaml": config_map("a"), "app/sub": Submodule()}
    with pytest.raises(RenderError, match=re.escape("'app/sub' is a Git submodule")) as caught:
        await kitchen.names(files, directory(recurse=True))
    assert caught.value.code == "not-served"
    assert await kitchen.names(files, directory(recurse=True, exclude="sub")) == ["a"]
    assert await kitchen.names(files, Source(URL, path="app")) == ["a"]
    with pytest.raises(RenderError, match=re.escape("'app/charts/sub' in the chart is a Git submodule")):
        await kitchen.scan(
            request({"app/Chart.yaml": "name: a\n", "app/charts/sub": Submodule()}, Source(URL, path="app"))
        )


async def test_a_file_kept_in_lfs_is_told_and_not_taken_for_none(kitchen: Kitchen) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 812\n"
    files: dict[str, Content] = {"app/a.yaml": config_map("a"), "app/b.yaml": pointer}
    with pytest.raises(RenderError, match=re.escape("app/b.yaml is kept in Git LFS")) as caught:
        await kitchen.names(files, Source(URL, path="app"))
    assert caught.value.code == "not-served"
    assert await kitchen.names(files, directory(exclude="b.yaml")) == ["a"]


class TestPaths:
    @pytest.mark.parametrize(
        ("path", "code", "message"),
        [
            ("none", "path-not-found", "no path 'none' in https://git.example.com/a/b.git at 0123456789ab"),
            ("app/b.yaml", "path-not-found", "is a file"),
            ("../x", "path-refused", "leads out"),
            ("app/../../x", "path-refused", "leads out"),
            ("sub/x", "not-served", "submodule"),
        ],
    )
    async def test_that_do_not_work(self, kitchen: Kitchen, path: str, code: str, message: str) -> None:
        with pytest.raises(RenderError, match=re.escape(message)) as caught:
            await kitchen.scan(request(FILES | {"sub": Submodule()}, Source(URL, path=path)))
        assert caught.value.code == code

    async def test_messages_do_not_repeat_passwords(self, kitchen: Kitchen) -> None:
        with pytest.raises(RenderError) as caught:
            await kitchen.scan(request(FILES, Source("https://bob:secret@h/a", path="none")))
        assert "secret" not in caught.value.message

    @pytest.mark.parametrize("path", ["", ".", "./", "app/.."])
    async def test_the_root(self, kitchen: Kitchen, path: str) -> None:
        assert await kitchen.names({"a.yaml": config_map("a")}, Source(URL, path=path)) == ["a"]


class TestFilesThatAreNoManifests:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "# nothing\n---\n---\n",
            "replicas: 3\nimage: x\n",
            "just text",
            "{{ if .Values.x }}\na: {{ .Values.y }}\n{{ end }}",
            "[1, 2",
            '{"name": "package"}',
            f"# +argocd:skip-file-rendering\n{config_map('skipped')}\n: : broken",
        ],
    )
    async def test_are_passed_over(self, kitchen: Kitchen, text: str) -> None:
        assert await kitchen.names({"a.yaml": config_map("a"), "b.yaml": text, "c.json": text}) == ["a"]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: [", "b.yaml, line 5"),
            ("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n\tb: c\n", "replace the tab"),
            ("apiVersion: v1\nkind: A\nkind: B\n", 'b.yaml, line 3, column 1: the key "kind" is written twice'),
            ("kin: ConfigMap\napiVersion: v1\nmetadata: {name: n}\n", "b.yaml, line 1: the object has no kind"),
            (config_map("a") + "\n---\njust text\n", "b.yaml, line 3: the object is no Kubernetes object"),
            ("metadata: {name: n}\n", "b.yaml, line 1: the object has no apiVersion"),
        ],
    )
    async def test_but_look_like_ones_are_told(self, kitchen: Kitchen, text: str, message: str) -> None:
        with pytest.raises(RenderError, match=re.escape(message)) as caught:
            await kitchen.names({"b.yaml": text})
        assert caught.value.code == "invalid-manifest"
        assert not caught.value.retryable


async def test_a_yaml_bomb_is_defused(kitchen: Kitchen) -> None:
    bomb = "kind: x\napiVersion: v1\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
    bomb += "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9))
    with pytest.raises(RenderError, match=r"b\.yaml, line"):
        await kitchen.names({"b.yaml": bomb})
    assert await kitchen.names({"a.yaml": config_map("a")}) == ["a"]


async def test_deep_nesting_is_told(kitchen: Kitchen) -> None:
    with pytest.raises(RenderError, match="nested deeper"):
        await kitchen.names({"b.yaml": "kind: x\napiVersion: v1\nspec: " + "[" * 5000 + "]" * 5000})


async def test_five_thousand_objects(kitchen: Kitchen) -> None:
    rendered = await kitchen.render(
        request({f"f{i:02}.yaml": "\n---\n".join(config_map(f"n{i}-{j}") for j in range(100)) for i in range(50)})
    )
    assert len(rendered.manifest_set.entries) == len(rendered.blobs) == 5000


async def test_megabytes(kitchen: Kitchen) -> None:
    given = {f"f{i}.yaml": config_map(f"n{i}", data="x" * 500_000) for i in range(6)}
    rendered = await kitchen.render(request(given))
    assert sum(len(content) for content in rendered.blobs.values()) > 3_000_000
    assert len(rendered.manifest_set.entries) == 6


async def test_a_large_custom_resource_definition(kitchen: Kitchen) -> None:
    schema = {"type": "object", "properties": {f"field{i}": {"description": "d" * 250} for i in range(1100)}}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com"},
        "spec": {"versions": [{"schema": {"openAPIV3Schema": schema}}]},
    }
    text = json.dumps(crd, indent=1)
    assert len(text) > 300_000
    assert await kitchen.objects({"crd.yaml": text}) == [crd]
