"""The program escadre-hub."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import sys
import types
import typing
from pathlib import Path
from typing import Any

import click

from hub import __version__
from hub.config import Settings, read_settings
from hub.errors import HubError, Invalid
from hub.logs import configure

log = logging.getLogger(__name__)


class Failure(click.ClickException):
    """Exit 1: the hub cannot start, or cannot go on."""

    exit_code = 1

    def show(self, file: Any = None) -> None:
        click.echo(f"error: {self.message}", err=True)


class Misuse(Failure):
    exit_code = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="escadre-hub")
def cli() -> None:
    """The hub of an Escadre fleet."""


def _setting_options(command: click.Command) -> click.Command:
    """Add a flag for every setting."""
    for name, field in Settings.model_fields.items():
        flag = "--" + name.replace("_", "-")
        many = typing.get_origin(field.annotation) is tuple
        text = f"{field.description} [ESCADRE_{name.upper()}]"
        command.params.append(click.Option([flag], multiple=many, metavar=_metavar(field.annotation), help=text))
    return command


def _metavar(annotation: Any) -> str:
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) is typing.Literal:
        return "|".join(typing.get_args(annotation))
    return {int: "NUMBER", float: "NUMBER", Path: "PATH"}.get(annotation, "TEXT")


def _given(flags: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in flags.items() if value is not None and value != ()}
    return {n: ",".join(v) if isinstance(v, tuple) else v for n, v in given.items()}


@cli.command()
@click.option("--config", type=click.Path(path_type=Path), help="a TOML file with settings")
def serve(config: Path | None, **flags: Any) -> None:
    """Run the hub until SIGTERM.

    A setting is taken from its flag, else from its variable, else from the file, else it has its default.
    """
    try:
        settings = read_settings(_given(flags), config)
    except Invalid as error:
        raise Misuse(error.message) from error
    configure(settings.log_level, settings.log_format)
    try:
        _event_loop_run(_serve(settings))
    except HubError as error:
        raise Failure(error.message) from error


_setting_options(serve)


def _event_loop_run(work: Any) -> None:
    with contextlib.suppress(ImportError):
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work)
        return
    asyncio.run(work)


async def _serve(settings: Settings) -> None:
    from hub.server import Hub

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    hub = Hub(settings)
    await hub.start()
    # What a start leaves is there for good: collections need not walk over it, nor come after every 700 allocations.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    waiter = asyncio.create_task(stop.wait())
    ended = asyncio.create_task(hub.wait())
    try:
        await asyncio.wait((waiter, ended), return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            ended.result()
        log.info("shutting down")
    finally:
        for task in (waiter, ended):
            task.cancel()
        await asyncio.gather(waiter, ended, return_exceptions=True)
        await hub.stop()


def main() -> None:
    """Run the program; exits 2 when the command line is wrong, 1 when the hub cannot go on."""
    cli.main(args=sys.argv[1:], prog_name="escadre-hub")


if __name__ == "__main__":
    main()
