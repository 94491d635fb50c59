"""What the program's exit code tells a script. Documented in docs/cli.md; scripts depend on it."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    OK = 0
    FAILED = 1
    USAGE = 2
    HUB = 3
    TIMEOUT = 4
    INTERNAL = 70
    INTERRUPTED = 130


MEANINGS = {
    Exit.OK: "what was asked for is done; `app diff` found no difference",
    Exit.FAILED: "an operation or an action failed, or `app diff` found a difference",
    Exit.USAGE: "the command line or a file is wrong, or the hub refused what was asked (no such object, a conflict)",
    Exit.HUB: "the hub or a cluster that is asked does not answer; the hub is not trusted, wants a login or forbids it",
    Exit.TIMEOUT: "`--timeout` has passed",
    Exit.INTERNAL: "a fault in escadre itself; ESCADRE_DEBUG=1 shows more",
    Exit.INTERRUPTED: "interrupted by Ctrl-C; what the hub was asked for goes on",
}
