"""Asking before something is lost."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from hub.cli.errors import Misuse


def yes_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("-y", "--yes", is_flag=True, help="Do not ask.")(function)


def confirm(question: str | Callable[[], str], *, yes: bool) -> None:
    """Return when the user agrees. Raises Misuse when not, or when there is nobody to ask."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Misuse("there is no terminal to ask: give --yes to go on without")
    if not click.confirm(question() if callable(question) else question, default=False, err=True):
        raise Misuse("nothing was done")
