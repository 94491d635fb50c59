"""Run as a process of its own and killed by a test: writes settings and says on stdout which were acknowledged."""

from __future__ import annotations

import asyncio
import sys

from hub.store.sql import SqlStore


async def main(url: str) -> None:
    store = SqlStore(url)
    await store.open()

    async def write(lane: int) -> None:
        number = 0
        while True:
            await store.put_setting(f"{lane}-{number}", "written")
            sys.stdout.write(f"{lane}-{number}\n")
            sys.stdout.flush()
            number += 1

    await asyncio.gather(*(write(lane) for lane in range(4)))


asyncio.run(main(sys.argv[1]))
