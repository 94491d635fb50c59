"""What every test shares: the fixtures of real servers, how long hypothesis searches, and which tests are slow."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Generator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = ["tests.controlplane.fixtures", "tests.postgres.fixtures"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # So it is in what a shell runs in the background, and programs that the tests start and interrupt inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

for _name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"):
    # So it is in a hook of Git and in `git bisect run`: the tests' commits would go into the repository they are of.
    os.environ.pop(_name, None)

# A busy machine makes an example late, not wrong.
settings.register_profile("default", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=20)
settings.load_profile("default")

SLOW = (
    # Real Git, real SSH, and whole hubs with agents.
    "tests/cli/test_diffs_with_hub.py",
    "tests/cli/test_with_hub.py",
    "tests/e2e",
    "tests/faults",
    "tests/fleet",
    "tests/reconcile",
    "tests/render/test_helm_equal.py",
    "tests/render/test_helm_equal_output.py",
    "tests/render/test_with_git.py",
    "tests/source/test_damage.py",
    "tests/source/test_git.py",
    "tests/source/test_servers.py",
    # Processes that are killed, run out of memory or hang, and time that has to pass.
    "tests/api/test_watch.py",
    "tests/cli/test_follow.py",
    "tests/cli/test_interrupt.py",
    "tests/hub/test_composition.py",
    "tests/hubclient/test_keys.py",
    "tests/render/test_helm_faults.py",
    "tests/render/test_workers.py",
    "tests/store/test_leases.py",
    "tests/store/test_sqlite.py",
    "tests/syncer/test_end_hooks.py",
    "tests/syncer/test_finalizers.py",
    "tests/syncer/test_hooks.py",
    "tests/syncer/test_interruptions.py",
    "tests/syncer/test_killed_hooks.py",
    "tests/syncer/test_waves.py",
    "tests/syncer/test_windows.py",
    # Long searches, and measurements.
    "tests/api/test_fuzz.py",
    "tests/kube/simulated/test_apply_properties.py",
    "tests/kube/simulated/test_footprint.py",
    "tests/kube/simulated/test_persistence.py",
)
"""Files and folders, from the root: `make check` leaves their tests to `make test`. One test is marked in its place."""

LONGEST = (
    "tests/faults/test_kill.py",
    "tests/faults/test_kill_hooks.py",
    "tests/faults/test_kill_last_hooks.py",
    "tests/benchmarks/test_benchmarks.py",
    "tests/hub/test_serve.py",
    "tests/syncer/test_hooks.py",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    slow = {config.rootpath / name for name in SLOW}
    longest = {config.rootpath / name for name in LONGEST}

    @cache
    def is_slow(path: Path) -> bool:
        return not slow.isdisjoint((path, *path.parents))

    for item in items:
        if is_slow(item.path):
            item.add_marker(pytest.mark.slow)
    # The longest first: whoever runs the last file runs it alone.
    items.sort(key=lambda item: (item.path not in longest, not is_slow(item.path)))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    # Ten thousand tests are a million objects that stay: to walk over them takes half a second, each of the many times
    # that garbage is looked for.
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
