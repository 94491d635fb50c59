"""What an address, asked for a project, is read with: pure, over one picture of everything that is registered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hub.domain.repo_url import RepoKey, repo_key
from hub.domain.repository import Access, CredentialTemplate, HostTrust, Repository

SSH, HTTPS = "ssh", "https"


@dataclass(frozen=True, slots=True)
class _Template:
    key: RepoKey
    value: CredentialTemplate


class Registered:
    """Everything that is registered at one moment."""

    def __init__(
        self,
        repositories: Iterable[Repository] = (),
        templates: Iterable[CredentialTemplate] = (),
        trust: Sequence[HostTrust] = (),
    ) -> None:
        self._repositories = {(repo_key(r.url), r.project): r for r in repositories}
        longest_first = sorted(templates, key=lambda t: (-len(repo_key(t.url).path), not t.project))
        self._templates = [_Template(repo_key(t.url), t) for t in longest_first]
        self._certificates = {t.server.lower(): t.data for t in trust if t.kind == HTTPS}
        self._known_hosts = "".join(f"{t.line}\n" for t in trust if t.kind == SSH)

    def access(self, url: str, project: str) -> Access:
        """Say how an address is read for a project: by its own entry, and what that leaves open by the template with
        the longest prefix. Entries of another project do not exist for this one; its own come first."""
        key = repo_key(url)
        entry = self._repositories.get((key, project)) or self._repositories.get((key, ""))
        template = self._template(key, project)
        # A project's own template is closer than an entry of all that says nothing of who the hub is.
        sources = [source for source in (entry, template) if source is not None]
        said = next((s for s in sources if s.credentials), None)
        proxied = next((s for s in sources if s.proxy), None)
        return Access(
            credentials=said.credentials if said else Access().credentials,
            insecure=entry.insecure if entry else False,
            plain_http=any(s.plain_http for s in sources),
            force_basic_auth=any(s.force_basic_auth for s in sources),
            proxy=proxied.proxy if proxied else "",
            no_proxy=proxied.no_proxy if proxied else "",
            authorities=self._authorities(key) if key.scheme != SSH else "",
            known_hosts=self._known_hosts if key.scheme == SSH else "",
            lfs=entry.lfs if entry else False,
            scope=_scope(said, proxied),
        )

    def reader(self, url: str, project: str) -> str:
        """Return the project whose entries decide how it is read, '' where those of all do: applications of projects
        without entries of their own share one copy, and one question to its server."""
        return project if project and self.access(url, project) != self.access(url, "") else ""

    def named(self, name: str, project: str) -> str:
        """Return the URL of the chart repository that is registered under a name; '' when there is none."""
        known = [r for r in self._repositories.values() if r.name == name and r.project in ("", project)]
        # Its own come first, and of those of one name always the same.
        known.sort(key=lambda r: (not r.project, r.url))
        return known[0].url if known else ""

    def repository(self, url: str, project: str) -> Repository | None:
        """Return the entry itself."""
        key = repo_key(url)
        return self._repositories.get((key, project)) or self._repositories.get((key, ""))

    def template(self, url: str, project: str) -> CredentialTemplate | None:
        """Return the template that fits best."""
        return self._template(repo_key(url), project)

    def _template(self, key: RepoKey, project: str) -> CredentialTemplate | None:
        return next((t.value for t in self._templates if _fits(t, key, project)), None)

    def _authorities(self, key: RepoKey) -> str:
        host = key.host
        return self._certificates.get(host) or self._certificates.get(re.sub(r":\d+$", "", host), "")


def _fits(template: _Template, key: RepoKey, project: str) -> bool:
    return template.value.project in ("", project) and key.begins_with(template.key)


def _scope(said: Repository | CredentialTemplate | None, proxied: Repository | CredentialTemplate | None) -> str:
    """Name whose entry it is that opens the door, be it by credentials or by a way through a proxy; which of the
    entries of one project, or of all, makes no difference: whoever sees one sees the others."""
    deciding = [source for source in (said, proxied) if source is not None]
    if not deciding:
        return ""
    return next((f"project/{source.project}" for source in deciding if source.project), "shared")
