from __future__ import annotations

import pickle
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.tree import Tree, TreeEntry
from hub.source import GitSource, GitTree
from hub.source.errors import MirrorDamaged
from hub.source.tree import normal_path, open_mirror
from tests.source.repos import Repo


@pytest.fixture
def tree(repo: Repo) -> Tree:
    (repo.work / "apps" / "link").symlink_to("web/a.yaml")
    (repo.work / "run.sh").write_text("true\n")
    (repo.work / "run.sh").chmod(0o755)
    sha = repo.commit({"apps/web/deep/c.json": "{}", "apps-b/z.yaml": "z"})
    return GitTree(repo.bare, sha)


def test_entries(tree: Tree, repo: Repo) -> None:
    assert tree.entry("") == TreeEntry("", repo.git("rev-parse", "HEAD^{tree}").strip(), "directory")
    assert tree.entry("apps/web") == TreeEntry("apps/web", repo.git("rev-parse", "HEAD:apps/web").strip(), "directory")
    file = tree.entry("./apps//web/a.yaml")
    assert file == TreeEntry("apps/web/a.yaml", repo.git("rev-parse", "HEAD:apps/web/a.yaml").strip(), "file", 5)
    assert tree.entry("apps/nothing") is None
    assert tree.entry("apps/web/a.yaml/below") is None


def test_a_symlink_is_told_from_a_file_that_holds_the_same(tree: Tree, repo: Repo) -> None:
    link = tree.entry("apps/link")
    assert link is not None
    assert (link.kind, tree.read("apps/link", 100)) == ("symlink", b"web/a.yaml")
    (repo.work / "apps" / "link").unlink()
    after = GitTree(repo.bare, repo.commit({"apps/link": "web/a.yaml"})).entry("apps/link")
    assert after is not None
    assert after.object_id != link.object_id


def test_lists_are_sorted_by_name_and_walks_by_path(tree: Tree) -> None:
    assert [e.path for e in tree.list("")] == ["apps", "apps-b", "run.sh"]
    assert [e.path for e in tree.list("apps/web")] == ["apps/web/a.yaml", "apps/web/deep"]
    paths = [e.path for e in tree.walk("")]
    assert sorted(paths) == [
        "apps-b/z.yaml", "apps/api/b.yaml", "apps/link", "apps/web/a.yaml", "apps/web/deep/c.json", "run.sh",
    ]  # fmt: skip
    assert paths == sorted(paths)


def test_what_is_not_there(tree: Tree) -> None:
    with pytest.raises(FileNotFoundError):
        tree.list("none")
    with pytest.raises(NotADirectoryError):
        tree.list("run.sh")
    with pytest.raises(FileNotFoundError):
        list(tree.walk("none"))
    with pytest.raises(FileNotFoundError):
        tree.read("none", 10)
    for directory in ("apps", ""):
        with pytest.raises(IsADirectoryError):
            tree.read(directory, 10)


def test_reading_stops_at_the_limit(tree: Tree) -> None:
    assert tree.read("apps/web/a.yaml", 5) == b"a: 1\n"
    with pytest.raises(ValueError, match="5 bytes; 4"):
        tree.read("apps/web/a.yaml", 4)


def test_submodules_are_named_and_not_entered(repo: Repo) -> None:
    commit = repo.git("rev-parse", "HEAD").strip()
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{commit},apps/sub")
    repo.git("commit", "--quiet", "--message", "submodule")
    repo.push()
    tree = GitTree(repo.bare, repo.git("rev-parse", "HEAD").strip())
    assert tree.entry("apps/sub") == TreeEntry("apps/sub", commit, "submodule")
    assert TreeEntry("apps/sub", commit, "submodule") in tree.walk("apps")
    assert not [e for e in tree.walk("apps") if e.path.startswith("apps/sub/")]
    with pytest.raises(NotADirectoryError):
        tree.list("apps/sub")
    with pytest.raises(IsADirectoryError):
        tree.read("apps/sub", 10)


@pytest.mark.parametrize("path", ["..", "a/../..", "a\0b", "a/" * 2100, "/".join("a" * 120)])
def test_paths_stay_inside(tree: GitTree, path: str) -> None:
    for read in (tree.entry, tree.list):
        with pytest.raises(ValueError):
            read(path)
    assert tree.object_id(path) == ""


@given(st.text(alphabet="ab/.", max_size=30))
def test_normal_paths_have_one_spelling(text: str) -> None:
    try:
        path = normal_path(text)
    except ValueError:
        return
    assert normal_path(path) == path
    assert not {".", "..", ""} & set(path.split("/")) or path == ""


def test_object_ids_are_those_of_the_entries(tree: GitTree) -> None:
    for path in ("", "apps", "apps/link", "apps/web/a.yaml", "run.sh"):
        entry = tree.entry(path)
        assert entry is not None
        assert tree.object_id(path) == entry.object_id
    assert tree.object_id("none/at/all") == ""


def test_a_tree_travels_as_a_few_bytes(tree: GitTree) -> None:
    list(tree.walk(""))
    content = pickle.dumps(tree)
    assert len(content) < 300
    assert list(pickle.loads(content).walk("")) == list(tree.walk(""))


def test_a_mirror_that_is_not_there_or_lacks_the_commit(tmp_path: Path, repo: Repo) -> None:
    with pytest.raises(MirrorDamaged, match="hard refresh"):
        GitTree(tmp_path / "none", "0" * 40).entry("a")
    with pytest.raises(MirrorDamaged):
        GitTree(repo.bare, "0" * 40).list("")


def test_a_missing_object_is_damage_and_not_absence(repo: Repo) -> None:
    blob = repo.git("rev-parse", "HEAD:apps/web/a.yaml").strip()
    tree = repo.git("rev-parse", "HEAD:apps/web").strip()
    (repo.bare / "objects" / blob[:2] / blob[2:]).unlink()
    sha = repo.git("rev-parse", "HEAD").strip()
    with pytest.raises(MirrorDamaged):
        GitTree(repo.bare, sha).read("apps/web/a.yaml", 100)
    (repo.bare / "objects" / tree[:2] / tree[2:]).unlink()
    with pytest.raises(MirrorDamaged):
        GitTree(repo.bare, sha).entry("apps/web/a.yaml")
    with pytest.raises(MirrorDamaged):
        list(GitTree(repo.bare, sha).walk(""))


def test_a_mirror_made_anew_is_opened_anew(tmp_path: Path) -> None:
    first, second = Repo(tmp_path, "one"), Repo(tmp_path, "two")
    first.commit({"a": "1"})
    sha = second.commit({"a": "2"})
    open_mirror(first.bare)
    first.bare.rename(tmp_path / "away")
    second.bare.rename(first.bare)
    assert GitTree(first.bare, sha).read("a", 10) == b"2"


async def test_a_thousand_paths_are_compared_in_milliseconds(repo: Repo, source: GitSource) -> None:
    paths = [f"clusters/c{i % 10}/app-{i}" for i in range(1000)]
    sha = repo.commit({f"{path}/a.yaml": path for path in paths})
    await source.refresh(repo.url)
    await source.resolve(repo.url, sha)
    started = time.perf_counter()
    found = source.object_ids(repo.url, sha, [*paths, "absent"])
    seconds = time.perf_counter() - started
    assert len(set(found.values())) == 1001
    assert found["absent"] == ""
    assert seconds < 0.1, f"{seconds * 1000:.1f} ms, on an idle machine 3"
