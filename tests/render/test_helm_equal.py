"""What charts are given, and what comes of it: byte for byte what `helm template` prints, and in its order."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hub.domain.application import NameValue
from tests.render.conftest import ONE_LOOP, Kitchen
from tests.render.helm_equal import (
    CHART,
    DEPENDENCIES,
    METADATA,
    PARENT,
    SUB,
    both_refuse,
    compare,
    data,
)
from tests.render.helm_reference import HelmRefused

pytestmark = ONE_LOOP


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
