"""tests/setup.py, with an apt-get that only notes what it is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import setup
from tests.setup import NEEDS, Need, SetupError, find, install, missing

ABSENT = Need("escadre-no-such-program", "some-package", "this test")

Fake = Callable[[str], Path]


@pytest.fixture
def apt_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Return a function that puts an apt-get with the given body on PATH; it notes its arguments."""
    bin, log = tmp_path / "bin", tmp_path / "log"
    bin.mkdir()
    monkeypatch.setenv("PATH", f"{bin}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    def put(body: str) -> Path:
        path = bin / "apt-get"
        path.write_text(f'#!/bin/sh\necho "$*" >> "{log}"\n{body}\n')
        path.chmod(0o755)
        return log

    return put


def told(_line: str) -> None:
    """Say nothing."""


def test_what_is_here_is_found() -> None:
    assert find("sh") is not None
    assert find(ABSENT.program) is None


def test_programs_beside_path_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / ABSENT.program
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(setup, "BESIDE_PATH", str(tmp_path))
    assert find(ABSENT.program) == str(program)


def test_what_only_root_needs_is_not_asked_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    need = Need(ABSENT.program, "some-package", "this test", only_root=True)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert missing((need,)) == []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert missing((need,)) == [need]


def test_without_root_the_run_ends_saying_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SetupError) as error:
        install([ABSENT, NEEDS[0]], told)
    message = str(error.value)
    assert f"{ABSENT.program} is missing; the tests need it for this test" in message
    assert message.endswith("apt-get install git some-package")


def test_root_gets_it_installed(apt_get: Fake, tmp_path: Path) -> None:
    program = tmp_path / "bin" / ABSENT.program
    log = apt_get(f'case "$*" in *install*) cp /bin/sh "{program}" ;; esac')
    install([ABSENT], told)
    asked = log.read_text().splitlines()
    assert asked == ["-qq update", "-qq install --yes --no-install-recommends some-package"]
    assert find(ABSENT.program) == str(program)


def test_an_installation_that_fails_is_told(apt_get: Fake) -> None:
    apt_get('echo "E: no such package" >&2; exit 100')
    with pytest.raises(SetupError, match=r"failed \(exit code 100\):\nE: no such package"):
        install([ABSENT], told)


def test_an_installation_that_brings_nothing_is_told(apt_get: Fake) -> None:
    apt_get("exit 0")
    with pytest.raises(SetupError, match=f"{ABSENT.program}: still not found"):
        install([ABSENT], told)


def test_one_that_hangs_is_ended(apt_get: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "INSTALL_LIMIT", 0.3)
    apt_get("exec sleep 60")
    with pytest.raises(SetupError, match="was ended"):
        install([ABSENT], told)
