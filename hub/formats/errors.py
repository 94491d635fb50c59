"""What is wrong with a text or an object somebody wrote, and where."""

from __future__ import annotations

from hub.errors import Invalid

_LONGEST = 10_000
_SHOWN = 60


class FormatError(Invalid):
    """The text cannot be read, or says something that means nothing here.

    `line` and `column` count from 1; 0 means that the place is not known (an object that was never text).
    """

    def __init__(self, problem: str, *, name: str = "", line: int = 0, column: int = 0, advice: str = "") -> None:
        place = ", ".join(filter(None, (name, f"line {line}" if line else "", f"column {column}" if column else "")))
        # A text of megabytes is not to come back in its own error.
        problem = problem if len(problem) <= _LONGEST else problem[:_LONGEST] + "…"
        super().__init__(": ".join(filter(None, (place, problem))) + (f". {advice}" if advice else ""))
        self.problem = problem
        self.name = name
        self.line = line
        self.column = column
        self.advice = advice


def shown(text: str) -> str:
    """Return a text short and harmless enough for a message."""
    clean = "".join(c if c.isprintable() else "�" for c in text[: _SHOWN + 1])
    return clean if len(clean) <= _SHOWN else clean[:_SHOWN] + "…"
