"""What whoever comes from Argo CD is told of words that are not here."""

from __future__ import annotations

import re

import click
import pytest

from hub.cli.argocd import COMMANDS, OPTIONS
from hub.cli.main import cli
from tests.cli.conftest import Terminal


def find(path: str) -> click.Command | None:
    found: click.Command | None = cli
    for word in path.split():
        found = found.get_command(click.Context(found), word) if isinstance(found, click.Group) else None
    return found


def options(path: str) -> set[str]:
    command = find(path)
    assert command is not None, path
    return {name for param in command.params for name in (*param.opts, *param.secondary_opts)}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("app logs web", "there is no command 'logs'. Argo CD has it; here: logs of pods are read with kubectl"),
        ("proj create x", "there is no command 'create'. Argo CD has it; here: write an AppProject into a file"),
        ("app sync web --server-side", "no such option '--server-side'. Argo CD has it; here: objects are always"),
        ("app sync web --label a=b", "no such option '--label'. Argo CD has it; here: one application at a time"),
        ("app sync -l a=b", "no such option '-l'. Argo CD has it; here: one application at a time"),
    ],
)
def test_what_is_not_here_has_something_in_its_place(stranger: Terminal, words: str, told: str) -> None:
    outcome = stranger(*words.split())
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"error: {told}") and "(see `escadre" in outcome.err


def test_what_is_here_needs_nothing_in_its_place() -> None:
    assert [path for path in COMMANDS if find(path) is not None] == []
    assert [(path, name) for path, given in OPTIONS.items() for name in given if name in options(path)] == []


def test_what_is_named_in_its_place_is_here() -> None:
    texts = [*COMMANDS.values(), *(text for given in OPTIONS.values() for text in given.values())]
    named = [words for text in texts for words in re.findall("`escadre ([^`]+)`", text)]
    assert named
    for words in named:
        path = " ".join(re.split(r" [-A-Z]", words)[0].split())
        assert find(path) is not None, words
        for option in re.findall(r" (--?[a-z-]+)", words):
            assert option in options(path), words
