"""What is told of archives, whichever kind of place they are from."""

from __future__ import annotations

from datetime import datetime


def replaced(what: str, before: str, now: str) -> tuple[str, ...]:
    """Return a warning where something has another content than it had first; hexadecimal digests."""
    if before == now:
        return ()
    return (
        f"RenderWarning: {what} is another than when the hub first read it: sha256:{before[:12]} then, "
        f"sha256:{now[:12]} now. Find out who replaced it; a hard refresh takes it as it is.",
    )


def parse_time(text: str) -> datetime | None:
    """Read an RFC 3339 time as Go writes it, with nanoseconds, which Python does not take; None where it is none."""
    head, dot, tail = text.partition(".")
    zone = tail.lstrip("0123456789") if dot else ""
    try:
        found = datetime.fromisoformat((head + zone).replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
