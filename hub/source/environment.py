"""The world git runs in: an environment made from nothing, and a configuration of the hub's own.

The operator's git configuration is not read (it may name helpers, hooks and rewrites), nor is anything of the hub's
environment passed on but the proxy settings.

What is secret of an access is in files that live as long as the command (`hub.source.private`): no argument, variable
or configuration of a mirror holds any of it.
"""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

from hub.domain.repository import OPEN, Access, Credentials
from hub.source.github_app import GitHubTokens
from hub.source.policy import SourcePolicy
from hub.source.private import PrivateFiles, clear_private_files, private_files
from hub.source.ssh import quoted, ssh_environment
from hub.source.urls import RepoUrl

_PASSED_ON = (
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
_PROXIES = frozenset({"http_proxy", "https_proxy", "no_proxy"})
_ANYBODY = "git"
"""Whom a token belongs to that came without a user name: those who take one do not look at it."""

_CONFIG = """\
[core]
\thooksPath = /dev/null
\taskPass =
\tfsmonitor = false
\tpackedGitLimit = 128m
\tdeltaBaseCacheLimit = 32m
[credential]
\thelper =
[fetch]
\trecurseSubmodules = false
\tshowForcedUpdates = false
\tunpackLimit = 1
[gc]
\tauto = 0
\tpruneExpire = 14.days.ago
[http]
\tfollowRedirects = initial
\tlowSpeedLimit = 100
\tlowSpeedTime = {silence}
\tsslVerify = true
[maintenance]
\tauto = false
[pack]
\tthreads = 1
\twindowMemory = 64m
[protocol]
\tversion = 2
[submodule]
\trecurse = false
[transfer]
\tbundleURI = false
"""

# Git says whom it asks for. A redirect to another host gets nothing, which a header or a URL with the credentials in it
# would not see to.
_ASKPASS = """\
#!/bin/sh
case "$1" in
"Username for '$ESCADRE_GIT_SCHEME://$ESCADRE_GIT_HOST': ") cat "$ESCADRE_GIT_SECRETS/username" ;;
"Password for '$ESCADRE_GIT_SCHEME://"*"@$ESCADRE_GIT_HOST': ") cat "$ESCADRE_GIT_SECRETS/password" ;;
*) exit 1 ;;
esac
"""


class GitEnvironment:
    """Writes the configuration once, then gives each command its environment."""

    def __init__(
        self,
        home: Path,
        policy: SourcePolicy,
        inherited: Mapping[str, str] = os.environ,
        tokens: GitHubTokens | None = None,
    ) -> None:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._config_file = home / "gitconfig"
        self._config_file.write_text(self._config(policy))
        self._askpass = home / "askpass"
        self._askpass.write_text(_ASKPASS)
        self._askpass.chmod(0o700)
        self._private = home / "private"
        clear_private_files(self._private)
        self._policy = policy
        self._tokens = tokens or GitHubTokens(ca_file=policy.ca_file)
        self._base = {name: inherited[name] for name in _PASSED_ON if inherited.get(name)}
        self._base |= {
            "PATH": inherited.get("PATH", os.defpath),
            "HOME": str(home),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(self._config_file),
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_PROTOCOL_FROM_USER": "0",
        }

    def local(self) -> dict[str, str]:
        """For commands that touch no network."""
        return self._base | {"GIT_ALLOW_PROTOCOL": "none"}

    @contextlib.asynccontextmanager
    async def network(self, repository: RepoUrl, access: Access = OPEN) -> AsyncIterator[dict[str, str]]:
        """For one command that talks to this repository, and to nothing else; worth nothing afterwards.

        Raises SourceError when GitHub gives no token, OSError.
        """
        access = await self._completed(repository, access)
        with private_files(self._private) as files:
            environment = self._base | {"GIT_ALLOW_PROTOCOL": _protocols(repository)}
            if access.proxy:
                for name in list(environment):
                    if name.lower() in _PROXIES:
                        del environment[name]
                environment["no_proxy"] = environment["NO_PROXY"] = access.no_proxy
            if repository.scheme == "ssh":
                environment |= ssh_environment(self._policy, repository, access, files)
            elif repository.scheme in ("http", "https"):
                environment |= self._http(repository, access, files)
            yield environment

    def distrust(self, access: Access) -> None:
        """A server has refused this access: what was fetched for it, and may have been revoked, is fetched anew."""
        if access.credentials.github_app is not None:
            self._tokens.forget(access.credentials.github_app)

    async def _completed(self, repository: RepoUrl, access: Access) -> Access:
        """Put in what the URL says itself, and the token of a GitHub App."""
        credentials = access.credentials
        if repository.username and repository.password:
            credentials = Credentials(repository.username, repository.password)
        elif credentials.github_app is not None and repository.scheme in ("http", "https"):
            user, token = await self._tokens.credentials(credentials.github_app, repository, access)
            credentials = replace(credentials, username=user, password=token, github_app=None)
        elif repository.username:
            # https://NAME@host is how some servers write their addresses, https://TOKEN@host how some people do.
            credentials = replace(credentials, username=credentials.username or repository.username)
        return replace(access, credentials=credentials)

    def _http(self, repository: RepoUrl, access: Access, files: PrivateFiles) -> dict[str, str]:
        credentials = access.credentials
        environment = {"GIT_CONFIG_GLOBAL": str(self._write_config(repository, access, files))}
        if credentials.username or credentials.password:
            files.write("username", (credentials.username or _ANYBODY) + "\n")
            files.write("password", credentials.password + "\n")
            environment |= {
                "GIT_ASKPASS": str(self._askpass),
                "ESCADRE_GIT_SCHEME": repository.scheme,
                "ESCADRE_GIT_HOST": repository.host,
                "ESCADRE_GIT_SECRETS": str(files.directory),
            }
        return environment

    def _write_config(self, repository: RepoUrl, access: Access, files: PrivateFiles) -> Path:
        """Write the hub's configuration with what this access adds for this host."""
        lines = ["[include]", f"\tpath = {quoted(self._config_file)}"]
        if access.proxy:
            lines += ["[http]", f"\tproxy = {_value(access.proxy)}"]
        lines.append(f"[http {_value(f'{repository.scheme}://{repository.host}/')}]")
        if access.insecure:
            lines.append("\tsslVerify = false")
        if access.authorities:
            lines.append(f"\tsslCAInfo = {quoted(files.write('authorities', access.authorities))}")
            # In place of the system's, not beside them.
            lines.append(f"\tsslCAPath = {quoted(files.empty_directory('none'))}")
        credentials = access.credentials
        if credentials.client_certificate:
            lines.append(f"\tsslCert = {quoted(files.write('certificate', credentials.client_certificate.strip()))}")
            lines.append(f"\tsslKey = {quoted(files.write('client-key', credentials.client_key.strip()))}")
        if header := _header(access):
            # Git would send it along wherever it is redirected.
            lines += [f"\textraHeader = {_value(f'Authorization: {header}')}", "\tfollowRedirects = false"]
        return files.write("gitconfig", "\n".join(lines) + "\n")

    @staticmethod
    def _config(policy: SourcePolicy) -> str:
        text = _CONFIG.format(silence=max(1, int(policy.silence_seconds)))
        if policy.ca_file is not None:
            text += f"[http]\n\tsslCAInfo = {quoted(policy.ca_file)}\n"
        if policy.file_prefixes:
            # Reading a repository of another user is what the operator asked for by allowing the directory.
            text += "[safe]\n\tdirectory = *\n"
        return text


def _protocols(repository: RepoUrl) -> str:
    # A redirect may lead from http to https, never back.
    return "http:https" if repository.scheme == "http" else repository.scheme


def _header(access: Access) -> str:
    """Return the Authorization that is sent unasked, if any."""
    credentials = access.credentials
    if credentials.bearer_token:
        return f"Bearer {credentials.bearer_token}"
    if access.force_basic_auth and (credentials.username or credentials.password):
        pair = f"{credentials.username or _ANYBODY}:{credentials.password}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    return ""


def _value(text: str) -> str:
    """Quote a value of git's configuration."""
    if any(ord(character) < 32 for character in text):
        raise ValueError("a control character")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
