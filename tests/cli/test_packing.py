"""What of a directory goes to the hub."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hub.cli import packing
from hub.cli.errors import Misuse
from hub.cli.packing import pack
from hub.source.packed import unpack


def filled(root: Path, **files: str) -> Path:
    for name, content in files.items():
        path = root / name.replace("__", "/").replace("_yaml", ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def test_the_files_without_git(tmp_path: Path) -> None:
    root = filled(tmp_path / "web", a_yaml="1", base__b_yaml="2", base__deep__c_yaml="")
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("secret")
    (root / "base" / ".git").write_text("gitdir: elsewhere")
    (root / "link.yaml").symlink_to("base/b.yaml")
    (root / "linked").symlink_to("base")
    tree = unpack(pack(root))
    assert [e.path for e in tree.walk("")] == ["a.yaml", "base/b.yaml", "base/deep/c.yaml", "link.yaml", "linked"]
    assert tree.read("link.yaml", 100) == b"base/b.yaml"
    assert pack(root) == pack(root)


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "base/../../outside", ".."])
def test_a_symlink_that_leads_out_is_refused(tmp_path: Path, target: str) -> None:
    root = filled(tmp_path / "web", base__b_yaml="2")
    (root / "link").symlink_to(target)
    with pytest.raises(Misuse, match="outside of"):
        pack(root)


def test_no_files_are_not_sent(tmp_path: Path) -> None:
    (tmp_path / "web" / ".git").mkdir(parents=True)
    with pytest.raises(Misuse, match=r"there are no files in .*web"):
        pack(tmp_path / "web")


def test_what_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = filled(tmp_path / "web", a_yaml="1")

    def denied(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(Misuse, match=r"web/a\.yaml cannot be read: Permission denied"):
        pack(root)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    root = filled(tmp_path / "web", a_yaml="1")
    os.mkfifo(root / "pipe")
    with pytest.raises(Misuse, match="neither a file"):
        pack(root)
    with pytest.raises(Misuse, match="no directory"):
        pack(root / "a.yaml")


@pytest.mark.parametrize(("limit", "value"), [("MOST_FILES", 1), ("UNPACKED_LIMIT", 3), ("PACKED_LIMIT", 10)])
def test_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    root = filled(tmp_path / "web", a_yaml="12", b_yaml="34")
    pack(root)
    monkeypatch.setattr(packing, limit, value)
    with pytest.raises(Misuse, match=r"web"):
        pack(root)
