"""Changes that are worked out from what is stored: a label more, a window less.

Two people may make them at once. Whoever comes second must not write over the first one's change: theirs is worked out
again, from what is stored by then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from hub.errors import ChangedMeanwhile

T = TypeVar("T")

TRIES: Final = 10
"""Of several at once one comes first each time."""


async def worked_out(change: Callable[[], Awaitable[T]]) -> T:
    """Carry out a change that reads what is stored and stores over that. Raises ChangedMeanwhile where others are
    first every time."""
    for _ in range(TRIES - 1):
        try:
            return await change()
        except ChangedMeanwhile:
            continue
    return await change()
