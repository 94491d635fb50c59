"""Options that name some of several sources: what is asked of the hub for them, and how their sources are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.cli.sources import Positions
from hub.source.packed import unpack
from tests.cli import samples
from tests.cli.conftest import Terminal
from tests.cli.fakehub import FakeHub, refused

APP = "/applications/web"
PAIRS = ("--revisions", "0.0.1", "--source-positions", "1", "--revisions", "0.0.2", "--source-positions", "2")
BY_NAME = ("--revisions", "0.0.1", "--source-names", "chart", "--source-names", "values", "--revisions", "0.0.2")
AT_ONCE = ("--source-positions", "1,2", "--revisions", "0.0.1", "--revisions", "0.0.2")
BY_POSITION = {"revisions": ["0.0.1", "0.0.2"], "source_positions": [1, 2]}
SHAPES = pytest.mark.parametrize(
    ("words", "asked"),
    [
        (PAIRS, BY_POSITION),
        (AT_ONCE, BY_POSITION),
        (BY_NAME, {"revisions": ["0.0.1", "0.0.2"], "source_names": ["chart", "values"]}),
    ],
    ids=["pairs", "at once", "by name"],
)


@SHAPES
def test_a_sync_of_some_sources(hub: FakeHub, run: Terminal, words: tuple[str, ...], asked: dict[str, Any]) -> None:
    hub.on("GET", APP, samples.detail())
    hub.on("POST", f"{APP}/sync", {"operation_id": "ours"})
    assert run("app", "sync", "web", "--async", *words).code == 0
    body = hub.requests[-1].json
    assert {key: body[key] for key in asked} == asked
    assert not {"revision", "revisions", "source_positions", "source_names"} - set(asked) & set(body)


@SHAPES
@pytest.mark.parametrize("verb", ["diff", "manifests"])
def test_questions_about_some_sources(
    hub: FakeHub, run: Terminal, verb: str, words: tuple[str, ...], asked: dict[str, Any]
) -> None:
    hub.on("GET", f"{APP}/{verb}", {"items": []})
    assert run("app", verb, "web", *(word.replace("0.0.", "c0ffee") for word in words)).code == 0
    expected = {key: [str(item).replace("0.0.", "c0ffee") for item in value] for key, value in asked.items()}
    assert hub.requests[-1].lists == expected


def test_what_the_hub_finds_unclear_is_told_in_its_words(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", f"{APP}/diff", refused(422, "unclear-source", "application web: which? Its sources are 1 a, 2 b"))
    for words in (
        ("--revisions", "v1"),
        ("--revision", "v1"),
        ("--revision", "v1", *PAIRS),
        ("--source-positions", "1"),
    ):
        outcome = run("app", "diff", "web", *words)
        assert (outcome.code, outcome.err) == (2, "error: application web: which? Its sources are 1 a, 2 b\n"), words
        assert set(hub.requests[-1].query) <= {"revision", "revisions", "source_positions"}
    assert hub.asked("GET", f"{APP}/diff")[2].lists == {
        "revision": ["v1"],
        "revisions": ["0.0.1", "0.0.2"],
        "source_positions": ["1", "2"],
    }


def test_what_takes_long_is_asked_for_once(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", f"{APP}/diff", refused(503, "unavailable", "nothing was rendered"))
    assert run("app", "diff", "web", *PAIRS).code == 3
    assert len(hub.asked("GET", f"{APP}/diff")) == 1


def test_a_directory_in_the_place_of_one_source(hub: FakeHub, run: Terminal, tmp_path: Path) -> None:
    hub.on("POST", f"{APP}/diff", {"items": [samples.cluster_diff("edge-1")]})
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "values.yaml").write_text("a: 1")
    local = ("--local", str(tree))
    for words, query in (
        (("--source-position", "2"), {"source_position": "2"}),
        (("--source-name", "values"), {"source_name": "values"}),
        (("--source-position", "1", "--local-repo-root", str(tree)), {"source_position": "1", "path": "."}),
    ):
        assert run("app", "diff", "web", *local, *words).code == 0
        assert hub.requests[-1].query == query
        assert [entry.path for entry in unpack(hub.requests[-1].content).walk("")] == ["values.yaml"]


def test_questions_that_contradict_themselves(hub: FakeHub, run: Terminal, tmp_path: Path) -> None:
    for words in (
        ("diff", "--local", str(tmp_path), *PAIRS),
        ("diff", "--local", str(tmp_path), "--source-positions", "1"),
        ("diff", "--source-position", "1"),
        ("diff", "--source-name", "chart", "--revision", "v1"),
        ("sync", "--revisions", "v1", "--source-positions", "one"),
        ("sync", "--revisions", "v1", "--source-positions", "-1"),
        ("manifests", "--revisions", "v 1", "--source-positions", "1"),
    ):
        outcome = run("app", words[0], "web", *words[1:])
        assert (outcome.code, outcome.err.startswith("error: ")) == (2, True), (words, outcome)
    assert hub.requests == []


def read(text: str) -> tuple[int, ...]:
    return Positions().convert(text, None, None)


def test_positions() -> None:
    assert (read("1"), read(" 1,12 "), read("0")) == ((1,), (1, 12), (0,))


@given(st.text(max_size=30) | st.lists(st.integers(), max_size=4).map(lambda n: ",".join(map(str, n))))
def test_any_text_is_read_as_positions_or_refused(text: str) -> None:
    try:
        found = read(text)
    except click.BadParameter:
        return
    assert found == tuple(int(part) for part in text.split(","))
    assert all(0 <= number <= 99_999 for number in found)


def several() -> dict[str, Any]:
    sources = [
        samples.source("web", name="chart"),
        samples.source("", repo="https://git.example/values.git", name="values", ref="values"),
        samples.source("more", repo="https://git.example/more.git"),
    ]
    first = samples.detail()["refresh"]["revisions"][0]
    revisions = [first, {**first, "revision": "0ddba11" + "2" * 33, "message": "Say\nless", "author": ""}]
    detail = samples.detail(summary=samples.summary(sources=sources, revision="c0ffee0,0ddba11"))
    detail["refresh"] |= {"revision": "c0ffee0,0ddba11", "revisions": revisions}
    return detail


def test_several_sources_are_shown_as_they_may_be_named(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", APP, several())
    lines = run("app", "get", "web").out.splitlines()
    assert [" ".join(line.split()) for line in lines if line.startswith(("Source", "Revision"))] == [
        "Source 1: https://git.example/shop.git web @ main (name chart)",
        "Source 2: https://git.example/values.git @ main (name values, ref values)",
        "Source 3: https://git.example/more.git more @ main",
        "Revision 1: c0ffee0 Serve more, Ada <ada@example.com>, 1h ago",
        "Revision 2: 0ddba11 Say, 1h ago",
    ]


def test_what_an_earlier_hub_does_not_tell_of_them_is_left_out(hub: FakeHub, run: Terminal) -> None:
    detail = several()
    for source in detail["summary"]["sources"]:
        del source["name"], source["ref"]
    hub.on("GET", APP, detail)
    assert "values.git @ main\n" in run("app", "get", "web").out


def test_history_tells_the_commit_of_each_source(hub: FakeHub, run: Terminal) -> None:
    entry = samples.history()
    first = entry["revisions"][0]
    entry["revisions"] = [first, {**first, "message": "Other", "author": "Bob"}, {**first, "message": "", "author": ""}]
    hub.on("GET", f"{APP}/history", {"items": [entry]})
    out = run("app", "history", "web", "-o", "wide").out
    assert "  1: Serve more; 2: Other  " in out
    assert f"{first['author']}, Bob " in out
