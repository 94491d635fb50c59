"""The difference between a live object and the assigned one as text that a person reads: YAML, unified diff.

Status and the server's book-keeping are left out, ignored fields too, and Secret values are masked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final

from agent.engine.compare_options import DEFAULT_OPTIONS, CompareOptions
from agent.engine.fields import ABSENT
from agent.engine.ignore import NO_IGNORES, ObjectIgnores
from agent.engine.linediff import unified_hunks
from agent.engine.mask import is_secret, mask_pair
from agent.engine.normalize import comparable
from agent.engine.resource import Object, ResourceKey
from agent.engine.yamltext import lines

MAX_LINES: Final = 20_000
"""Lines of either side that are compared; an object has a few hundred."""
MAX_LINE_CHARS: Final = 10_000
MAX_DIFF_CHARS: Final = 1_000_000
CONTEXT_LINES: Final = 3


def unified_diff(
    predicted: Object | None,
    live: Object | None,
    key: ResourceKey,
    *,
    ignore: ObjectIgnores = NO_IGNORES,
    options: CompareOptions = DEFAULT_OPTIONS,
) -> str:
    """Return what an apply would change, from live to assigned; "" when that is nothing. None means there is no object.

    Bounded: long lines are cut, and after `MAX_DIFF_CHARS` the text says that it ends.
    """
    assigned, present = _readable(predicted, live, ignore, options)
    before, after = _text(present), _text(assigned)
    hunks = "".join(_bounded(unified_hunks(before, after, CONTEXT_LINES)))
    if not hunks:
        return ""
    old = f"live: {key}" if before else "/dev/null"
    new = f"assigned: {key}" if after else "/dev/null"
    return f"--- {old}\n+++ {new}\n{hunks}"


def _readable(
    predicted: Object | None, live: Object | None, ignore: ObjectIgnores, options: CompareOptions
) -> tuple[Any, Any]:
    """Return the assigned and the live object without noise, ignored fields and secrets; ABSENT where there is none."""
    hidden_live, hidden_assigned = ignore.trees(live or {}, predicted or {})
    assigned, present = comparable(predicted or {}, options), comparable(live or {}, options)
    if is_secret(assigned) or is_secret(present):
        assigned, present = mask_pair(assigned, present)
    return (
        ABSENT if predicted is None else hidden_assigned.prune(assigned),
        ABSENT if live is None else hidden_live.prune(present),
    )


def _text(obj: Any) -> list[str]:
    if obj is ABSENT:
        return []
    text = [_cut(line) for line in lines(obj)]
    if len(text) > MAX_LINES:
        rest = text[MAX_LINES:]
        text[MAX_LINES:] = [f"# … {len(rest)} more lines, {_fingerprint(*rest)}"]
    return text


def _cut(line: str) -> str:
    if len(line) <= MAX_LINE_CHARS:
        return line
    return f"{line[:MAX_LINE_CHARS]}… ({len(line)} characters, {_fingerprint(line)})"


def _fingerprint(*texts: str) -> str:
    """Name what is cut off, so that two texts that differ only there still show as different."""
    content = "\n".join(texts).encode("utf-8", "surrogatepass")
    return "blake2b " + hashlib.blake2b(content, digest_size=8).hexdigest()


def _bounded(diff: Iterator[str]) -> Iterator[str]:
    size = 0
    for line in diff:
        size += len(line) + 1
        if size > MAX_DIFF_CHARS:
            yield "# … the rest of this difference is too long to show\n"
            return
        yield line + "\n"
