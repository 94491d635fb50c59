"""A data directory belongs to one hub at a time, and what is written there to its owner."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hub import datadir
from hub.datadir import own, write_private
from hub.errors import Conflict, Invalid
from tests.lives import environment


def test_a_directory_is_made_for_its_owner_only(tmp_path: Path) -> None:
    with own(tmp_path / "a" / "b"):
        assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_a_second_hub_is_kept_out_until_the_first_is_gone(tmp_path: Path) -> None:
    words = f"another hub runs on the data directory {tmp_path}"
    with own(tmp_path), pytest.raises(Conflict, match=words), own(tmp_path):
        pass
    with own(tmp_path):
        pass


def test_a_directory_is_one_place_and_its_copy_is_another(tmp_path: Path) -> None:
    places = []
    for name in ("data", "data", "copy"):
        if name == "copy":
            shutil.copytree(tmp_path / "data", tmp_path / "copy")
        with own(tmp_path / name) as place:
            places.append(place)
    assert places[0] == places[1] != places[2]
    assert all(re.fullmatch("[0-9a-f]{16}", place) for place in places)


def test_a_machine_that_was_restarted_is_another_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with own(tmp_path / "data") as before:
        pass
    boot = tmp_path / "boot_id"
    boot.write_text("another\n")
    monkeypatch.setattr(datadir, "_BOOT_ID", boot)
    with own(tmp_path / "data") as after:
        assert after not in ("", before)
    boot.unlink()
    with own(tmp_path / "data") as untold:
        assert untold == ""


def test_a_hub_that_was_killed_leaves_the_directory_free(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib\nfrom hub.datadir import own\n"
        "with own(pathlib.Path(sys.argv[1])):\n    print('mine', flush=True)\n    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None and process.stdout.readline() == b"mine\n"
        with pytest.raises(Conflict), own(tmp_path):
            pass
        process.kill()
        process.wait()
    with own(tmp_path):
        pass


def test_a_directory_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(Invalid, match=f"the data directory {tmp_path / 'file' / 'data'} cannot be used"),
        own(tmp_path / "file" / "data"),
    ):
        pass


def test_a_private_file_is_its_owners_whatever_was_there(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("old")
    path.chmod(0o666)
    write_private(path, "new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o600)
    assert [p.name for p in tmp_path.iterdir()] == ["password"]


def test_a_private_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="nowhere/password cannot be written: No such file or directory"):
        write_private(tmp_path / "nowhere" / "password", "x")
