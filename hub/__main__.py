"""The program escadre-hub.

What a hub is made of takes more than a second to import, so each command imports what it needs when it runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import sys
import types
import typing
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from hub import __version__
from hub.config import Settings, read_settings
from hub.errors import HubError, Invalid
from hub.logs import configure

log = logging.getLogger(__name__)

T = TypeVar("T")


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
    # Nearly all that a start makes is there to stay: to look for garbage after every 700 allocations costs it a sixth.
    gc.set_threshold(50_000, 20, 50)
    from hub.server import Hub

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    hub = Hub(settings)
    await hub.start()
    # Collections need not walk over it.
    gc.collect()
    gc.freeze()
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


def _database_options(command: click.Command) -> click.Command:
    """Add the flags that say which hub is meant."""
    for name in ("data_dir", "database_url", "secret_key_file", "secret_key_command"):
        text = f"{Settings.model_fields[name].description} [ESCADRE_{name.upper()}]"
        command.params.append(click.Option(["--" + name.replace("_", "-")], metavar="TEXT", help=text))
    return command


def _beside(work: Callable[[Settings], Coroutine[Any, Any, T]], flags: dict[str, Any]) -> T:
    """Run a command beside the hub; errors become messages and exit codes."""
    try:
        settings = read_settings(_given(flags))
    except Invalid as error:
        raise Misuse(error.message) from error
    try:
        return asyncio.run(work(settings))
    except HubError as error:
        raise Failure(error.message) from error


@cli.group()
def ca() -> None:
    """The fleet's authority: its pin, and its rotation in three steps, each some time after the one before.

    prepare makes the next authority known to every agent; activate lets it sign, while the old one stays trusted;
    retire ends the trust in the old one.
    """


@ca.command()
def pin(**flags: Any) -> None:
    """Print the pin that agents and people check the hub by."""
    from hub import offline

    found, _ = _beside(offline.describe, flags)
    click.echo(found)


@ca.command(name="list")
def list_authorities(**flags: Any) -> None:
    """List the authorities and signing keys in force."""
    from hub import offline

    _, rows = _beside(offline.describe, flags)
    for row in rows:
        until = row.not_after.date().isoformat() if row.not_after else "-"
        click.echo(f"{row.id}  {row.kind:16}  {row.state:8}  until {until:10}  {row.pin}".rstrip())


def _rotation_step(step: str, text: str) -> None:
    def run(force: bool = False, **flags: Any) -> None:
        from hub import offline

        _beside(partial(offline.rotate, step=step, force=force), flags)
        click.echo(f"{step}: done; a running hub takes it up within a minute")

    run.__doc__ = text
    command = ca.command(name=step, help=text)(run)
    if step != "prepare":
        message = "do it although it is too early, or agents still need the old one: those have to join anew"
        command.params.append(click.Option(["--force"], is_flag=True, help=message))
    _database_options(command)


_rotation_step("prepare", "Make the next authority, and make it known.")
_rotation_step("activate", "Let the next authority sign; the old one stays trusted.")
_rotation_step("retire", "Trust the old authority no more, and destroy its key.")


@cli.group(name="secret-key")
def secret_key() -> None:
    """The key that secrets in the database are encrypted with, and its rotation while the hub runs.

    rotate makes a new key and encrypts everything with it; forget drops the old ones, once no backup needs them.
    """


@secret_key.command(name="list")
def list_keys(**flags: Any) -> None:
    """List the keys' ids: the one in use, then those before it."""
    from hub import offline

    for number, id in enumerate(_beside(offline.key_ids, flags)):
        click.echo(f"{id}  {'old' if number else 'in use'}")


@secret_key.command(name="rotate")
def rotate_key(**flags: Any) -> None:
    """Make a new key in the key file, and encrypt everything with it. A running hub takes it up at once."""
    from hub import offline

    count = _beside(offline.rotate_key, flags)
    click.echo(f"{count} secrets are encrypted with a new key; the old one stays in the key file until `forget`")


@secret_key.command(name="reseal")
def reseal(**flags: Any) -> None:
    """Encrypt everything with the first of the keys there are: after a new one was put there by other means."""
    from hub import offline

    click.echo(f"{_beside(offline.reseal, flags)} secrets are encrypted with the first key")


@secret_key.command(name="forget")
def forget_keys(**flags: Any) -> None:
    """Drop every key but the one in use: backups made before the rotation need them, so keep a copy with those."""
    from hub import offline

    click.echo(f"{_beside(offline.forget_keys, flags)} old keys dropped")


@cli.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(file: Path, **flags: Any) -> None:
    """Write a consistent copy of the SQLite database to FILE, while the hub runs.

    The key file (secret.key) belongs with it: without it the private keys in the copy cannot be read.
    """
    if file.exists():
        raise Misuse(f"{file} exists already: name a new file")
    from hub import offline

    _beside(partial(offline.backup, path=file), flags)
    click.echo(f"written to {file}")


for _command in (pin, list_authorities, list_keys, rotate_key, reseal, forget_keys, backup):
    _database_options(_command)


def main() -> None:
    """Run the program; exits 2 when the command line is wrong, 1 when the hub cannot go on."""
    cli.main(args=sys.argv[1:], prog_name="escadre-hub")


if __name__ == "__main__":
    main()
