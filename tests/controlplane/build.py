"""Find the control plane's binaries, or build them with Go.

    python -m tests.controlplane.build            # everything
    python -m tests.controlplane.build etcd helm  # these only

Looked up in this order: the directory named by ``KUBEBUILDER_ASSETS``, ``PATH`` (only a binary of the pinned minor
version), the cache, a build. The cache is ``$ESCADRE_TEST_CACHE``, else ``$XDG_CACHE_HOME/escadre``, else
``~/.cache/escadre``. A missing binary is an error, never a skip: a test run that quietly leaves Kubernetes out
proves nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane.pins import FAMILY_OF, Family

BUILD_LIMIT = 45 * 60.0
"""Seconds one binary may take: the slowest takes four minutes on two cores."""
LOCK_LIMIT = 90 * 60.0
PROGRESS_EVERY = 30.0
VERSION_LIMIT = 20.0

Say = Callable[[str], None]


class BuildError(Exception):
    """A binary is missing and could not be built; the message says what to do."""


@dataclass(frozen=True)
class Binaries:
    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kube_scheduler: Path
    kubectl: Path
    kwok: Path
    kustomize: Path
    helm: Path
    registry: Path


def binaries(say: Say | None = None) -> Binaries:
    """Every binary, built where it has to be."""
    return Binaries(**{name.replace("-", "_"): binary(name, say) for name in FAMILY_OF})


def binary(name: str, say: Say | None = None) -> Path:
    """One binary, by its file name."""
    say = say or say_on_stderr
    family = FAMILY_OF[name]
    found = _in_assets(name) or _on_path(name, family) or _in_cache(name, family)
    if found is None:
        _build_family(family, say)
        found = _in_cache(name, family)
    if found is None:
        raise BuildError(f"{name} was built but is not in {_cache_entry(family)}; delete that directory and run again")
    return found


def say_on_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def cache_root() -> Path:
    named = os.environ.get("ESCADRE_TEST_CACHE")
    if named:
        return Path(named) / "controlplane"
    cache_home = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache_home) if cache_home else Path.home() / ".cache") / "escadre" / "controlplane"


def _cache_entry(family: Family) -> Path:
    return cache_root() / f"{family.name}-{family.version}-{family.digest}" / "bin"


def _executable(path: Path) -> Path | None:
    return path if path.is_file() and os.access(path, os.X_OK) else None


def _in_assets(name: str) -> Path | None:
    # Whoever sets KUBEBUILDER_ASSETS has chosen its versions, so they are not questioned.
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    return _executable(Path(assets) / name) if assets else None


@functools.cache
def _on_path(name: str, family: Family) -> Path | None:
    found = shutil.which(name)
    if found is None:
        return None
    # A helm 3 or an old etcd that happens to be installed would fail tests in ways that are hard to read.
    try:
        shown = subprocess.run([found, *family.version_command], capture_output=True, text=True, timeout=VERSION_LIMIT)
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = (shown.stdout + " " + shown.stderr).replace(",", " ").split()
    wanted = family.major_minor + "."
    return Path(found) if any(word.lstrip("v").startswith(wanted) for word in words) else None


def forget_path() -> None:
    """``PATH`` has changed: look again."""
    _on_path.cache_clear()


def _in_cache(name: str, family: Family) -> Path | None:
    return _executable(_cache_entry(family) / name)


def _build_family(family: Family, say: Say) -> None:
    go = shutil.which("go")
    if go is None:
        raise BuildError(_what_to_install(family))
    entry = _cache_entry(family)
    root = cache_root()
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root / f"{family.name}.lock", family, say):
        if entry.is_dir():  # another process built it while this one waited
            return
        for leftover in root.glob(f".{family.name}-*"):  # of a build that was killed
            shutil.rmtree(leftover)
        with tempfile.TemporaryDirectory(dir=root, prefix=f".{family.name}-") as scratch:
            made = Path(scratch) / family.name
            for name, package in family.packages.items():
                _build_binary(go, family, package, made / "bin" / name, say)
            # The entry appears whole or not at all, whatever interrupts the build.
            made.rename(entry.parent)


def _what_to_install(family: Family) -> str:
    names = ", ".join(family.packages)
    return (
        f"{names} ({family.version}) not found, and there is no Go to build it with. Install Go 1.26 or newer and run "
        f"`python -m tests.controlplane.build`, or put the binaries in a directory named by KUBEBUILDER_ASSETS."
    )


@contextlib.contextmanager
def _locked(path: Path, family: Family, say: Say) -> Iterator[None]:
    deadline = time.monotonic() + LOCK_LIMIT
    told = False
    with path.open("w") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise BuildError(f"another process has held {path} for {LOCK_LIMIT:.0f} s; end it") from None
                if not told:
                    say(f"controlplane: another process is building {family.name} {family.version}; waiting for it")
                    told = True
                time.sleep(0.5)
        yield


def _build_environment() -> dict[str, str]:
    # What a developer has set for his own Go work must not change these builds.
    fixed = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    return {**os.environ, **fixed}


def _build_binary(go: str, family: Family, package: str, target: Path, say: Say) -> None:
    command = [go, "build", "-trimpath", "-ldflags", family.ldflags, "-o", str(target), package]
    say(f"controlplane: building {target.name} {family.version} with Go (needed once, takes minutes)")
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command, cwd=family.directory, env=_build_environment(), stdout=output, stderr=output, process_group=0
        )
        try:
            code = _wait_for_build(process, target.name, began, say)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if code != 0:
            output.seek(0)
            tail = "".join(output.readlines()[-30:])
            raise BuildError(f"building {target.name} in {family.directory} failed (exit code {code}):\n{tail}")
    say(f"controlplane: built {target.name} in {time.monotonic() - began:.0f} s")


def _wait_for_build(process: subprocess.Popen[bytes], name: str, began: float, say: Say) -> int:
    while True:
        try:
            return process.wait(PROGRESS_EVERY)
        except subprocess.TimeoutExpired:
            taken = time.monotonic() - began
            if taken > BUILD_LIMIT:
                raise BuildError(f"building {name} took more than {BUILD_LIMIT:.0f} s and was ended") from None
            say(f"controlplane: still building {name} ({taken:.0f} s)")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.controlplane.build", description="Find or build the control plane."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all, or some of: {', '.join(FAMILY_OF)}")
    names = parser.parse_args().names or ["all"]
    chosen = list(FAMILY_OF) if "all" in names else names
    for unknown in sorted(set(chosen) - set(FAMILY_OF)):
        parser.error(f"unknown binary {unknown!r}; known: {', '.join(FAMILY_OF)}")
    try:
        for name in chosen:
            print(f"{name}\t{binary(name)}")
    except BuildError as error:
        sys.exit(f"controlplane: {error}")


if __name__ == "__main__":
    main()
