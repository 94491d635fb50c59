"""Looks through what somebody wants to register, before it is stored: every part is bounded, and what cannot work is
told while its author is there to correct it, without repeating any of it that is secret."""

from __future__ import annotations

import base64
import binascii
import re
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from hub.domain.names import name_problem
from hub.domain.repo_url import repo_key
from hub.domain.repository import Credentials, CredentialTemplate, HostTrust, Repository, RepositoryKind
from hub.errors import Invalid
from hub.source.errors import RepositoryRefused
from hub.source.urls import MAX_URL, parse_repo_url, redact
from hub.source.vault import Entry

E = TypeVar("E", bound=Entry)

KIB = 1024
MOST_ENTRIES = 10_000
MOST_TRUST_BYTES = 1024 * KIB
"""Of all host keys: ssh is given all of them."""
_LONGEST = {"username": KIB, "password": 16 * KIB, "bearer_token": 16 * KIB}
_MOST_PEM = 256 * KIB
_MOST_KEY = 64 * KIB
_PROXIES = ("http", "https", "socks5", "socks5h")
_LINE_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_TOKEN = re.compile(r"[\x21-\x7e]+")
_NO_PROXY = re.compile(r"[A-Za-z0-9._:/*,\[\] -]*")
_SERVER = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9._-]*[a-z0-9])?)(:[0-9]{1,5})?")
_HOST_PATTERN = re.compile(r"[!-+\--~]+(,[!-+\--~]+)*")
_KEY_TYPE = re.compile(r"(ssh|ecdsa|sk-ssh|sk-ecdsa)-[a-z0-9@.-]{1,60}")
_MARKERS = ("", "@cert-authority", "@revoked")


def checked_entry(entry: E, file_prefixes: Sequence[Path] = ()) -> E:
    """Return an entry as it is stored: its address without credentials. Raises Invalid, RepositoryRefused."""
    entry = _with_plain_url(entry, file_prefixes)
    problems = [
        *_credential_problems(entry.credentials, entry.url),
        *_proxy_problems(entry),
    ]
    if entry.project and (problem := name_problem(entry.project)):
        problems.append(f"project {entry.project[:70]!r} {problem}")
    if isinstance(entry, Repository) and (len(entry.name) > 253 or _LINE_BREAKS.search(entry.name)):
        problems.append("the name is longer than 253 characters, or holds a control character")
    if entry.oci and entry.kind == RepositoryKind.GIT:
        problems.append("--enable-oci is for --type helm and oci")
    if isinstance(entry, CredentialTemplate) and not entry.credentials:
        problems.append("a template without credentials says nothing: give some")
    if problems:
        raise Invalid(f"{redact(entry.url)}: {'; '.join(problems)}")
    return entry


def checked_trust(items: Iterable[HostTrust]) -> list[HostTrust]:
    """Return host keys and certificates as they are stored. Raises Invalid."""
    return [_checked_key(item) if item.kind == "ssh" else _checked_certificate(item) for item in items]


def _with_plain_url(entry: E, file_prefixes: Sequence[Path]) -> E:
    url = entry.url.strip()
    if not url or len(url) > MAX_URL or _LINE_BREAKS.search(url) or " " in url or url.startswith("-"):
        raise Invalid(f"the URL is empty, longer than {MAX_URL} characters, begins with '-' or holds what no URL may")
    key = repo_key(url)
    if entry.kind != RepositoryKind.GIT or (isinstance(entry, CredentialTemplate) and not key.path):
        return replace(entry, url=_plain(entry, url))
    parsed = parse_repo_url(url, file_prefixes)
    if parsed.password:
        raise Invalid(f"{parsed.display}: give the user and the password as such, not in the URL")
    credentials = entry.credentials
    if parsed.username and not credentials.username:
        credentials = replace(credentials, username=parsed.username)
    return replace(entry, url=parsed.display, credentials=credentials)


def _plain(entry: Entry, url: str) -> str:
    """Read the address of a chart repository, of a registry, or of a whole host."""
    try:
        parts = urlsplit(url if "://" in url else f"oci://{url}")
        good = bool(parts.hostname) and not parts.query and not parts.fragment
        secret = parts.password is not None
    except ValueError:
        good, secret = False, False
    schemes = ("https", "http", "oci") if entry.kind != RepositoryKind.GIT else ("https", "http", "ssh")
    # A template may be for what is at git@host:organization, which is read as scp writes addresses.
    known = parts.scheme in schemes if good else False
    if secret:
        raise Invalid(f"{redact(url)}: give the user and the password as such, not in the URL")
    if not good or not known:
        raise RepositoryRefused(f"{redact(url)!r} is no address of this kind: use one of {', '.join(schemes)}.")
    return url.rstrip("/")


def _credential_problems(credentials: Credentials, url: str) -> Iterable[str]:
    for name, most in _LONGEST.items():
        value = getattr(credentials, name)
        if len(value) > most:
            yield f"the {name.replace('_', ' ')} is longer than {most:,} characters"
        elif _LINE_BREAKS.search(value):
            yield f"the {name.replace('_', ' ')} holds a line break or another control character"
    if ":" in credentials.username:
        yield "the username holds a colon, which no server can tell from the password's beginning"
    if credentials.bearer_token and not _TOKEN.fullmatch(credentials.bearer_token):
        yield "the bearer token holds what no token may"
    if bool(credentials.client_certificate) != bool(credentials.client_key):
        yield "a TLS client certificate and its key belong together: give both"
    elif credentials.client_certificate:
        yield from _pair_problems(credentials)
    if credentials.ssh_private_key:
        yield from _ssh_key_problems(credentials.ssh_private_key)
        if repo_key(url).scheme in ("https", "http"):
            yield "an SSH private key is for ssh:// and git@host:path addresses"
    app = credentials.github_app
    if app is not None:
        if not 0 < app.app_id < 2**53 or not 0 <= app.installation_id < 2**53:
            yield "the GitHub App's id, or its installation's, is no number that GitHub gives"
        if not _is_rsa(app.private_key):
            yield "the GitHub App's private key is no RSA key in PEM: give the file that GitHub made"
        if app.base_url and (not app.base_url.startswith("https://") or not _is_plain_url(app.base_url)):
            yield "the GitHub App's base URL is none: give such as https://github.example.com/api/v3"
        if repo_key(url).scheme not in ("https", "http"):
            yield "a GitHub App is for https:// addresses"


def _proxy_problems(entry: Entry) -> Iterable[str]:
    if entry.proxy:
        try:
            parts = urlsplit(entry.proxy)
            good = parts.scheme in _PROXIES and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            good = False
        if not good or len(entry.proxy) > MAX_URL or _LINE_BREAKS.search(entry.proxy) or " " in entry.proxy:
            yield "the proxy is none: give http://, https://, socks5:// or socks5h://HOST:PORT"
    if len(entry.no_proxy) > 4 * KIB or not _NO_PROXY.fullmatch(entry.no_proxy):
        yield "what is reached without the proxy is no list of hosts with commas between"


def _is_plain_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and not (parts.username or parts.password or parts.query or parts.fragment)
    except ValueError:
        return False


def _pair_problems(credentials: Credentials) -> Iterable[str]:
    from hub.source.http import load_client_certificate

    if len(credentials.client_certificate) > _MOST_PEM or len(credentials.client_key) > _MOST_KEY:
        yield "the TLS client certificate or its key is too large"
        return
    try:
        load_client_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), credentials)
    except (ssl.SSLError, ValueError, OSError):
        yield "the TLS client certificate and its key do not belong together, are no PEM, or the key has a passphrase"


def _ssh_key_problems(key: str) -> Iterable[str]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

    content = (key.replace("\r\n", "\n").strip() + "\n").encode()
    if len(content) > _MOST_KEY:
        yield "the SSH private key is too large"
        return
    try:
        (load_ssh_private_key if b"OPENSSH PRIVATE KEY" in content else load_pem_private_key)(content, None)
    except TypeError:
        yield "the SSH private key has a passphrase: give one without, for nobody is there to type it"
    except UnsupportedAlgorithm:
        # ssh may know more kinds than this library.
        return
    except ValueError as error:
        if "assword" in str(error):
            yield "the SSH private key has a passphrase: give one without, for nobody is there to type it"
        else:
            yield "the SSH private key cannot be read: give the file that ssh-keygen made, not the .pub beside it"


def _is_rsa(pem: str) -> bool:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return len(pem) <= _MOST_KEY and isinstance(load_pem_private_key(pem.encode(), None), rsa.RSAPrivateKey)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False


def _checked_certificate(item: HostTrust) -> HostTrust:
    server = item.server.strip().lower()
    if not _SERVER.fullmatch(server) or len(server) > 260:
        raise Invalid(f"{item.server[:70]!r} is no HOST or HOST:PORT")
    if len(item.data) > _MOST_PEM:
        raise Invalid(f"the certificates of {server} are larger than {_MOST_PEM:,} bytes")
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificates(item.data.encode())
        ssl.create_default_context(cadata=item.data)
    except (ValueError, ssl.SSLError) as error:
        raise Invalid(f"what is given for {server} is no certificate in PEM") from error
    # Only the certificates: a private key that came along in the file has no place here.
    from cryptography.hazmat.primitives.serialization import Encoding

    return replace(item, server=server, data="".join(c.public_bytes(Encoding.PEM).decode() for c in found))


def _checked_key(item: HostTrust) -> HostTrust:
    server = item.server.strip()
    if not _HOST_PATTERN.fullmatch(server) or len(server) > 2 * KIB or server.startswith(("#", "@")):
        raise Invalid(f"{item.server[:70]!r} names no hosts as known_hosts does")
    if not _KEY_TYPE.fullmatch(item.subtype) or item.marker not in _MARKERS:
        raise Invalid(f"the line of {server[:70]} has no key type, or a marker that ssh does not know")
    try:
        content = base64.b64decode(item.data, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    named = item.subtype.encode()
    if len(item.data) > 16 * KIB or content[4 : 4 + len(named)] != named:
        raise Invalid(f"the {item.subtype} key of {server[:70]} is none: copy the line as ssh-keyscan gives it")
    # Hashed names are kept as they are: in them, case counts.
    return replace(item, server=server if server.startswith("|") else server.lower())
