from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.render.errors import RenderError
from hub.render.paths import Inputs, RepositoryView, joined, normalized
from tests.render.trees import Content, Link, MemoryTree, Submodule

FILES: dict[str, Content] = {
    "a/x.yaml": "x",
    "a/link": Link("x.yaml"),
    "a/up": Link("../b"),
    "b/y.yaml": "y",
    "c": Link("a/up"),
    "out": Link("../../etc/passwd"),
    "absolute": Link("/etc/passwd"),
    "a/escape": Link("../../b"),
    "loop1": Link("loop2"),
    "loop2": Link("loop1"),
    "self": Link("."),
    "dangling": Link("nothing"),
    "sub": Submodule(),
}


@pytest.fixture
def inputs() -> Inputs:
    return Inputs()


@pytest.fixture
def view(inputs: Inputs) -> RepositoryView:
    return RepositoryView(0, MemoryTree(FILES), inputs)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a/x.yaml", "a/x.yaml"),
        ("a//./x.yaml", "a/x.yaml"),
        ("b/../a/x.yaml", "a/x.yaml"),
        ("a/link", "a/x.yaml"),
        ("a/up/y.yaml", "b/y.yaml"),
        ("c/y.yaml", "b/y.yaml"),
        ("self/self/b", "b"),
        ("", ""),
        ("dangling", None),
        ("none/at/all", None),
        ("a/x.yaml/below", None),
    ],
)
def test_symlinks_are_followed(view: RepositoryView, path: str, found: str | None) -> None:
    located = view.find(path)
    assert (located.path if located else None) == found


@pytest.mark.parametrize(
    "path", ["out", "absolute", "a/escape/y.yaml", "loop1", "loop1/x", "../a", "a/../../b", "a\0b"]
)
def test_nothing_leads_out_of_the_repository(view: RepositoryView, path: str) -> None:
    with pytest.raises(RenderError) as caught:
        view.find(path)
    assert caught.value.code == "path-refused"


def test_a_refused_symlink_is_named_with_its_target(view: RepositoryView) -> None:
    with pytest.raises(RenderError, match=r"'out' is a symlink to '../../etc/passwd', outside"):
        view.find("out")


def test_submodules_are_not_entered(view: RepositoryView) -> None:
    with pytest.raises(RenderError, match="submodule 'sub'") as caught:
        view.find("sub/x")
    assert caught.value.code == "not-served"


def test_what_was_looked_at_is_noted(view: RepositoryView, inputs: Inputs) -> None:
    view.find("c/y.yaml")
    view.find("dangling")
    assert inputs.collected() == {
        "0:a/up": view.tree.entry("a/up").object_id,  # type: ignore[union-attr]
        "0:b/y.yaml": view.tree.entry("b/y.yaml").object_id,  # type: ignore[union-attr]
        "0:c": view.tree.entry("c").object_id,  # type: ignore[union-attr]
        "0:dangling": view.tree.entry("dangling").object_id,  # type: ignore[union-attr]
        "0:nothing": "",
    }


def test_a_directory_stands_for_what_is_below_it(view: RepositoryView, inputs: Inputs) -> None:
    view.find("b/y.yaml")
    view.find("b/none")
    view.find("b")
    assert list(inputs.collected()) == ["0:b"]


def test_reading(view: RepositoryView) -> None:
    assert view.read("c/y.yaml", 10) == b"y"
    with pytest.raises(RenderError, match="at most 0"):
        view.read("b/y.yaml", 0)
    for path in ("none", "a"):
        with pytest.raises(RenderError) as caught:
            view.read(path, 10)
        assert caught.value.code == "path-not-found"


def test_paths_from_a_directory_and_from_the_root() -> None:
    assert joined("a/b", "../c") == "a/c"
    assert joined("a/b", "/c") == "c"


@given(st.text(alphabet="ab./", max_size=40))
def test_normalized_paths_stay_inside_and_have_one_spelling(text: str) -> None:
    try:
        path = normalized(text)
    except RenderError:
        return
    assert not path.startswith("/")
    assert not {"", ".", ".."} & set(path.split("/")) or path == ""
    assert normalized(path) == path
