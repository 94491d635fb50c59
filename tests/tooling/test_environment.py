"""tests/environment.sh, with interpreters that only note what they are asked to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "environment.sh"

_INTERPRETER = """\
#!/bin/sh
echo "$(basename "$0") $*" >> "{log}"
case "$1 $2" in
-c*) exit {version_fits} ;;
"-m venv") [ "{has_venv}" = yes ] || exit 1; rm -rf .venv; mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
"-m pip") [ ! -e broken-network ] ;;
esac
"""


@dataclass
class Checkout:
    path: Path
    bin: Path
    log: Path

    def interpreter(self, name: str, *, new_enough: bool = True, has_venv: bool = True) -> Path:
        path = self.bin / name
        fits, venv = "0" if new_enough else "1", "yes" if has_venv else "no"
        path.write_text(_INTERPRETER.format(log=self.log, version_fits=fits, has_venv=venv))
        path.chmod(0o755)
        return path

    def run(self, **environment: str) -> subprocess.CompletedProcess[str]:
        self.log.write_text("")
        # apt-get is not for these tests to call.
        environ = {"PATH": f"{self.bin}:{os.environ['PATH']}", **environment}
        return subprocess.run(
            [str(self.path / "tests" / "environment.sh")], env=environ, capture_output=True, text=True, timeout=60
        )

    @property
    def asked(self) -> str:
        return self.log.read_text()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    path = tmp_path / "a checkout"
    (path / "tests").mkdir(parents=True)
    shutil.copy(SCRIPT, path / "tests")
    (path / "requirements.lock").write_text("one==1\n")
    (path / "pyproject.toml").write_text("[project]\n")
    bin = tmp_path / "bin"
    bin.mkdir()
    (bin / "id").write_text("#!/bin/sh\necho 1000\n")
    (bin / "id").chmod(0o755)
    return Checkout(path, bin, tmp_path / "log")


def test_it_is_made_once(checkout: Checkout) -> None:
    checkout.interpreter("python3")
    first = checkout.run()
    assert first.returncode == 0, first.stderr
    assert "-m venv --clear" in checkout.asked and "--require-hashes -r requirements.lock" in checkout.asked
    again = checkout.run()
    assert (again.returncode, again.stderr) == (0, "")
    assert "venv" not in checkout.asked and "pip --quiet" not in checkout.asked


def test_a_changed_lock_is_installed_into_what_is_there(checkout: Checkout) -> None:
    checkout.interpreter("python3")
    checkout.run()
    (checkout.path / "requirements.lock").write_text("one==2\n")
    assert checkout.run().returncode == 0
    assert "--require-hashes" in checkout.asked and "-m venv" not in checkout.asked


def test_a_checkout_that_was_moved_gets_a_new_one(checkout: Checkout) -> None:
    checkout.interpreter("python3")
    checkout.run()
    checkout.path = checkout.path.rename(checkout.path.with_name("elsewhere"))
    assert checkout.run().returncode == 0
    assert "-m venv --clear" in checkout.asked


def test_one_whose_python_is_gone_is_made_anew(checkout: Checkout) -> None:
    checkout.interpreter("python3")
    checkout.run()
    (checkout.path / ".venv" / "bin" / "python").unlink()
    assert checkout.run().returncode == 0
    assert "-m venv --clear" in checkout.asked


def test_one_that_was_cut_short_is_made_anew(checkout: Checkout) -> None:
    checkout.interpreter("python3")
    (checkout.path / "broken-network").touch()
    assert checkout.run().returncode != 0
    (checkout.path / "broken-network").unlink()
    assert checkout.run().returncode == 0
    assert "-m venv --clear" in checkout.asked


def test_the_first_python_that_is_new_enough_is_taken(checkout: Checkout) -> None:
    checkout.interpreter("python3", new_enough=False)
    checkout.interpreter("python3.13", new_enough=False)
    checkout.interpreter("python3.12")
    assert checkout.run().returncode == 0
    assert "python3.12 -m venv" in checkout.asked


def test_a_python_that_was_named_and_is_too_old_is_an_error(checkout: Checkout) -> None:
    checkout.interpreter("python3")
    old = checkout.interpreter("old-python", new_enough=False)
    found = checkout.run(PYTHON=str(old))
    assert found.returncode != 0 and "is not a Python of 3.11 or newer" in found.stderr
    assert not (checkout.path / ".venv").exists()


def test_a_python_without_venv_says_what_to_install(checkout: Checkout) -> None:
    checkout.interpreter("python3", has_venv=False)
    found = checkout.run()
    assert found.returncode != 0 and "apt-get install python3-venv" in found.stderr
