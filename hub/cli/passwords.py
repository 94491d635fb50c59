"""Where passwords come from: a prompt, standard input, or a file; never the command line, where others can read it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from hub.cli.errors import Misuse

STDIN_HELP = "Read the password from standard input."
_LONGEST = 4096


def read_password(prompt: str, *, from_stdin: bool, variable: str = "ESCADRE_PASSWORD_FILE") -> str:
    """Return a password without the newline at its end. Raises Misuse when there is nowhere to take it from."""
    if from_stdin:
        try:
            return _checked(sys.stdin.readline(_LONGEST + 2), "standard input")
        except (OSError, UnicodeDecodeError) as error:
            raise Misuse(f"the password cannot be read from standard input: {error}") from error
    if file := os.environ.get(variable):
        try:
            with Path(file).open(encoding="utf-8") as stream:
                return _checked(stream.readline(_LONGEST + 2), file)
        except (OSError, UnicodeDecodeError) as error:
            raise Misuse(f"the password cannot be read from {file}, which {variable} names: {error}") from error
    if not sys.stdin.isatty():
        raise Misuse(f"there is no terminal to ask for the password: give --password-stdin, or set {variable}")
    password: str = click.prompt(prompt, hide_input=True, err=True)
    return password


def read_new_password(*, from_stdin: bool) -> str:
    """Return the new password: the second line of standard input, or asked for twice. Raises Misuse."""
    if from_stdin or os.environ.get("ESCADRE_NEW_PASSWORD_FILE"):
        return read_password("", from_stdin=from_stdin, variable="ESCADRE_NEW_PASSWORD_FILE")
    if not sys.stdin.isatty():
        raise Misuse("there is no terminal to ask for the new password: give --password-stdin")
    password: str = click.prompt("New password", hide_input=True, confirmation_prompt=True, err=True)
    return password


def _checked(line: str, where: str) -> str:
    password = line.rstrip("\r\n")
    if not password:
        raise Misuse(f"no password was read from {where}")
    if len(password) > _LONGEST:
        raise Misuse(f"what was read from {where} is too long for a password")
    return password
