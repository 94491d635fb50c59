"""The options by which credentials are given, and the request they make.

Secrets come from files, from standard input or a prompt; on the command line others can read them, which is told.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from hub.cli.errors import Misuse
from hub.cli.passwords import read_password
from hub.cli.values import PROJECT

_LARGEST = 256 * 1024
_FILE = click.Path(path_type=Path, dir_okay=False)

_OPTIONS = (
    click.option("--type", "kind", type=click.Choice(("git", "helm", "oci")), default="git", show_default=True,
                 help="What is there: Git, a chart repository, or an OCI registry."),
    click.option("--project", type=PROJECT, help="Only for applications of this project."),
    click.option("--username", metavar="NAME", help="Who the hub is; the password is asked for."),
    click.option("--password", metavar="TEXT", help="Password or token. Others can see it here: better a file."),
    click.option("--password-file", type=_FILE, help="Read the password or token from a file."),
    click.option("--password-stdin", is_flag=True, help="Read the password or token from standard input."),
    click.option("--bearer-token", metavar="TEXT", help="Sent as Authorization: Bearer. Others can see it here."),
    click.option("--bearer-token-file", type=_FILE, help="Read that token from a file."),
    click.option("--ssh-private-key-path", type=_FILE, help="A private key for SSH, without a passphrase."),
    click.option("--tls-client-cert-path", type=_FILE, help="A client certificate for TLS, PEM."),
    click.option("--tls-client-cert-key-path", type=_FILE, help="Its key, PEM, without a passphrase."),
    click.option("--github-app-id", type=click.IntRange(min=1), help="The id of a GitHub App."),
    click.option("--github-app-installation-id", type=click.IntRange(min=1),
                 help="Of its installation; found by the repository's owner else."),
    click.option("--github-app-private-key-path", type=_FILE, help="The App's private key, PEM."),
    click.option("--github-app-enterprise-base-url", metavar="URL",
                 help="The API of a GitHub Enterprise, such as https://github.example.com/api/v3."),
    click.option("--enable-oci", is_flag=True, help="Charts are in a registry, at an address without a scheme."),
    click.option("--insecure-oci-force-http", "plain_http", is_flag=True, help="OCI: no TLS."),
    click.option("--proxy", metavar="URL", help="Go through this proxy: http, https, socks5 or socks5h."),
    click.option("--no-proxy", metavar="HOSTS", help="Hosts reached without it, with commas between."),
    click.option("--force-http-basic-auth", "force_basic_auth", is_flag=True,
                 help="Send the credentials before the server asks for some."),
)  # fmt: skip

_REPOSITORY = (
    click.option("--name", metavar="NAME", help="What to call it."),
    click.option("--insecure-skip-server-verification", "--insecure-ignore-host-key", "insecure", is_flag=True,
                 help="Believe the server whatever certificate or host key it shows."),
    click.option("--enable-lfs", is_flag=True, help="Fetch what Git LFS keeps elsewhere."),
)  # fmt: skip

upsert_option = click.option("--upsert", is_flag=True, help="Replace what is registered there, all of it.")


def credential_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of repositories and templates."""
    return _added(function, _OPTIONS)


def repository_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add those of repositories alone."""
    return _added(function, _REPOSITORY)


def entry_body(url: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request for what was given; asks for a password where a user name stands alone. Raises Misuse."""
    body = {
        "url": url,
        "type": given["kind"],
        "project": given["project"] or "",
        "username": given["username"] or "",
        "password": _password(given),
        "bearer_token": _either(given, "bearer_token"),
        "ssh_private_key": _content(given["ssh_private_key_path"]),
        "tls_client_certificate": _content(given["tls_client_cert_path"]),
        "tls_client_key": _content(given["tls_client_cert_key_path"]),
        "github_app": _github_app(given),
        "proxy": given["proxy"] or "",
        "no_proxy": given["no_proxy"] or "",
        **{name: given[name] for name in ("force_basic_auth", "enable_oci", "plain_http")},
        **{name: given[name] for name in ("insecure", "enable_lfs") if name in given},
    }
    if given.get("name"):
        body["name"] = given["name"]
    visible = [name for name in ("password", "bearer_token") if given[name]]
    if "@" in (given["proxy"] or ""):
        visible.append("proxy")
    for name in visible:
        click.echo(f"warning: others on this machine can see --{name.replace('_', '-')}", err=True)
    return {key: value for key, value in body.items() if value not in ("", None, False)}


def _password(given: Mapping[str, Any]) -> str:
    ways = [name for name in ("password", "password_file", "password_stdin") if given[name]]
    if len(ways) > 1:
        raise Misuse("give the password in one way only")
    if given["password_stdin"]:
        return read_password("", from_stdin=True)
    if given["password_file"] is not None:
        return _line(given["password_file"])
    others = ("bearer_token", "bearer_token_file", "ssh_private_key_path", "github_app_id", "tls_client_cert_path")
    if given["username"] and given["password"] is None and not any(given[name] for name in others):
        if not sys.stdin.isatty():
            raise Misuse("there is no terminal to ask for the password: give --password-file or --password-stdin")
        asked: str = click.prompt(f"Password of {given['username']}", hide_input=True, err=True)
        return asked
    return given["password"] or ""


def _either(given: Mapping[str, Any], name: str) -> str:
    text, file = given[name], given[f"{name}_file"]
    if text and file is not None:
        raise Misuse(f"give --{name.replace('_', '-')} or a file, not both")
    return _line(file) if file is not None else text or ""


def _github_app(given: Mapping[str, Any]) -> dict[str, Any] | None:
    id, key = given["github_app_id"], given["github_app_private_key_path"]
    rest = (given["github_app_installation_id"], given["github_app_enterprise_base_url"])
    if id is None and key is None and not any(rest):
        return None
    if id is None or key is None:
        raise Misuse("a GitHub App is given by --github-app-id and --github-app-private-key-path")
    app = {"app_id": id, "installation_id": rest[0], "private_key": _content(key), "base_url": rest[1]}
    return {name: value for name, value in app.items() if value}


def read_file(path: Path | None) -> str:
    """Return a file's text; that of standard input for None. Raises Misuse."""
    if path is None:
        if sys.stdin.isatty():
            click.echo("reading from the terminal; end with Ctrl-D", err=True)
        content = sys.stdin.buffer.read(2 * _LARGEST + 1)
        return _decoded(content, "standard input", 2 * _LARGEST)
    try:
        with path.open("rb") as file:
            return _decoded(file.read(2 * _LARGEST + 1), str(path), 2 * _LARGEST)
    except OSError as error:
        raise Misuse(f"{path} cannot be read: {error.strerror}") from error


def _content(path: Path | None) -> str:
    if path is None:
        return ""
    text = read_file(path)
    if not text.strip():
        raise Misuse(f"{path} is empty")
    return text


def _line(path: Path) -> str:
    return _content(path).rstrip("\r\n")


def _decoded(content: bytes, name: str, most: int) -> str:
    if len(content) > most:
        raise Misuse(f"{name} has more than {most:,} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Misuse(f"{name} is not text") from error


def _added(function: Callable[..., Any], options: tuple[Callable[..., Any], ...]) -> Callable[..., Any]:
    for option in reversed(options):
        function = option(function)
    return function
