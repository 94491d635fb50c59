"""The world git runs in: an environment made from nothing, and a configuration of the hub's own.

The operator's git configuration is not read (it may name helpers, hooks and rewrites), nor is anything of the hub's
environment passed on but the proxy settings.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from hub.errors import Invalid
from hub.source.policy import SourcePolicy
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
_KEYS = ("id_ed25519", "id_ed25519_sk", "id_ecdsa", "id_ecdsa_sk", "id_rsa")

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
"Username for '$ESCADRE_GIT_SCHEME://$ESCADRE_GIT_HOST': ") printf '%s\\n' "$ESCADRE_GIT_USERNAME" ;;
"Password for '$ESCADRE_GIT_SCHEME://"*"@$ESCADRE_GIT_HOST': ") printf '%s\\n' "$ESCADRE_GIT_PASSWORD" ;;
*) exit 1 ;;
esac
"""


class GitEnvironment:
    """Writes the configuration once, then gives each command its environment."""

    def __init__(self, home: Path, policy: SourcePolicy, inherited: Mapping[str, str] = os.environ) -> None:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        config = home / "gitconfig"
        config.write_text(self._config(policy))
        self._askpass = home / "askpass"
        self._askpass.write_text(_ASKPASS)
        self._askpass.chmod(0o700)
        self._base = {name: inherited[name] for name in _PASSED_ON if inherited.get(name)}
        self._base |= {
            "PATH": inherited.get("PATH", os.defpath),
            "HOME": str(home),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(config),
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_PROTOCOL_FROM_USER": "0",
            "GIT_SSH_COMMAND": _ssh_command(policy),
            "GIT_SSH_VARIANT": "ssh",
        }
        if policy.ssh_auth_socket:
            self._base["SSH_AUTH_SOCK"] = policy.ssh_auth_socket

    def local(self) -> dict[str, str]:
        """For commands that touch no network."""
        return self._base | {"GIT_ALLOW_PROTOCOL": "none"}

    def network(self, repository: RepoUrl) -> dict[str, str]:
        """For commands that talk to this repository, and to nothing else."""
        environment = self._base | {"GIT_ALLOW_PROTOCOL": _protocols(repository)}
        if repository.username or repository.password:
            environment |= _credentials(repository, self._askpass)
        return environment

    @staticmethod
    def _config(policy: SourcePolicy) -> str:
        text = _CONFIG.format(silence=max(1, int(policy.silence_seconds)))
        if policy.ca_file is not None:
            text += f"[http]\n\tsslCAInfo = {_quoted(policy.ca_file)}\n"
        if policy.file_prefixes:
            # Reading a repository of another user is what the operator asked for by allowing the directory.
            text += "[safe]\n\tdirectory = *\n"
        return text


def _protocols(repository: RepoUrl) -> str:
    # A redirect may lead from http to https, never back.
    return "http:https" if repository.scheme == "http" else repository.scheme


def _credentials(repository: RepoUrl, askpass: Path) -> dict[str, str]:
    """Give credentials by environment: arguments are public to the machine, and files outlive a command."""
    return {
        "GIT_ASKPASS": str(askpass),
        "ESCADRE_GIT_SCHEME": repository.scheme,
        "ESCADRE_GIT_HOST": repository.host,
        "ESCADRE_GIT_USERNAME": repository.username,
        "ESCADRE_GIT_PASSWORD": repository.password,
    }


def _ssh_command(policy: SourcePolicy) -> str:
    """Build what git hands to a shell: constants and the operator's own directory, quoted."""
    options = [
        "BatchMode=yes",
        "ConnectTimeout=10",
        "ServerAliveInterval=5",
        "ServerAliveCountMax=3",
        "StrictHostKeyChecking=yes",
        "ControlMaster=no",
        "ControlPath=none",
        "ForwardAgent=no",
        "ForwardX11=no",
        "PermitLocalCommand=no",
        "ClearAllForwardings=yes",
        "GlobalKnownHostsFile=/etc/ssh/ssh_known_hosts",
    ]
    directory = policy.ssh_directory
    config = directory / "config" if directory is not None else None
    command = ["ssh", "-F", str(config) if config is not None and config.is_file() else "none"]
    if directory is None:
        options.append("UserKnownHostsFile=none")
        keys: list[Path] = []
    else:
        options.append(f"UserKnownHostsFile={_quoted(directory / 'known_hosts')}")
        keys = [directory / name for name in _KEYS if (directory / name).is_file()]
    # Named even when there is none, or ssh would look for keys in the home of the hub's user.
    options += [f"IdentityFile={_quoted(key)}" for key in keys] or ["IdentityFile=none"]
    for option in options:
        command += ["-o", option]
    return shlex.join(command)


def _quoted(path: Path) -> str:
    text = str(path)
    if any(character in text for character in '"\\\n'):
        raise Invalid(f"The path {text!r} holds a quote, a backslash or a line break: choose another one.")
    return f'"{text}"'
