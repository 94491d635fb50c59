"""What can go wrong in the command line. Every error is told in one line and carries its exit code.

CliError
├── Misuse           what was typed, or a file, is wrong
├── Refused          the hub said no: `code` is from its catalogue
├── HubAway          no answer, or none that helps; worth trying again
├── NotTrusted       it is not the hub that was trusted at login
├── NotLoggedIn      no session, or it has ended
├── Failed           an operation ended badly
├── TimedOut         it did not happen in time
└── Interrupted      Ctrl-C, where something goes on without us
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, ClassVar

import click

from hub.cli.exit import Exit


class CliError(click.ClickException):
    exit_code: ClassVar[int] = Exit.FAILED

    def show(self, file: IO[Any] | None = None) -> None:
        from hub.cli.text import clean_block

        click.echo(f"error: {clean_block(self.message)}", err=True)


class Misuse(CliError):
    exit_code = Exit.USAGE


class Refused(CliError):
    exit_code = Exit.USAGE

    def __init__(self, message: str, code: str = "", details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.details = tuple(details)


class HubAway(CliError):
    exit_code = Exit.HUB

    def __init__(self, message: str, *, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds the hub asks to wait; 0: it did not say."""


class NotTrusted(CliError):
    exit_code = Exit.HUB


class NotLoggedIn(CliError):
    exit_code = Exit.HUB


class Failed(CliError):
    exit_code = Exit.FAILED


class TimedOut(CliError):
    exit_code = Exit.TIMEOUT


class Interrupted(CliError):
    """What is said instead of "interrupted" alone: what goes on, and how to look at it."""

    exit_code = Exit.INTERRUPTED

    def show(self, file: IO[Any] | None = None) -> None:
        from hub.cli.text import clean_block

        # The terminal has written ^C where the cursor was.
        begin = "\n" if sys.stderr.isatty() else ""
        click.echo(f"{begin}interrupted: {clean_block(self.message)}", err=True)


@contextmanager
def interruptible(words: str) -> Iterator[None]:
    """Have Ctrl-C say what goes on, if nothing within has said it more exactly. Raises Interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(words) from None


@contextmanager
def going_on(words: str) -> Iterator[None]:
    """Have whatever ends a wait say what goes on without it: Ctrl-C, a session that has ended, a hub that stays away.
    Raises Interrupted."""
    try:
        with interruptible(words):
            yield
    except (HubAway, NotLoggedIn) as error:
        raise type(error)(f"{error.message.rstrip('.')}. {words[:1].upper()}{words[1:]}") from error
