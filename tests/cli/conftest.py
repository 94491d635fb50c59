from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from click.testing import CliRunner

from hub.cli import config, text
from hub.cli.config import Context, Contexts
from hub.cli.main import cli
from hub.cli.session import Session
from tests.cli import samples
from tests.cli.fakehub import FakeHub

TOKEN = "esc_token"


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


class Terminal:
    """Runs command lines as one user, in a home of their own."""

    def __init__(self, home: Path) -> None:
        self.config = home / "config.json"
        self.env: dict[str, str | None] = {"ESCADRE_CONFIG": str(self.config)}
        self.paused: list[float] = []

    def __call__(self, *arguments: str, input: str | bytes | None = None, **env: str) -> Outcome:
        session = Session(pause=self.paused.append)
        result = CliRunner().invoke(cli, list(arguments), input=input, env={**self.env, **env}, obj=session)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)

    def knows(self, hub: FakeHub, name: str = "test", token: str = TOKEN) -> None:
        contexts = config.load(self.config)
        context = Context(name, f"https://{hub.address}", ca=hub.ca, username="ada", token=token)
        config.save(self.config, contexts.with_(context))

    def contexts(self) -> Contexts:
        return config.load(self.config)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ESCADRE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(text, "now", lambda: samples.NOW)
    for name in ("NO_COLOR", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def make_hub(authority: trustme.CA) -> Iterator[Callable[..., FakeHub]]:
    made: list[FakeHub] = []

    def make(*names: str, ca: trustme.CA = authority) -> FakeHub:
        made.append(FakeHub(ca, *names))
        return made[-1]

    yield make
    for hub in made:
        hub.close()


@pytest.fixture
def hub(make_hub: Callable[..., FakeHub]) -> FakeHub:
    return make_hub()


@pytest.fixture
def stranger(tmp_path: Path) -> Terminal:
    """Somebody who knows no hub."""
    return Terminal(tmp_path)


@pytest.fixture
def run(stranger: Terminal, hub: FakeHub) -> Terminal:
    """Somebody who is logged in to the hub."""
    stranger.knows(hub)
    return stranger


@pytest.fixture
def at_terminal(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have standard input look like a terminal, whose user types what `input` holds."""
    from click.testing import _NamedTextIOWrapper

    monkeypatch.setattr(_NamedTextIOWrapper, "isatty", lambda stream: stream.name == "<stdin>", raising=False)
