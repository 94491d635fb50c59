"""How git starts ssh: what git hands to a shell are constants, and paths of the hub's own, quoted."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from hub.domain.repository import Access
from hub.errors import Invalid
from hub.source import tunnel
from hub.source.policy import SourcePolicy
from hub.source.private import PrivateFiles
from hub.source.proxies import bypasses_proxy
from hub.source.urls import RepoUrl

_KEYS = ("id_ed25519", "id_ed25519_sk", "id_ecdsa", "id_ecdsa_sk", "id_rsa")
_OPTIONS = (
    "BatchMode=yes",
    "ConnectTimeout=10",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    "ControlMaster=no",
    "ControlPath=none",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "ClearAllForwardings=yes",
    "UpdateHostKeys=no",
)
PROXY_FILE = "ESCADRE_PROXY_FILE"


def ssh_environment(
    policy: SourcePolicy, repository: RepoUrl, access: Access, files: PrivateFiles | None
) -> dict[str, str]:
    """Return the variables by which git starts ssh for an access; keys and host keys are written to `files`."""
    environment = {"GIT_SSH_VARIANT": "ssh"}
    options = [*_OPTIONS, *_host_keys(policy, access, files)]
    key = access.credentials.ssh_private_key
    if key and files is not None:
        options += [f"IdentityFile={quoted(files.write('key', _key_text(key)))}", "IdentitiesOnly=yes"]
        options.append("IdentityAgent=none")
    else:
        keys = [policy.ssh_directory / name for name in _KEYS] if policy.ssh_directory is not None else []
        # Named even when there is none, or ssh would look for keys in the home of the hub's user.
        options += [f"IdentityFile={quoted(path)}" for path in keys if path.is_file()] or ["IdentityFile=none"]
        if policy.ssh_auth_socket:
            environment["SSH_AUTH_SOCK"] = policy.ssh_auth_socket
    host, port = _place(repository.host)
    if access.proxy and files is not None and not bypasses_proxy(host, port, access.no_proxy):
        environment[PROXY_FILE] = str(files.write("proxy", access.proxy))
        options.append(f"ProxyCommand={shlex.join([sys.executable, '-I', tunnel.__file__, '%h', '%p'])}")
    environment["GIT_SSH_COMMAND"] = _command(policy, options)
    return environment


def quoted(path: Path) -> str:
    """Return a path as git's and ssh's configuration take it. Raises Invalid."""
    text = str(path)
    if any(character in text for character in '"\\\n'):
        raise Invalid(f"The path {text!r} holds a quote, a backslash or a line break: choose another one.")
    return f'"{text}"'


def _command(policy: SourcePolicy, options: list[str]) -> str:
    config = policy.ssh_directory / "config" if policy.ssh_directory is not None else None
    command = ["ssh", "-F", str(config) if config is not None and config.is_file() else "none"]
    for option in options:
        command += ["-o", option]
    return shlex.join(command)


def _host_keys(policy: SourcePolicy, access: Access, files: PrivateFiles | None) -> list[str]:
    if access.insecure:
        return ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "GlobalKnownHostsFile=/dev/null"]
    known = []
    if access.known_hosts and files is not None:
        known.append(quoted(files.write("known_hosts", access.known_hosts)))
    if policy.ssh_directory is not None:
        known.append(quoted(policy.ssh_directory / "known_hosts"))
    return [
        "StrictHostKeyChecking=yes",
        f"UserKnownHostsFile={' '.join(known) or 'none'}",
        "GlobalKnownHostsFile=/etc/ssh/ssh_known_hosts",
    ]


def _key_text(key: str) -> str:
    """A key that came through a form or a YAML text: ssh takes neither CRs nor a last line that does not end."""
    return key.replace("\r\n", "\n").strip() + "\n"


def _place(host: str) -> tuple[str, int]:
    name, colon, port = host.rpartition(":")
    return (name, int(port)) if colon and port.isdigit() and not host.endswith("]") else (host, 22)
