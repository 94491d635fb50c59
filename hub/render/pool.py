"""A few render workers, kept ready while there is work, and shared so that a slow render does not hold up quick ones.

A pool of its own, rather than a library's: a render worker is given no environment, no file of the hub's and no
network; it is killed together with whatever it started; each has a channel of its own, so one that is killed while it
writes leaves no lock behind; and what it answers is never unpickled.

A render that runs longer than `PATIENCE` gives its place back to quick ones as long as there is one among the places
for slow ones, which are as many again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hub.render.wire import Outcome, Setup, decode_outcome
from hub.render.worker_process import Reply, WorkerLost, WorkerProcess

PATIENCE = 5.0
"""Seconds a render may take before it counts as slow."""
REST_SECONDS = 10.0
"""Without a render for so long the workers end: each takes 35 MB, and a fraction of a second to start again."""
_IN_THREAD = 1024 * 1024
"""A reply from this size on is checked beside the event loop, for hashing it takes milliseconds."""
_MAX_TASKS = 1000
_MAX_RSS = 512 * 1024 * 1024
"""A worker that has been larger than this is replaced once it is idle: its memory does not come back."""

log = logging.getLogger(__name__)


class WorkerPool:
    def __init__(self, setup: Setup, scratch: Path, workers: int) -> None:
        self._setup = setup
        self._scratch = scratch
        self._workers = workers
        self._quick = asyncio.Semaphore(workers)
        self._slow = asyncio.Semaphore(workers)
        self._idle: list[WorkerProcess] = []
        self._busy: set[WorkerProcess] = set()
        self._starting: set[asyncio.Task[None]] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._rest: asyncio.TimerHandle | None = None
        self._closed = False

    async def start(self) -> WorkerProcess:
        """Start one worker, and return it to look at; the others start when there is work for them. Raises WorkerLost,
        OSError."""
        self._idle.append(await self._new_worker())
        self._rest_later()
        return self._idle[0]

    async def run(self, content: bytes, seconds: float) -> Outcome:
        """Run a task in some worker. Raises the RenderError it ends with; WorkerLost; TimeoutError after `seconds` of
        work; OSError."""
        async with self._place():
            worker = self._idle.pop() if self._idle else await self._new_worker()
            self._busy.add(worker)
            fit = False
            try:
                async with asyncio.timeout(seconds):
                    reply = await worker.call(content)
                fit = worker.tasks < _MAX_TASKS and reply.max_rss < _MAX_RSS
                return await _decoded(reply)
            except WorkerLost:
                fit = False
                raise
            finally:
                self._busy.discard(worker)
                self._rest_later()
                await self._put_back(worker, fit=fit)

    def _rest_later(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
        if not self._closed:
            self._rest = asyncio.get_running_loop().call_later(REST_SECONDS, self._end_idle)

    def _end_idle(self) -> None:
        idle, self._idle = self._idle, []
        for worker in idle:
            task = asyncio.create_task(worker.end())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """End every worker, those at work too."""
        self._closed = True
        if self._rest is not None:
            self._rest.cancel()
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        workers = [*self._idle, *self._busy]
        self._idle.clear()
        await asyncio.gather(*(worker.end() for worker in workers), *self._ending)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """Hold a place while a task runs: a quick one first, a slow one after a while."""
        await self._quick.acquire()
        held = [self._quick]
        moving = asyncio.create_task(self._move(held))
        try:
            yield
        finally:
            moving.cancel()
            await asyncio.gather(moving, return_exceptions=True)
            held[0].release()

    async def _move(self, held: list[asyncio.Semaphore]) -> None:
        await asyncio.sleep(PATIENCE)
        await self._slow.acquire()
        held[0] = self._slow
        self._quick.release()

    async def _put_back(self, worker: WorkerProcess, *, fit: bool) -> None:
        if fit and not self._closed and len(self._idle) < self._workers:
            self._idle.append(worker)
            return
        await worker.end()
        if not self._closed and len(self._idle) + len(self._starting) < self._workers:
            # Ready before it is needed: starting one takes longer than most renders.
            task = asyncio.create_task(self._replace())
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def _replace(self) -> None:
        try:
            worker = await self._new_worker()
        except (WorkerLost, OSError) as error:
            # The next render tries again, and reports.
            log.warning("a render worker could not be started: %s", error)
            return
        if self._closed or len(self._idle) >= self._workers:
            await worker.end()
        else:
            self._idle.append(worker)
            self._rest_later()

    async def _new_worker(self) -> WorkerProcess:
        started = time.perf_counter()
        worker = await WorkerProcess.start(self._setup, self._scratch)
        log.debug("a render worker started in %.3f s", time.perf_counter() - started)
        return worker


async def _decoded(reply: Reply) -> Outcome:
    try:
        if len(reply.body) < _IN_THREAD:
            return decode_outcome(reply.header, reply.body)
        return await asyncio.to_thread(decode_outcome, reply.header, reply.body)
    except ValueError as error:
        raise WorkerLost(str(error), code=None, stderr="") from error
