"""Carries out one task inside a worker: reads what the plans name, runs the tools, normalises the result."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable

from hub.errors import HubError
from hub.render import directory
from hub.render.detect import DIRECTORY, KUSTOMIZE
from hub.render.errors import RenderError
from hub.render.jsonnet_plan import SUFFIX
from hub.render.model import Plan
from hub.render.normalize import Found, Normalizer
from hub.render.wire import Outcome, Setup, Task


def execute(task: Task, setup: Setup) -> Outcome:
    """Raises RenderError, and nothing else that is foreseen."""
    normalizer = Normalizer(setup.limits)
    try:
        for plan in task.plans:
            normalizer.add(_objects(plan, task, setup, normalizer.warn))
    except RenderError:
        raise
    except HubError as error:
        # FormatError says what is wrong with a file; a tree's own errors say whether trying again helps.
        retryable = bool(getattr(error, "retryable", False))
        code = error.code if retryable else "invalid-manifest"
        raise RenderError(error.message, code=code, retryable=retryable) from error
    except MemoryError as error:
        raise RenderError(
            f"Rendering took more than the {setup.limits.memory_bytes:,} bytes of memory it may have.", code="too-large"
        ) from error
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = "its disk is full: free space or enlarge it" if full else error.strerror or "its disk does not answer"
        raise RenderError(f"The hub could not render this: {what}.", code="render-crashed", retryable=True) from error
    manifest_set, blobs, warnings = normalizer.finish()
    return Outcome(manifest_set, blobs, tuple(warnings))


def _objects(plan: Plan, task: Task, setup: Setup, warn: Callable[[str], None]) -> Iterable[Found]:
    if plan.tool == DIRECTORY:
        return _directory(plan, task, setup)
    # Imported when first needed: most workers never see a chart.
    if plan.tool == KUSTOMIZE:
        from hub.render.kustomize import build

        return build(plan, task, setup)
    from hub.render.helm import template

    return template(plan, task, setup, warn)


def _directory(plan: Plan, task: Task, setup: Setup) -> Iterable[Found]:
    for file in plan.files:
        if file.path.endswith(SUFFIX):
            from hub.render.jsonnet import evaluate

            for value in evaluate(file, plan, task, setup):
                yield Found(value, file.path)
            continue
        for document in directory.read_objects(file, task.trees[file.tree], setup.limits):
            yield Found(document.value, document.name, document.line)
