"""One thing done about many resources at once, each failure on record; and whether the API server was there for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from agent.engine.tasks import Task
from agent.kube import errors
from agent.kube.client import Kind, KubeClient
from agent.syncer.ledger import Ledger
from agent.syncer.patience import Patience

TOGETHER = 64
"""Resources worked on at once; the client bounds how many requests are under way."""

_NAMESPACE = Kind("", "v1", "Namespace", "namespaces", namespaced=False)


class Together:
    """Of one operation."""

    def __init__(self, client: KubeClient, patience: Patience, ledger: Ledger) -> None:
        self._client = client
        self._patience = patience
        self._ledger = ledger
        self.away = ""
        """What a server that is away says, of what was just to be done."""

    async def each(
        self, tasks: Iterable[Task], action: Callable[[Task], Coroutine[Any, Any, None]], *, waits: bool = False
    ) -> None:
        """Do one thing about many resources at once. One that fails is on record, and does not stop the others. With
        `waits`, what the API server was not there for is as if it had not been begun, and `away` says so. Raises
        Terminated."""
        unanswered: list[tuple[Task, errors.KubeError]] = []

        async def guarded(task: Task) -> None:
            self._patience.check()
            try:
                await action(task)
            except errors.Unreachable as error:
                unanswered.append((task, error))
            except errors.KubeError as error:
                self._ledger.fail(task, error)

        items = list(tasks)
        for start in range(0, len(items), TOGETHER):
            together = items[start : start + TOGETHER]
            if self._client.immediate:
                for task in together:
                    await guarded(task)
                if len(together) == TOGETHER:
                    # Others have their turn.
                    await asyncio.sleep(0)
                continue
            outcomes = await asyncio.gather(*map(guarded, together), return_exceptions=True)
            for result in outcomes:
                if result is not None:
                    raise result
        if unanswered and waits:
            self.away = await self._why_away()
        for task, error in unanswered:
            if self.away:
                self._ledger.take_back(task)
            else:
                self._ledger.fail(task, error)

    async def _why_away(self) -> str:
        """Ask the API server for something that is always there. "" when it answers: then it was one request alone that
        got none, and that may be so for ever."""
        try:
            await self._client.get(_NAMESPACE, "", "kube-system")
        except errors.Unreachable as error:
            return error.message
        except errors.KubeError:
            return ""
        return ""
