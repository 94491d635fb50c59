"""Repository URLs and revisions come from whoever writes an Application, and end up on Git's command line.

So they are read strictly here, once: what is not plainly https, http, ssh or an allowed file URL is refused, nothing
that Git could take for an option or a helper gets through, and credentials are taken out before anything is shown or
passed on.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit

from hub.source.errors import RepositoryRefused, RevisionNotFound

MAX_URL = 2048
MAX_REVISION = 255

_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")
_SCP = re.compile(r"(?:(?P<user>[^@:/]+)@)?(?P<host>\[[^\]]+\]|[^:/@\[\]]+):(?P<path>.+)")
_REVISION_REFUSED = re.compile(r"[\x00-\x1f\x7f-\x9f?\[\\]|\.\.|@\{|:")


@dataclass(frozen=True, slots=True)
class RepoUrl:
    scheme: str
    """https | http | ssh | file"""
    host: str
    """With the port, where one is given; empty for file."""
    location: str
    """What Git is given. Never holds a password."""
    display: str
    username: str = ""
    password: str = field(default="", repr=False)

    def directory_name(self, scope: str = "") -> str:
        """Name the mirror. Other credentials in the URL, or another `Access.scope`, give another mirror: one who cannot
        read a repository must not be served from the copy of one who can."""
        identity = "\0".join((self.location, self.username, self.password, *([scope] if scope else [])))
        return hashlib.sha256(identity.encode()).hexdigest()[:32]


def parse_repo_url(text: str, file_prefixes: Sequence[Path] = ()) -> RepoUrl:
    """Read a repository's URL. Raises RepositoryRefused."""
    url = text.strip()
    if not url:
        raise RepositoryRefused("The repository's URL is empty: give repoURL an https, ssh or git@host:path address.")
    if len(url) > MAX_URL:
        raise RepositoryRefused(f"The repository's URL is longer than {MAX_URL} characters.")
    if _CONTROL.search(url) or not url.isprintable():
        raise RepositoryRefused(f"The repository's URL {redact(url)!r} holds a space or a control character.")
    if url.startswith("-"):
        raise RepositoryRefused(f"The repository's URL {redact(url)!r} begins with '-'.")
    if "::" in url.partition("[")[0]:
        raise _unsupported(url)
    if "://" not in url:
        return _parse_scp(url)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise RepositoryRefused(f"{redact(url)!r} is not a URL.") from error
    match parts.scheme:
        case "https" | "http":
            return _parse_http(parts, port)
        case "ssh" | "git+ssh" | "ssh+git":
            return _parse_ssh(parts, port)
        case "file":
            return _parse_file(parts, file_prefixes)
    raise _unsupported(url)


def redact(url: str) -> str:
    """Return any text that may be a URL without what stands between '//' and '@', for messages and logs."""
    shown = re.sub(r"//[^/@]*@", "//", url)
    if "://" not in shown:
        shown = re.sub(r"^([^@:/]+):[^@/]*@", r"\1@", shown)
    return _CONTROL.sub("�", shown)[:200]


def check_revision(text: str, repository: str) -> str:
    """Return a target revision that is safe on a command line; HEAD for an empty one. Raises RevisionNotFound.

    `repository` is its display name, for the message.
    """
    revision = text.strip() or "HEAD"
    shown = _CONTROL.sub("�", revision)[:80]
    if len(revision) > MAX_REVISION:
        raise RevisionNotFound(
            f"The target revision {shown!r}… of {repository} is over {MAX_REVISION} characters long."
        )
    if revision.startswith("-") or _REVISION_REFUSED.search(revision):
        raise RevisionNotFound(
            f"The target revision {shown!r} of {repository} is none that Git allows: "
            "name a branch, a tag, a commit or a version range."
        )
    return revision


def _parse_http(parts: SplitResult, port: int | None) -> RepoUrl:
    host = _checked_host(parts, port)
    if parts.query or parts.fragment:
        raise RepositoryRefused(
            f"The repository's URL {redact(parts.geturl())!r} has a query or a fragment: leave it out."
        )
    location = f"{parts.scheme}://{host}{_checked_path(parts.path, parts.geturl())}"
    return RepoUrl(
        scheme=parts.scheme,
        host=host,
        location=location,
        display=location,
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def _parse_ssh(parts: SplitResult, port: int | None) -> RepoUrl:
    host = _checked_host(parts, port)
    user = _checked_user(unquote(parts.username or ""), parts.geturl())
    location = f"ssh://{user}{host}{_checked_path(parts.path, parts.geturl())}"
    return RepoUrl(scheme="ssh", host=host, location=location, display=location)


def _parse_scp(url: str) -> RepoUrl:
    match = _SCP.fullmatch(url)
    if match is None or not _HOST.fullmatch(match["host"]):
        raise _unsupported(url)
    user = _checked_user(match["user"] or "", url)
    path = match["path"]
    # git@host:path is relative to the user's home directory; ssh:// has no spelling of that every server takes, so
    # the scp form is kept.
    if path.startswith("-") or "@" in path.partition("/")[0]:
        raise _unsupported(url)
    location = f"{user}{match['host'].lower()}:{path.rstrip('/')}"
    return RepoUrl(scheme="ssh", host=match["host"].lower(), location=location, display=location)


def _parse_file(parts: SplitResult, prefixes: Sequence[Path]) -> RepoUrl:
    path = Path(unquote(parts.path))
    if parts.netloc not in ("", "localhost") or not path.is_absolute():
        raise RepositoryRefused(f"{redact(parts.geturl())!r} is not a local path: write file:///absolute/path.")
    # Resolved, so that neither '..' nor a symlink leads out of what the operator allows.
    resolved = path.resolve()
    if not any(resolved.is_relative_to(prefix.resolve()) for prefix in prefixes):
        raise RepositoryRefused(
            f"file://{path} is not among the directories this hub may read repositories from; "
            "its operator can allow it, or use https or ssh."
        )
    location = "file://" + quote(str(resolved))
    return RepoUrl(scheme="file", host="", location=location, display=location)


def _checked_host(parts: SplitResult, port: int | None) -> str:
    name = parts.hostname or ""
    shown = f"[{name}]" if ":" in name else name
    if not _HOST.fullmatch(shown):
        raise RepositoryRefused(f"The repository's URL {redact(parts.geturl())!r} names no valid host.")
    return f"{shown}:{port}" if port else shown


def _checked_user(user: str, url: str) -> str:
    if not user:
        return ""
    if not _USER.fullmatch(user):
        raise RepositoryRefused(f"The user name in {redact(url)!r} is none that ssh takes.")
    return user + "@"


def _checked_path(path: str, url: str) -> str:
    if path.strip("/") == "" or _CONTROL.search(unquote(path)):
        raise RepositoryRefused(f"The repository's URL {redact(url)!r} names no repository on its host.")
    return path.rstrip("/")


def _unsupported(url: str) -> RepositoryRefused:
    return RepositoryRefused(
        f"{redact(url)!r} is no address this hub reads from: use https://, http://, ssh:// or git@host:path."
    )
