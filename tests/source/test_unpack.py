"""Archives from anywhere, made into trees or refused."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.source import unpack as module
from hub.source.errors import ArtifactRefused
from hub.source.shelf import Shelf
from hub.source.tree import GitTree

Member = tuple[str, bytes, bytes, str]
"""(name, tar's type, content, where a link leads)"""


def packed(*members: Member, end: bytes = b"", size: int | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, kind, content, target in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            info.size = len(content) if size is None else size
            archive.addfile(info, io.BytesIO(content) if content else None)
    return gzip.compress(buffer.getvalue() + end, mtime=0)


def file(name: str, content: bytes = b"x") -> Member:
    return name, tarfile.REGTYPE, content, ""


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> Member:
    return name, kind, b"", target


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    shelf = Shelf(tmp_path / "shelf")
    shelf.directory.mkdir()
    return shelf


async def put(shelf: Shelf, content: bytes, kind: str = "plain") -> GitTree:
    archive = shelf.new_file()
    archive.write_bytes(content)
    try:
        return await shelf.add("d" * 64, archive, kind, "The chart")
    finally:
        archive.unlink()


async def test_a_chart_without_the_directory_it_is_in(shelf: Shelf) -> None:
    content = packed(file("web/Chart.yaml"), file("web/templates/a.yaml"), link("web/b.yaml", "templates/a.yaml"))
    tree = await put(shelf, content, "chart")
    assert [(e.path, e.kind) for e in tree.walk("")] == [
        ("Chart.yaml", "file"),
        ("b.yaml", "symlink"),
        ("templates/a.yaml", "file"),
    ]


async def test_tar_without_gzip(shelf: Shelf) -> None:
    tree = await put(shelf, gzip.decompress(packed(file("./a/b.yaml", b"b"))))
    assert tree.read("a/b.yaml", 10) == b"b"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (packed(file("../x")), "leads out of it"),
        (packed(file("a/../../x")), "leads out of it"),
        (packed(file("/etc/passwd")), "leads out of it"),
        (packed(link("a", "/etc/passwd")), "a symlink to '/etc/passwd', outside of it"),
        (packed(link("a/b", "../../x")), "outside of it"),
        (packed(file("a"), link("b", "a", tarfile.LNKTYPE)), "neither a file nor a directory nor a symlink"),
        (packed(("d", tarfile.CHRTYPE, b"", "")), "neither a file"),
        (packed(("d", tarfile.FIFOTYPE, b"", "")), "neither a file"),
        (packed(file("a"), file("a/b")), "lies below a file"),
        (packed(file("a/b"), file("a")), "is a file and a directory"),
        (packed(file(".git/config")), "holds the name '.git'"),
        (packed(file("a" * 3000 + "/b" * 600)), "too long or too deep"),
        (packed(file("a" + "/b" * 150)), "too long or too deep"),
        (packed(file("a", b"x" * 5000))[:-200], "cannot be read"),
        (gzip.compress(b"no tar at all"), "cannot be read"),
        (b"\x1f\x8bno gzip", "cannot be read"),
        (b"nothing", "cannot be read"),
        (packed(file("big", bytes(51 * 1024 * 1024))), "larger than 52,428,800 bytes"),
        (packed(*(file(f"f{n}", bytes(40 * 1024 * 1024)) for n in range(3))), "larger than 104,857,600 bytes unpacked"),
        (packed(*(file(f"f{n}") for n in range(20_001))), "more than 20,000 files"),
    ],
)
async def test_what_is_refused(shelf: Shelf, content: bytes, words: str) -> None:
    with pytest.raises(ArtifactRefused, match=words):
        await put(shelf, content)
    assert list(shelf.directory.iterdir()) == []


async def test_a_header_that_claims_gigabytes(shelf: Shelf) -> None:
    """A name that is said to be 8 GB long is read in full by tarfile: there is no more than the bound to read."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 8 * 1024**3 - 1
    with pytest.raises(ArtifactRefused):
        await put(shelf, gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(90 * 1024 * 1024)))


async def test_files_beside_the_chart(shelf: Shelf) -> None:
    with pytest.raises(ArtifactRefused, match="outside of the chart's directory"):
        await put(shelf, packed(file("web/Chart.yaml"), file("stray")), "chart")


async def test_what_a_killed_hub_left_is_removed(shelf: Shelf) -> None:
    await put(shelf, packed(file("a")))
    (shelf.directory / "partial-file").write_bytes(b"half")
    (shelf.directory / "partial-directory").mkdir()
    shelf.recover()
    assert [path.name for path in shelf.directory.iterdir()] == ["d" * 64 + ".git"]


async def test_what_is_broken_on_disk_counts_as_not_there(shelf: Shelf) -> None:
    await put(shelf, packed(file("a")))
    (shelf.directory / f"{'d' * 64}.git" / "refs" / "heads" / "main").unlink()
    assert shelf.find("d" * 64) is None
    assert (await put(shelf, packed(file("a")))).read("a", 10) == b"x"


def inner(content: bytes, directory: Path) -> str:
    archive = directory / f"archive-{os.urandom(4).hex()}"
    archive.write_bytes(content)
    return module.unpack(archive, directory / f"repository-{os.urandom(4).hex()}", strip=False)


_NAMES = st.text(st.characters(codec="ascii", exclude_characters="\0/\\:"), min_size=1, max_size=8)


@settings(max_examples=30, deadline=None)
@given(files=st.dictionaries(_NAMES, st.binary(max_size=100), max_size=6), order=st.randoms())
def test_equal_files_have_one_commit(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], order: object
) -> None:
    directory = tmp_path_factory.mktemp("unpack")
    names = list(files)
    order.shuffle(names)  # type: ignore[attr-defined]
    try:
        first = inner(packed(*(file(name, content) for name, content in files.items())), directory)
    except module.Refused:
        return
    assert inner(packed(*(file(name, files[name]) for name in names), end=bytes(1024)), directory) == first


@settings(max_examples=100, deadline=None)
@given(place=st.integers(0, 2000), byte=st.integers(0, 255))
def test_any_damage_is_refused_or_harmless(tmp_path_factory: pytest.TempPathFactory, place: int, byte: int) -> None:
    content = bytearray(gzip.decompress(packed(file("a/b", b"x" * 600), link("c", "a/b"))))
    content[place] = byte
    with contextlib.suppress(module.Refused, tarfile.TarError, EOFError, UnicodeError, OverflowError):
        inner(bytes(content), tmp_path_factory.mktemp("unpack"))
