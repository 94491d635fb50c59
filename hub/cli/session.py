"""What one run of the program has at hand: the chosen hub, its client, and when to give up."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.cli import config
from hub.cli.loading import loading

if TYPE_CHECKING:
    from hub.cli.client import HubApi

DEFAULT_TIMEOUT = 30.0
"""Seconds; `--request-timeout`."""


class Session:
    """Made once for each run; found by commands as click's object."""

    def __init__(self, pause: Callable[[float], None] = time.sleep) -> None:
        self.hub_context = ""
        self.request_timeout = DEFAULT_TIMEOUT
        self.pause = pause

    @cached_property
    def path(self) -> Path:
        return config.config_path()

    @cached_property
    def contexts(self) -> config.Contexts:
        """Raises Misuse."""
        contexts = config.load(self.path)
        if any(context.token for context in contexts.items.values()) and config.is_open_to_others(self.path):
            click.echo(f"warning: {self.path} holds tokens and is open to others: chmod 600 {self.path}", err=True)
        return contexts

    @cached_property
    def context(self) -> config.Context:
        """The hub to speak to. Raises Misuse, NotLoggedIn."""
        return config.choose(self.contexts, self.hub_context)

    @cached_property
    def api(self) -> HubApi:
        """Raises Misuse, NotLoggedIn, NotTrusted."""
        with loading():
            from hub.cli.client import HubApi

        api = HubApi(self.context, timeout=self.request_timeout, pause=self.pause)
        click.get_current_context().find_root().call_on_close(api.close)
        return api

    def save(self, contexts: config.Contexts) -> None:
        """Raises Misuse."""
        config.save(self.path, contexts)


pass_session = click.make_pass_decorator(Session)
