"""A first look at repository addresses, for messages while an object is being written.

What may be fetched is decided where fetching is done; here only what can never be one is caught, and no password is
ever repeated.
"""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SCP = re.compile(r"(?:[^@:/\s]+@)?(?:\[[^\]]+\]|[^:/@\[\]\s]+):[^:].*")
_CREDENTIALS = re.compile(r"https?://[^/@]*:[^/@]+@", re.IGNORECASE)
_SCHEMES = ("https", "http", "ssh", "git+ssh", "ssh+git", "file", "oci")
_LONGEST = 2048


def repository_problem(url: str, *, chart: bool) -> str:
    """Say what is wrong with a repoURL; nothing when it may be good. A chart's may be a registry without a scheme."""
    if len(url) > _LONGEST:
        return f"is longer than {_LONGEST} characters"
    if _CONTROL.search(url):
        return "holds a space or a control character"
    if url.startswith("-") or "::" in url.partition("[")[0]:
        return "is not a repository's address: use https://, ssh:// or git@host:path"
    if scheme := _SCHEME.match(url):
        if scheme[1].lower() in _SCHEMES:
            return ""
        return f"has the scheme {scheme[1].lower()}, which is not supported: use https://, ssh:// or git@host:path"
    if chart or _SCP.fullmatch(url):
        return ""
    return "is not a repository's address: use https://, ssh:// or git@host:path"


def holds_password(url: str) -> bool:
    return _CREDENTIALS.match(url) is not None


def redacted(url: str) -> str:
    """Return an address without its user name and password."""
    return re.sub(r"//[^/@]*@", "//", url)
