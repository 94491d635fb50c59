"""Which addresses mean the same repository: an entry is found however its address is spelled.

As in Argo CD, case does not count, nor `.git` at the end, nor whether SSH is written ssh://git@host/path or
git@host:path. Neither does a slash at the end, the scheme's own port, or a user name in an https address. Two addresses
on different hosts are never alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_SCP = re.compile(r"(?:(?P<user>[^@:/]+)@)?(?P<host>\[[^\]]+\]|[^:/@\[\]]+):(?P<path>.+)", re.DOTALL)
_REGISTRY_PORT = re.compile(r"[0-9]{1,5}(/|$)")
_PORTS = {"http": 80, "https": 443, "ssh": 22}
_SSH = ("ssh", "git+ssh", "ssh+git")


@dataclass(frozen=True, slots=True)
class RepoKey:
    """A repository's address as it is compared."""

    scheme: str
    """https | http | ssh | file | oci | whatever else was given"""
    authority: str
    """user@host:port of ssh, without a port that is the scheme's own; host:port of others."""
    path: str
    """Without slashes at both ends, and without `.git`."""

    @property
    def host(self) -> str:
        """host:port, or the host alone."""
        return self.authority.rpartition("@")[2]

    @property
    def text(self) -> str:
        return f"{self.scheme}://{self.authority}/{self.path}"

    def begins_with(self, prefix: RepoKey) -> bool:
        """Tell whether a template for that address is meant for this one. The host has to be the same, and not only to
        begin the same: https://git.example.com is no prefix of https://git.example.com.attacker.org."""
        same_user = prefix.authority == self.authority or ("@" not in prefix.authority and prefix.host == self.host)
        return prefix.scheme == self.scheme and same_user and self.path.startswith(prefix.path)


def repo_key(url: str) -> RepoKey:
    """Read any address; one that is none gives a key that only it has."""
    text = url.strip().lower()
    if "://" not in text:
        scp = _SCP.fullmatch(text)
        if scp and not (scp["user"] is None and _REGISTRY_PORT.match(scp["path"])):
            user = f"{scp['user']}@" if scp["user"] else ""
            return RepoKey("ssh", user + scp["host"], _path(scp["path"]))
        text = f"oci://{text}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return RepoKey("", "", text)
    scheme = "ssh" if parts.scheme in _SSH else parts.scheme
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    if port and port != _PORTS.get(scheme):
        host += f":{port}"
    user = f"{parts.username}@" if scheme == "ssh" and parts.username else ""
    return RepoKey(scheme, user + host, _path(parts.path))


def _path(path: str) -> str:
    return path.strip("/").removesuffix(".git").rstrip("/")
