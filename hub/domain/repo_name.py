"""What a repository is called whichever way it is cloned: all that an event about a push and a source have in common.

https, ssh and git@host:path, with and without user, port, `.git`, a slash at the end, and in any case. So two
repositories may share a name; whoever acts on one looks at both.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

MAX_NAME = 2048

_SCP = re.compile(r"(?:[^@:/]*@)?(?P<host>\[[^\]]+\]|[^:/@\[\]]+):(?!\d+/|\d+$)(?P<path>.+)", re.DOTALL)
_DOCKER_HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})
_VISUAL_STUDIO = ".visualstudio.com"


def repo_name(url: str) -> str:
    """Return host/path in lower case, '' for what is no address; of file:// the path alone."""
    text = url.strip().lower()
    if not text or len(text) > MAX_NAME:
        return ""
    scp = _SCP.fullmatch(text) if "://" not in text else None
    if scp is not None:
        host, path = scp["host"], scp["path"]
    else:
        try:
            parts = urlsplit(text if "://" in text else f"//{text}")
            host, path = parts.hostname or "", unquote(parts.path)
        except ValueError:
            return ""
        if parts.scheme == "file":
            return "/" + _bare(path)
    host, path = _canonical(host.strip("[]"), _bare(path))
    return f"{host}/{path}" if host and path else ""


def _bare(path: str) -> str:
    return path.strip("/").removesuffix(".git").rstrip("/")


def _canonical(host: str, path: str) -> tuple[str, str]:
    """Take out what only the way of cloning puts into an address."""
    if host in _DOCKER_HUB:
        return "docker.io", path
    if host in ("ssh.dev.azure.com", "vs-ssh.visualstudio.com"):
        return "dev.azure.com", path.removeprefix("v3/")
    if host.endswith(_VISUAL_STUDIO):
        # The older address of an organisation.
        path = f"{host.removesuffix(_VISUAL_STUDIO)}/{path.removeprefix('defaultcollection/')}"
        host = "dev.azure.com"
    if host == "dev.azure.com":
        organisation, _, rest = path.partition("/")
        if rest.startswith("_git/"):
            # A repository that is called as its project may be written without it.
            rest = f"{rest.removeprefix('_git/')}/{rest}"
        return host, f"{organisation}/{rest.replace('/_git/', '/', 1)}"
    for prefix in ("altssh.", "ssh."):
        host = host.removeprefix(prefix)
    # Bitbucket Server puts this before the project where a repository is cloned by https.
    return host, re.sub(r"(^|/)scm/(?=[^/]+/[^/]+$)", r"\1", path)
