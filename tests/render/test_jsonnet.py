"""Jsonnet among the files of a directory: what is evaluated, what it may read, and when it is rendered anew."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import _gojsonnet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.application import DirectoryOptions, JsonnetOptions, JsonnetVariable, Source
from hub.render import RenderError, RendererSettings, RenderLimits
from hub.render.jsonnet_plan import imported
from tests.render.conftest import ONE_LOOP, URL, Kitchen, open_kitchen, request
from tests.render.trees import Content, Link, config_map

MAKE = "function(name, data={}) {apiVersion: 'v1', kind: 'ConfigMap', metadata: {name: name}, data: data}"


def source(path: str = "app", *, recurse: bool = False, exclude: str = "", **options: Any) -> Source:
    return Source(URL, path=path, directory=DirectoryOptions(recurse, "", exclude, JsonnetOptions(**options)))


def variables(**given: str) -> tuple[JsonnetVariable, ...]:
    return tuple(JsonnetVariable(name, value) for name, value in given.items())


@pytest.fixture
def files() -> dict[str, Content]:
    return {
        "app/a.yaml": config_map("plain"),
        "app/b.jsonnet": "local make = import '../lib/make.libsonnet'; [make('b1'), null, make('b2')]",
        "app/c.jsonnet": "(import 'sub/own.libsonnet')('c')",
        "app/sub/own.libsonnet": "import 'make.libsonnet'",
        "app/sub/make.libsonnet": MAKE,
        "lib/make.libsonnet": MAKE,
    }


class TestEvaluated:
    pytestmark = ONE_LOOP

    async def test_an_array_or_one_object_beside_plain_files(self, kitchen: Kitchen, files: dict[str, Content]) -> None:
        assert await kitchen.names(files, Source(URL, path="app")) == ["plain", "b1", "b2", "c"]

    async def test_libraries_are_only_imported(self, kitchen: Kitchen, files: dict[str, Content]) -> None:
        files["app/deep/d.jsonnet"] = "(import '../sub/make.libsonnet')('d')"
        names = ["plain", "b1", "b2", "c", "d"]
        assert await kitchen.names(files, source(recurse=True)) == names
        assert await kitchen.names(files, source(recurse=True, exclude="b.*")) == ["plain", "c", "d"]

    async def test_a_list_is_unfolded_and_nothing_is_nothing(self, kitchen: Kitchen, files: dict[str, Content]) -> None:
        files["app/b.jsonnet"] = f"{{apiVersion: 'v1', kind: 'List', items: [({MAKE})('b')]}}"
        files["app/c.jsonnet"] = "if false then {}"
        assert await kitchen.names(files, Source(URL, path="app")) == ["plain", "b"]

    async def test_at_the_root(self, kitchen: Kitchen) -> None:
        files = {"a.jsonnet": "(import 'make.libsonnet')('a')", "make.libsonnet": MAKE}
        assert await kitchen.names(files, Source(URL, path=".")) == ["a"]

    async def test_values_from_outside(self, kitchen: Kitchen, files: dict[str, Content]) -> None:
        files = {
            "app/make.libsonnet": MAKE,
            "app/a.jsonnet": "function(name, count) (import 'make.libsonnet')(name, "
            "{count: '%d' % (count + 1), of: std.extVar('of'), is: std.type(std.extVar('tree'))})",
        }
        given = source(
            tlas=(
                *variables(name="$ARGOCD_APP_NAME-${ARGOCD_APP_REVISION_SHORT}"),
                JsonnetVariable("count", "2", True),
            ),
            ext_vars=(*variables(of="$$1"), JsonnetVariable("tree", "{a: 1}", True)),
        )
        (made,) = await kitchen.objects(files, given)
        assert made["metadata"]["name"] == "shop-0123456"
        assert made["data"] == {"count": "3", "of": "$1", "is": "object"}

    async def test_text_and_bytes(self, kitchen: Kitchen) -> None:
        body = "{t: importstr 'note.txt', b: std.base64(importbin 'raw.bin')}"
        files: dict[str, Content] = {
            "app/a.jsonnet": f"({MAKE})('a', {body})",
            "app/note.txt": "import 'nothing'\n",
            "app/raw.bin": b"\xff\x00",
        }
        (made,) = await kitchen.objects(files, Source(URL, path="app"))
        assert made["data"] == {"t": "import 'nothing'\n", "b": base64.b64encode(b"\xff\x00").decode()}

    async def test_numbers_are_whole_where_they_are(self, kitchen: Kitchen) -> None:
        numbers = "{spec: [1, 3.0, 0.5, 1e6, 9007199254740991]}"
        (made,) = await kitchen.objects({"a.jsonnet": f"({MAKE})('a') + {numbers}"})
        assert json.dumps(made["spec"]) == "[1, 3, 0.5, 1000000, 9007199254740991]"


class TestSearch:
    pytestmark = ONE_LOOP

    @pytest.mark.parametrize(
        ("options", "name"),
        [
            ({}, "own"),
            ({"libs": ("one", "two")}, "two"),
            ({"libs": ("two", "one")}, "one"),
            ({"libs": ("absent",)}, "own"),
        ],
    )
    async def test_the_order(self, kitchen: Kitchen, options: dict[str, Any], name: str) -> None:
        files: dict[str, Content] = {
            f"{place}/x.libsonnet": f"({MAKE})('{place.rpartition('/')[2]}')" for place in ("one", "two", "app/own")
        }
        files["app/deep/a.jsonnet"] = "import 'x.libsonnet'"
        files["app/x.libsonnet"] = "import 'own/x.libsonnet'"
        assert await kitchen.names(files, source(recurse=True, **options)) == [name]
        # The importing file's own directory comes before all.
        files["app/deep/x.libsonnet"] = f"({MAKE})('beside')"
        assert await kitchen.names(files, source(recurse=True, **options)) == ["beside"]

    async def test_what_jsonnet_bundler_has_brought(self, kitchen: Kitchen) -> None:
        files: dict[str, Content] = {
            "env/app/a.jsonnet": "(import 'github.com/org/lib/make.libsonnet')('a')",
            "env/vendor/github.com/org/lib/make.libsonnet": MAKE,
        }
        with pytest.raises(RenderError, match=r"no file 'github.com/org/lib/make.libsonnet' in the repository"):
            await kitchen.names(files, source("env/app"))
        files["env/jsonnetfile.json"] = "{}"
        assert await kitchen.names(files, source("env/app")) == ["a"]
        # The nearest comes first.
        files["env/app/jsonnetfile.json"] = "{}"
        files["env/app/vendor/github.com/org/lib/make.libsonnet"] = "function(name) (" + MAKE + ")('nearer')"
        assert await kitchen.names(files, source("env/app")) == ["nearer"]

    async def test_through_symlinks(self, kitchen: Kitchen, files: dict[str, Content]) -> None:
        files["app/b.jsonnet"] = "[(import 'link/make.libsonnet')('b')]"
        files["app/link"] = Link("../lib")
        assert await kitchen.names(files, Source(URL, path="app")) == ["plain", "b", "c"]

    @pytest.mark.parametrize("name", ["/etc/passwd", "../../../etc/passwd", "../../app/../../x", "/proc/self/environ"])
    @pytest.mark.parametrize("word", ["import", "importstr", "importbin"])
    async def test_nothing_outside_of_the_repository(self, kitchen: Kitchen, name: str, word: str) -> None:
        with pytest.raises(RenderError, match="that may be imported") as caught:
            await kitchen.names({"app/a.jsonnet": f"{{a: {word} '{name}'}}"}, Source(URL, path="app"))
        assert caught.value.code == "tool-failed" and "imported in app/" in caught.value.message

    async def test_a_library_outside_of_the_repository(self, kitchen: Kitchen, files: dict[str, Content]) -> None:
        with pytest.raises(RenderError, match="leads out of the repository"):
            await kitchen.names(files, source(libs=("../x",)))

    async def test_a_symlink_that_leads_out_is_not_there(self, kitchen: Kitchen) -> None:
        files: dict[str, Content] = {"app/a.jsonnet": "{a: importstr 'x'}", "app/x": Link("/etc/passwd")}
        with pytest.raises(RenderError, match="that may be imported"):
            await kitchen.names(files, Source(URL, path="app"))


class TestKeys:
    pytestmark = ONE_LOOP

    async def test_what_makes_another(self, kitchen: Kitchen, files: dict[str, Content]) -> None:
        async def key(changed: Mapping[str, Content] | None = None, of: Source | None = None, app: str = "shop") -> str:
            return (await kitchen.scan(request({**files, **(changed or {})}, of or source(), app=app))).key

        plain = await key()
        assert await key({"lib/other.libsonnet": "{}", "app/sub/unused.libsonnet": "{}"}, app="other") == plain
        others = [
            await key({"lib/make.libsonnet": MAKE + " "}),
            await key({"app/sub/make.libsonnet": MAKE + " "}),
            await key({"app/b.jsonnet": "[]"}),
            await key(of=source(tlas=variables(a="b"))),
            await key(of=source(ext_vars=variables(a="b"))),
            await key(of=source(ext_vars=(JsonnetVariable("a", "b", True),))),
        ]
        assert len({plain, *others}) == len(others) + 1

    async def test_a_file_that_comes_before_the_one_found(self, kitchen: Kitchen, files: dict[str, Content]) -> None:
        files["app/c.jsonnet"] = "(import 'make.libsonnet')('c')"
        of = source(libs=("lib", "later"))
        before = await kitchen.scan(request(files, of))
        after = await kitchen.scan(request({**files, "later/make.libsonnet": MAKE}, of))
        assert before.key != after.key
        # It was looked for, so that its coming is noticed.
        assert before.inputs["0:later/make.libsonnet"] == "" != after.inputs["0:later/make.libsonnet"]


class TestTrouble:
    pytestmark = ONE_LOOP

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("{a: 1", "Expected"),
            ("error 'no replicas'", "no replicas"),
            ("std.extVar('x')", "Undefined external variable: x"),
            ("import 'absent.libsonnet'", "no file 'absent.libsonnet' in the repository"),
            ("local f(x) = f(x + 1); f(1)", "max stack frames exceeded"),
            ("function(a) a", "Missing argument: a"),
            ("std.native('x')()", "x"),
        ],
    )
    async def test_what_is_said(self, kitchen: Kitchen, text: str, said: str) -> None:
        with pytest.raises(RenderError) as caught:
            await kitchen.names({"app/a.jsonnet": text}, Source(URL, path="app"))
        assert caught.value.code == "tool-failed" and not caught.value.retryable
        assert "Jsonnet cannot evaluate app/a.jsonnet" in caught.value.message and said in caught.value.message
        assert "Traceback" not in caught.value.message and "/tmp" not in caught.value.message

    @pytest.mark.parametrize("text", ["'text'", "[1]", "{a: {b: 1}}"])
    async def test_what_is_no_object(self, kitchen: Kitchen, text: str) -> None:
        with pytest.raises(RenderError, match=r"app/a.jsonnet.*(no Kubernetes object|apiVersion)") as caught:
            await kitchen.names({"app/a.jsonnet": text}, Source(URL, path="app"))
        assert caught.value.code == "invalid-manifest"

    async def test_values_are_in_no_argument_list(self, kitchen: Kitchen, files: dict[str, Content]) -> None:
        files["app/a.jsonnet"] = "error std.extVar('of')"
        secret = source(ext_vars=variables(of="s3cret"))
        scan = await kitchen.scan(request(files, secret))
        assert "s3cret" not in repr(dataclasses.replace(scan, plans=()))


SUM, MANY = "std.foldl", "std.range(1, 100000)"


@pytest.mark.parametrize(
    ("text", "seconds", "code", "said"),
    [
        (f"{SUM}(function(a, i) {SUM}(function(b, j) b + j, {MANY}, a), {MANY}, 0)", 3, "render-timeout", "than 3 s"),
        ("std.length(std.foldl(function(a, i) a + a, std.range(1, 40), 'x'))", 60, "tool-failed", "took more memory"),
    ],
)
async def test_what_never_ends(tmp_path: Path, text: str, seconds: int, code: str, said: str) -> None:
    files: dict[str, Content] = {"bad/a.jsonnet": text, "good/a.jsonnet": f"({MAKE})('a')"}
    settings = RendererSettings(workers=1, limits=RenderLimits(seconds=seconds))
    async with open_kitchen(tmp_path, settings) as kitchen:
        with pytest.raises(RenderError, match=said) as caught:
            await kitchen.names(files, Source(URL, path="bad"))
        assert caught.value.code == code
        assert await kitchen.names(files, Source(URL, path="good")) == ["a"]
    assert not [line for line in command_lines() if "jsonnet_program" in line]


def command_lines() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


NAMES = st.text(max_size=20).filter(lambda text: "\0" not in text)
QUOTES: dict[str, Callable[[str], str]] = {
    "single": lambda name: "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'",
    "double": lambda name: '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"',
    "json": lambda name: json.dumps(name),
    "at single": lambda name: "@'" + name.replace("'", "''") + "'",
    "at double": lambda name: '@"' + name.replace('"', '""') + '"',
}
SPACES = ["", " ", "\n\t", "/* a ' b */", "// c\n", "# it's\n ", "/**/ // x\n"]


@given(NAMES, st.sampled_from(sorted(QUOTES)), st.sampled_from(SPACES), st.sampled_from(["import", "importstr"]))
def test_every_import_is_found_before_it_is_evaluated(name: str, quote: str, space: str, word: str) -> None:
    text = f"local before = 'a'; [before, {word}{space}{QUOTES[quote](name)}]"
    asked: list[str] = []

    def load(_: str, wanted: str) -> tuple[str, bytes]:
        asked.append(wanted)
        return "found", b"'x'"

    evaluate: Any = _gojsonnet.evaluate_snippet
    try:
        evaluate("a.jsonnet", text, import_callback=load)
    except RuntimeError:
        return
    assert set(asked) <= set(imported(text))


@given(st.text(alphabet="import str'\"@\\/*#\n xu0", max_size=200))
def test_no_text_breaks_the_search(text: str) -> None:
    assert all(isinstance(name, str) for name in imported(text))
