"""`escadre login`: first whom to believe, then who one is."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import click

from hub.cli import trust
from hub.cli.client import HubApi
from hub.cli.command import command as declare
from hub.cli.config import Context, Contexts, context_name, read_ca, server_address
from hub.cli.errors import Misuse, NotTrusted
from hub.cli.passwords import STDIN_HELP, read_password
from hub.cli.session import Session, pass_session


@dataclass(frozen=True, slots=True)
class Trusting:
    """How the user wants the hub to be known."""

    pins: tuple[str, ...] = ()
    ca_file: Path | None = None
    nobody: bool = False


@declare(
    "login",
    example="""
    escadre login hub.example.com:8443
    escadre login hub.example.com:8443 --ca-pin sha256:HEX --username admin --password-stdin < password
    escadre login https://escadre.example.com --name production
    """,
)
@click.argument("hub")
@click.option("--username", default="admin", show_default=True, help="The account.")
@click.option("--password-stdin", is_flag=True, help=STDIN_HELP)
@click.option("--ca-pin", multiple=True, metavar="sha256:HEX", help="Trust the hub whose authority has this pin.")
@click.option(
    "--ca-file", type=click.Path(path_type=Path), help="Trust the hub whose certificate these authorities (PEM) signed."
)
@click.option("--insecure-skip-tls-verify", is_flag=True, help="Trust whatever answers. For trying things out only.")
@click.option("--name", help="What to call this hub; its address, else.")
@pass_session
def command(
    session: Session,
    hub: str,
    username: str,
    password_stdin: bool,
    ca_pin: tuple[str, ...],
    ca_file: Path | None,
    insecure_skip_tls_verify: bool,
    name: str | None,
) -> None:
    """Log in to a hub, HOST:PORT or https://HOST:PORT, and remember it.

    The first time, the hub's authority has to be trusted: by its pin, which the hub prints at its start, by a file, or
    by looking at the pin and saying yes. The password is asked for, or read from standard input, or from the file that
    ESCADRE_PASSWORD_FILE names; it is never an argument.
    """
    server = server_address(hub)
    contexts = session.contexts
    trusting = Trusting(tuple(trust.check_pin(pin) for pin in ca_pin), ca_file, insecure_skip_tls_verify)
    if sum((bool(ca_pin), bool(ca_file), insecure_skip_tls_verify)) > 1:
        raise Misuse("--ca-pin, --ca-file and --insecure-skip-tls-verify exclude one another")
    label = context_name(name) if name else _known_name(contexts, server)
    context = _vouched(Context(label, server), trusting, contexts, session.request_timeout)
    password = read_password(f"Password of {username}", from_stdin=password_stdin)
    reply = _log_in(context, username, password, session.request_timeout)
    stored = replace(context, username=username, token=reply["token"], expires_at=reply["expires_at"])
    session.save(contexts.with_(stored))
    click.echo(f"Logged in to {server} as {username}; context {label!r} is now the current one.")


def _log_in(context: Context, username: str, password: str, timeout: float) -> dict[str, str]:
    api = HubApi(context, timeout=timeout)
    try:
        reply: dict[str, str] = api.post("/session", {"username": username, "password": password})
        return reply
    finally:
        api.close()


def _known_name(contexts: Contexts, server: str) -> str:
    known = next((c.name for c in contexts.items.values() if c.server == server), "")
    return known or server.removeprefix("https://").replace("[", "").replace("]", "")


def _vouched(context: Context, trusting: Trusting, contexts: Contexts, timeout: float) -> Context:
    """Return the context with the authorities to trust for it. Raises NotTrusted, Misuse, HubAway."""
    if trusting.nobody:
        click.echo("warning: the hub's certificate is not checked: anybody in between can read along", err=True)
        return replace(context, insecure=True)
    if trusting.ca_file:
        return trust.with_authorities(context, read_ca(trusting.ca_file))
    if trusting.pins:
        return trust.with_authorities(context, trust.pinned_authorities(context.server, trusting.pins, timeout))
    if file := os.environ.get("ESCADRE_CA_FILE"):
        return trust.with_authorities(context, read_ca(Path(file)))
    known = next((c.ca for c in contexts.items.values() if c.server == context.server and c.ca), "")
    if known and _holds(replace(context, ca=known), timeout):
        return replace(context, ca=known)
    if trust.is_trusted_already(context.server, timeout):
        return context
    return _first_use(context, timeout, was_known=bool(known))


def _holds(context: Context, timeout: float) -> bool:
    """Tell whether the authorities kept from an earlier login still vouch for the hub. Raises HubAway."""
    api = HubApi(context, timeout=timeout)
    try:
        api.get("/version")
    except NotTrusted:
        return False
    finally:
        api.close()
    return True


def _first_use(context: Context, timeout: float, *, was_known: bool) -> Context:
    pins = list(trust.shown_authorities(context.server, timeout))
    told = " and ".join(pins)
    if not sys.stdin.isatty():
        raise NotTrusted(
            f"{context.server} is not trusted yet; its authority has the pin {told}. Compare it with the one "
            "the hub printed at its start, then log in with --ca-pin PIN"
        )
    if was_known:
        click.echo("warning: the hub's authority is not the one trusted before", err=True)
    click.echo(f"The authority of {context.server} has the pin\n\n    {told}\n", err=True)
    click.echo("Compare it with the one the hub printed at its start.", err=True)
    if not click.confirm("Is it the same? Trust it", default=False, err=True):
        raise NotTrusted("not trusted; nothing was sent")
    return trust.with_authorities(context, trust.pinned_authorities(context.server, pins, timeout))
