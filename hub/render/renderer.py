"""Renders applications' sources, each distinct input once at a time, in worker processes.

`Renderer` remembers nothing: the outcomes of past renders are the store's. It only sees to it that callers who ask for
the same key at the same moment share one render.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from hub.domain.tree import Tree
from hub.render import scan as scanning
from hub.render.errors import RenderError
from hub.render.model import Rendered, RenderLimits, RenderRequest, Scan
from hub.render.pool import WorkerPool
from hub.render.scan import Tools
from hub.render.tools import find_tools
from hub.render.wire import Outcome, Setup, Task
from hub.render.worker_process import WorkerLost

log = logging.getLogger(__name__)

_NO_MEMORY = ("out of memory", "memoryerror", "cannot allocate")
"""How the tools' runtimes say it."""


@dataclass(frozen=True, slots=True)
class RendererSettings:
    workers: int = 2
    limits: RenderLimits = RenderLimits()
    kustomize: str = ""
    """The binary; empty: `kustomize` on PATH, else `kubectl kustomize`."""
    kubectl: str = ""
    helm: str = ""
    """The binary to use instead of rendering charts in process."""
    hidden: tuple[Path, ...] = ()
    """Directories that workers cannot open where the kernel has Landlock: the hub's data, its ssh keys. None: workers
    may read what the hub may."""
    readable: tuple[Path, ...] = ()
    """Directories inside of hidden ones that they need: where trees are read from."""
    preload: tuple[type[Tree], ...] = ()
    """Tree implementations that workers import when they start, so that the first render need not."""


class Renderer:
    """`start` before use, `close` after; `scan` needs a started renderer for its tools' versions."""

    def __init__(self, scratch: Path, settings: RendererSettings | None = None) -> None:
        self._scratch = scratch
        self._settings = settings or RendererSettings()
        self._tools = Tools()
        self._pool: WorkerPool | None = None
        self._flights: dict[str, asyncio.Task[Rendered]] = {}
        self.renders_total = 0
        """Renders begun; what callers shared is counted once."""
        self.failures_total = 0

    @property
    def in_flight(self) -> int:
        return len(self._flights)

    async def start(self) -> None:
        """Look for the tools, start the workers, and log how they are isolated. Raises RenderError."""
        limits = self._settings.limits
        self._scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in self._scratch.glob("worker-*"):
            await asyncio.to_thread(shutil.rmtree, left, ignore_errors=True)
        found = await find_tools(self._settings.kustomize, self._settings.kubectl, self._settings.helm)
        self._tools = Tools(found.versions)
        settings = self._settings
        setup = Setup(
            limits,
            hidden=settings.hidden,
            readable=settings.readable,
            kustomize=found.kustomize,
            helm=found.helm,
            preload=settings.preload,
        )
        pool = WorkerPool(setup, self._scratch, self._settings.workers)
        try:
            worker = await pool.start()
        except (WorkerLost, OSError) as error:
            await pool.close()
            log.error("render workers do not start: %s: %s", error, getattr(error, "stderr", ""))
            raise RenderError(
                f"Render workers do not start: {error}.", code="render-crashed", retryable=True
            ) from error
        self._pool = pool
        log.info(
            "%d render workers; network: %s; memory: %s; files: %s; tools: %s",
            self._settings.workers,
            "none" if worker.hello.get("network") else "the hub's own, for the kernel permits no namespace",
            f"{limits.memory_bytes:,} bytes" if worker.hello.get("memory") else "unlimited",
            "the hub's own too, or the kernel has no Landlock" if worker.hello.get("files") else "none of the hub's",
            ", ".join(f"{tool} {version}" for tool, version in found.versions.items()),
        )

    async def close(self) -> None:
        for task in list(self._flights.values()):
            task.cancel()
        await asyncio.gather(*self._flights.values(), return_exceptions=True)
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    async def scan(self, request: RenderRequest) -> Scan:
        """Say what a request reads and under which key its outcome is known; milliseconds, without rendering.

        Raises RenderError, and what reading the trees raises.
        """
        return await asyncio.to_thread(scanning.scan, request, self._tools, self._settings.limits)

    async def render(self, request: RenderRequest, scan: Scan) -> Rendered:
        """Render what was scanned. Concurrent calls with one key share one render. Raises RenderError."""
        task = self._flights.get(scan.key)
        if task is None:
            task = self._flights[scan.key] = asyncio.create_task(self._render(request, scan))
            task.add_done_callback(lambda done: self._landed(scan.key, done))
        return await asyncio.shield(task)

    def _landed(self, key: str, task: asyncio.Task[Rendered]) -> None:
        del self._flights[key]
        # Seen, even if every caller has gone.
        if not task.cancelled() and task.exception() is not None:
            self.failures_total += 1

    async def _render(self, request: RenderRequest, scan: Scan) -> Rendered:
        if self._pool is None:
            raise RenderError("The hub is not ready to render.", code="render-crashed", retryable=True)
        self.renders_total += 1
        started = time.perf_counter()
        content = pickle.dumps(Task(request, scan.plans), pickle.HIGHEST_PROTOCOL)
        where = ", ".join(dict.fromkeys(plan.path or "the repository's root" for plan in scan.plans))
        outcome = await self._outcome(self._pool, content, request.app_name, where)
        return Rendered(
            manifest_set=outcome.manifest_set,
            blobs=outcome.blobs,
            warnings=outcome.warnings,
            seconds=time.perf_counter() - started,
        )

    async def _outcome(self, pool: WorkerPool, content: bytes, name: str, where: str) -> Outcome:
        seconds = self._settings.limits.seconds
        try:
            return await pool.run(content, seconds)
        except TimeoutError as error:
            raise RenderError(
                f"Rendering {where} took longer than {seconds:g} s and was ended: look for a loop in a template, or "
                "split the application.",
                code="render-timeout",
                retryable=True,
            ) from error
        except WorkerLost as error:
            log.warning("rendering %s: the worker was lost (%s, code %s): %s", name, error, error.code, error.stderr)
            raise _crashed(error, where) from error
        except OSError as error:
            log.warning("rendering %s: the worker failed: %s", name, error)
            raise RenderError(
                "The hub could not run a render worker; its log says why.", code="render-crashed", retryable=True
            ) from error


def _crashed(error: WorkerLost, where: str) -> RenderError:
    killed = error.code == -signal.SIGKILL
    overflow = "stack overflow" in error.stderr or "stack exceeds" in error.stderr
    memory = any(words in error.stderr.lower() for words in _NO_MEMORY)
    if overflow:
        what = "a template calls itself without end: look for an include or a tpl that leads back to itself"
    elif memory or killed:
        what = "it took more memory than it may have: look for a loop in a template, or split the application"
    else:
        what = "the tool crashed; the hub's log has its last words"
    return RenderError(
        f"Rendering {where} failed: {what}. Other applications are not affected.",
        code="render-crashed",
        retryable=killed,
    )
