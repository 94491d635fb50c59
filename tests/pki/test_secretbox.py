from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.pki.secretbox import KeyFileError, SecretBox


def test_key_file_is_made_once_and_kept_private(tmp_path: Path) -> None:
    path = tmp_path / "data" / "hub.key"
    sealed = SecretBox.open(path).seal(b"private", "a")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SecretBox.open(path).unseal(sealed, "a") == b"private"
    assert [entry.name for entry in path.parent.iterdir()] == ["hub.key"]


def test_processes_that_start_at_once_share_one_key(tmp_path: Path) -> None:
    path = tmp_path / "hub.key"
    with ThreadPoolExecutor(8) as pool:
        boxes = list(pool.map(lambda _: SecretBox.open(path), range(8)))
    sealed = boxes[0].seal(b"x", "p")
    assert {box.unseal(sealed, "p") for box in boxes} == {b"x"}


def test_wrong_key_file_is_named(tmp_path: Path) -> None:
    sealed = SecretBox.open(tmp_path / "first").seal(b"x", "authority/1")
    with pytest.raises(KeyFileError, match=r"authority/1 was encrypted with key .*second holds key"):
        SecretBox.open(tmp_path / "second").unseal(sealed, "authority/1")


def test_sealed_value_is_bound_to_its_purpose_and_content() -> None:
    box = SecretBox(b"k" * 32)
    sealed = box.seal(b"x", "a")
    with pytest.raises(KeyFileError, match="damaged"):
        box.unseal(sealed, "b")
    with pytest.raises(KeyFileError, match="damaged"):
        box.unseal(sealed[:-1] + bytes([sealed[-1] ^ 1]), "a")
    assert box.seal(b"x", "a") != sealed


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o602])
def test_key_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "hub.key"
    SecretBox.open(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="chmod 600"):
        SecretBox.open(path)


def test_key_file_may_be_a_mounted_secret_readable_by_its_group(tmp_path: Path) -> None:
    path = tmp_path / "hub.key"
    SecretBox.open(path)
    path.chmod(0o440)
    (tmp_path / "link").symlink_to(path)
    SecretBox.open(tmp_path / "link")


@pytest.mark.parametrize(
    "content", [b"", b"short", b"escadre-key-1:", b"escadre-key-1:!!", b"escadre-key-1:QUJD", b"\xff" * 80, b"a" * 9000]
)
def test_what_is_not_a_key_is_refused_without_being_shown(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "hub.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match="does not hold a key"):
        SecretBox.open(path)
    assert path.read_bytes() == content


def test_directory_and_missing_parent_are_told(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"cannot read or write|not a file"):
        SecretBox.open(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyFileError, match="cannot read or write"):
        SecretBox.open(tmp_path / "file" / "hub.key")


def test_creation_leaves_no_key_behind_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyFileError, match="No space left"):
        SecretBox.open(tmp_path / "hub.key")
    assert list(tmp_path.iterdir()) == []


@given(st.binary(max_size=200))
def test_unseal_of_anything_raises_the_documented_error(sealed: bytes) -> None:
    with pytest.raises(KeyFileError):
        SecretBox(b"k" * 32).unseal(sealed, "p")
