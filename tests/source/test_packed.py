"""Files that somebody sends, as a tree."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import HubError, Invalid, TooLarge
from hub.source import packed as module
from hub.source.packed import PackedTree, unpack
from tests.fleet.kit import Repository


def packed(files: dict[str, bytes], *members: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for member in members:
            archive.addfile(member)
    return buffer.getvalue()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


FILES = {"a.yaml": b"a: 1\n", "base/b.yaml": b"b: 2\n", "base/deep/c.yaml": b"", "z.yaml": b"z"}


def test_it_reads_as_a_tree() -> None:
    tree = unpack(packed(FILES, link("l.yaml", "base/b.yaml")))
    assert [e.path for e in tree.walk("")] == ["a.yaml", "base/b.yaml", "base/deep/c.yaml", "l.yaml", "z.yaml"]
    assert [(e.path, e.kind) for e in tree.list("base")] == [("base/b.yaml", "file"), ("base/deep", "directory")]
    assert tree.read("base/../a.yaml", 100) == b"a: 1\n"
    entry = tree.entry("l.yaml")
    assert entry is not None and (entry.kind, tree.read("l.yaml", 100)) == ("symlink", b"base/b.yaml")
    assert tree.entry("nothing") is None
    with pytest.raises(FileNotFoundError):
        tree.list("nothing")
    with pytest.raises(NotADirectoryError):
        tree.list("a.yaml")
    with pytest.raises(IsADirectoryError):
        tree.read("base", 1)
    with pytest.raises(ValueError, match="5 bytes"):
        tree.read("a.yaml", 4)


def test_it_lies_where_the_source_says() -> None:
    tree = unpack(packed(FILES), "apps/web")
    assert tree.read("apps/web/base/b.yaml", 100) == b"b: 2\n"
    assert [e.path for e in tree.list("")] == ["apps"]


def test_files_have_the_names_that_git_gives_them(tmp_path: object) -> None:
    from pathlib import Path

    assert isinstance(tmp_path, Path)
    repository = Repository(tmp_path / "repository")
    (repository.path / "a.yaml").write_bytes(FILES["a.yaml"])
    repository.commit()
    entry = unpack(packed(FILES)).entry("a.yaml")
    assert entry is not None and entry.object_id == repository.git("rev-parse", "HEAD:a.yaml")


def test_a_change_deep_inside_changes_the_name_of_what_is_above() -> None:
    one, two = (unpack(packed({**FILES, "base/deep/c.yaml": text})) for text in (b"1", b"2"))
    for path in ("", "base", "base/deep", "base/deep/c.yaml"):
        first, second = one.entry(path), two.entry(path)
        assert first is not None and second is not None and first.object_id != second.object_id
    assert one.entry("a.yaml") == two.entry("a.yaml")


def test_it_goes_to_another_process_whole() -> None:
    tree: PackedTree = pickle.loads(pickle.dumps(unpack(packed(FILES))))
    assert tree.read("z.yaml", 10) == b"z" and tree.entry("") == unpack(packed(FILES)).entry("")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no gzip",
        gzip.compress(b"no tar" * 1000),
        packed(FILES)[:-20],
        packed({"../out": b""}),
        packed({"a": b"", "a/b": b""}),
        packed({}, link("hard", "a.yaml", tarfile.LNKTYPE)),
        packed({}, link("device", "", tarfile.CHRTYPE)),
    ],
    # Not named by what they hold: that has the time in it, and every process would know them by another name.
    ids=["nothing", "no gzip", "no tar", "cut short", "way out", "file as directory", "hard link", "device"],
)
def test_what_is_no_packed_directory_is_refused(content: bytes) -> None:
    with pytest.raises(Invalid):
        unpack(content)


def test_what_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = gzip.compress(bytes(module.UNPACKED_LIMIT + 1))
    with pytest.raises(TooLarge, match="unpacked"):
        unpack(bomb)
    monkeypatch.setattr(module, "MOST_FILES", 3)
    with pytest.raises(TooLarge, match="more than 3 files"):
        unpack(packed(FILES))
    monkeypatch.setattr(module, "PACKED_LIMIT", 10)
    with pytest.raises(TooLarge):
        unpack(packed(FILES))


@given(st.binary(max_size=2000))
def test_whatever_is_sent_is_a_tree_or_refused(content: bytes) -> None:
    for sent in (content, gzip.compress(content), gzip.compress(content.ljust(1536, b"\0"))):
        try:
            list(unpack(sent).walk(""))
        except HubError:
            continue
