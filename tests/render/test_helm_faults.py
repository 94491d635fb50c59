"""Charts that mean harm, or do it: each fails its own render with words that help, and no other."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from hub.domain.application import HelmOptions, NameValue, Source
from hub.render import RenderError, RendererSettings, RenderLimits
from hub.render.model import MIB
from tests.render.conftest import ONE_LOOP, URL, Kitchen, open_kitchen
from tests.render.trees import Content, Link, config_map

pytestmark = ONE_LOOP

CHART = "apiVersion: v2\nname: web\nversion: 1.2.3\n"
LIMITS = RenderLimits(seconds=5, output_bytes=20 * MIB)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kitchen(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kitchen]:
    async with open_kitchen(tmp_path_factory.mktemp("render"), RendererSettings(workers=2, limits=LIMITS)) as kitchen:
        yield kitchen


def template(text: str, **files: Content) -> dict[str, Content]:
    found: dict[str, Content] = {"chart/Chart.yaml": CHART, "chart/templates/t.yaml": text}
    return found | {f"chart/{name.replace('__', '/')}": content for name, content in files.items()}


def shown(expression: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\ndata: {{out: {{{{ {expression} | quote }}}}}}\n"


async def refused(kitchen: Kitchen, files: dict[str, Content], **options: Any) -> RenderError:
    """Return why a chart does not render, with a neighbour that does at the same time."""
    with pytest.raises(RenderError) as caught:
        await kitchen.names(files, Source(URL, path="chart", helm=HelmOptions(**options) if options else None))
    assert await kitchen.names({"a.yaml": config_map("a")}) == ["a"]
    assert "/worker-" not in caught.value.message and "/tmp" not in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ("text", "codes", "message"),
    [
        (
            '{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}',
            ["tool-failed"],
            "nested reference name: a",
        ),
        ('{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}', ["tool-failed", "render-crashed"], ""),
        (
            "{{ $t := `{{ tpl .t . }}` }}{{ tpl $t (dict `t` $t) }}",
            ["render-crashed", "tool-failed", "render-timeout"],
            "without end|memory|longer",
        ),
        ("{{ range until 1000000000 }}x{{ end }}", ["render-crashed", "tool-failed", "render-timeout"], ""),
        (
            "{{ range $a := until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}",
            ["render-timeout"],
            "longer than 5 s",
        ),
        ('{{ repeat 2000000000 "x" }}', ["render-crashed", "tool-failed", "too-large"], ""),
        ('{{ range until 3000 }}{{ repeat 10000 "x" }}{{ end }}', ["invalid-manifest", "too-large"], "at most 20"),
    ],
)
async def test_templates_that_recurse_loop_or_grow(kitchen: Kitchen, text: str, codes: list[str], message: str) -> None:
    error = await refused(kitchen, template(text))
    assert error.code in codes
    assert re.search(message, error.message)


async def test_too_many_documents(kitchen: Kitchen) -> None:
    one = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: n{{ . }}}\n"
    error = await refused(kitchen, template("{{ range until 100000 }}" + one + "{{ end }}"))
    assert error.code == "too-large" and "more than 50,000 documents" in error.message


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


class TestValues:
    async def test_files_that_are_too_large(self, kitchen: Kitchen) -> None:
        files = template(shown("1"), **{"large.yaml": "a: " + "x" * (50 * MIB - 10)})
        error = await refused(kitchen, files, value_files=("large.yaml",))
        assert (error.code, "chart/large.yaml is larger than" in error.message) == ("too-large", True)
        assert (await refused(kitchen, files, file_parameters=(("a", "large.yaml"),))).code == "too-large"

    async def test_bombs_in_files_and_in_the_source(self, kitchen: Kitchen) -> None:
        files = template(shown("1"), **{"bomb.yaml": BOMB})
        for options, name in (({"value_files": ("bomb.yaml",)}, "chart/bomb.yaml"), ({"values": BOMB}, "helm.values")):
            error = await refused(kitchen, files, **options)
            assert name in error.message and "once aliases are resolved" in error.message

    async def test_bombs_in_the_charts_own(self, kitchen: Kitchen) -> None:
        error = await refused(kitchen, template(shown("1"), **{"values.yaml": BOMB}))
        assert error.code in ("tool-failed", "invalid-manifest") and "alias" in error.message

    async def test_bombs_in_what_a_template_puts_out(self, kitchen: Kitchen) -> None:
        text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n" + BOMB
        error = await refused(kitchen, template(text))
        assert "once aliases are resolved" in error.message and "t.yaml" in error.message

    async def test_lists_by_index(self, kitchen: Kitchen) -> None:
        name = "a" + "[65536]" * 20
        error = await refused(kitchen, template(shown("1")), parameters=(NameValue(name + "[99999999]", "1"),))
        assert error.code == "invalid-source" and "index" in error.message


class TestOutside:
    @pytest.mark.parametrize(
        ("path", "code"),
        [
            ("../../etc/passwd", "path-refused"),
            ("../../../../../etc/passwd", "path-refused"),
            ("/etc/passwd", "path-not-found"),
            ("link.yaml", "path-refused"),
            ("directory/passwd", "path-refused"),
            ("/proc/self/environ", "path-not-found"),
            ("https://example.com/values.yaml", "not-served"),
            ("file:///etc/passwd", "not-served"),
        ],
    )
    async def test_value_files_and_file_parameters(self, kitchen: Kitchen, path: str, code: str) -> None:
        # The links are beside the chart: in it, they would be refused as its own.
        files = template(shown("1")) | {"link.yaml": Link("/etc/passwd"), "directory": Link("../../etc")}
        path = f"../{path}" if path.startswith(("link", "directory")) else path
        for options in ({"value_files": (path,)}, {"file_parameters": (("a", path),)}):
            error = await refused(kitchen, files, **options)
            assert error.code == code and "root:" not in error.message

    @pytest.mark.parametrize("target", ["/etc/passwd", "../../etc/passwd", "../../../../../../etc/passwd"])
    async def test_symlinks_in_a_chart(self, kitchen: Kitchen, target: str) -> None:
        error = await refused(kitchen, template(shown('.Files.Get "x"'), x=Link(target)))
        assert error.code == "path-refused" and "chart/x" in error.message

    async def test_what_an_archived_subchart_links_to_is_not_read(self, kitchen: Kitchen) -> None:
        files = template(shown('"no"'), **{"charts__sub-0.1.0.tgz": _archive({"sub/x": "/etc/passwd"})})
        files["chart/charts/sub-0.1.0.tgz"] = _archive({"sub/x": "/etc/passwd"})
        try:
            (found,) = [o for o in await kitchen.objects(files, Source(URL, path="chart")) if "y" in o["data"]]
            assert found["data"]["y"] == ""
        except RenderError as error:
            assert "root:" not in error.message

    async def test_archives_that_lead_out_or_grow_without_end(self, kitchen: Kitchen) -> None:
        files = template(shown("1"))
        files["chart/charts/sub-0.1.0.tgz"] = _archive({}, {"sub/../../../evil": b"x"})
        assert (await refused(kitchen, files)).code == "tool-failed"
        files["chart/charts/sub-0.1.0.tgz"] = _archive({}, {"sub/zeros": bytes(150 * MIB)})
        assert "larger than the maximum" in (await refused(kitchen, files)).message
        files["chart/charts/sub-0.1.0.tgz"] = gzip.compress(b"no archive")
        assert (await refused(kitchen, files)).code == "tool-failed"

    @pytest.mark.parametrize("function", ["env", "expandenv"])
    async def test_the_environment(self, kitchen: Kitchen, function: str) -> None:
        error = await refused(kitchen, template(shown(f'{function} "PATH"')))
        assert f'function "{function}" not defined' in error.message

    async def test_the_network(self, kitchen: Kitchen) -> None:
        files = template(shown('getHostByName "localhost"'))
        (found,) = await kitchen.objects(files, Source(URL, path="chart"))
        assert found["data"]["out"] == ""

    async def test_files_beside_the_chart(self, kitchen: Kitchen) -> None:
        files = template(shown('.Files.Get "../secret.txt"')) | {"secret.txt": "hidden"}
        (found,) = await kitchen.objects(files, Source(URL, path="chart"))
        assert found["data"]["out"] == ""


def _archive(links: dict[str, str], files: dict[str, bytes] | None = None) -> bytes:
    buffer = io.BytesIO()
    text = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\ndata: {y: {{ .Files.Get "x" | quote }}}\n'
    given = {
        "sub/Chart.yaml": b"apiVersion: v2\nname: sub\nversion: 0.1.0\n",
        "sub/templates/y.yaml": text.encode(),
        **(files or {}),
    }
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        for name, content in given.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in links.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return buffer.getvalue()


@pytest.mark.parametrize("text", ["{{" * 500_000, "{{ now " * 200_000, "{{ `" + "now " * 500_000])
async def test_templates_that_are_all_braces(kitchen: Kitchen, text: str) -> None:
    assert (await refused(kitchen, template(text))).code in ("tool-failed", "render-crashed")


@pytest.mark.parametrize("rules", ["**/x\n", "[\n", "a[\n", "x\n" * 2000])
async def test_ignore_files_that_mean_nothing_or_too_much(kitchen: Kitchen, rules: str) -> None:
    assert (await refused(kitchen, template(shown("1")) | {"chart/.helmignore": rules})).code in (
        "invalid-source",
        "too-large",
    )


async def test_ignore_files_that_try_everything(kitchen: Kitchen) -> None:
    files = template(shown("1")) | {"chart/.helmignore": "*a" * 100 + "b\n", "chart/" + "a" * 250: "x"}
    assert await kitchen.names(files, Source(URL, path="chart")) == ["x"]
