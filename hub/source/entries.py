"""What is registered of repositories, in memory: read again when the bus tells of a change, asked with every fetch."""

from __future__ import annotations

import logging

from hub.domain.repo_access import Registered
from hub.domain.repository import Access, CredentialTemplate, HostTrust, Repository, SealedEntry
from hub.errors import HubError
from hub.source.contract import EntryRecords, Sealer
from hub.source.vault import unseal_entry

log = logging.getLogger(__name__)

_MOST_ANSWERS = 50_000


class RepositoryEntries:
    """Call `reload` before anything else: before that, nothing is registered."""

    def __init__(self, records: EntryRecords, sealer: Sealer) -> None:
        self._records = records
        self._sealer = sealer
        self._read: tuple[list[SealedEntry], list[HostTrust]] = ([], [])
        self._registered = Registered()
        self._accesses: dict[tuple[str, str], Access] = {}
        self._readers: dict[tuple[str, str], str] = {}

    async def reload(self) -> bool:
        """Read it all again, and tell whether something is another. An entry that cannot be decrypted is left out and
        logged: the others go on, and its repository is read as if it were not there. Raises StoreUnavailable."""
        read = (await self._records.list_entries(), await self._records.list_host_trust())
        if read == self._read:
            return False
        self._registered = Registered(*open_entries(read[0], self._sealer), read[1])
        self._read = read
        self._accesses.clear()
        self._readers.clear()
        return True

    def access(self, url: str, project: str) -> Access:
        """Return the same value for as long as nothing has changed."""
        key = (url, project)
        found = self._accesses.get(key)
        if found is None:
            if len(self._accesses) >= _MOST_ANSWERS:
                self._accesses.clear()
            found = self._accesses[key] = self._registered.access(url, project)
        return found

    def named(self, name: str, project: str) -> str:
        """Return the URL of what is registered under a name; '' when there is nothing."""
        return self._registered.named(name, project)

    def reader(self, url: str, project: str) -> str:
        """Return the project whose entries decide how an address is read; '' where those of all projects do."""
        key = (url, project)
        found = self._readers.get(key)
        if found is None:
            if len(self._readers) >= _MOST_ANSWERS:
                self._readers.clear()
            found = self._readers[key] = self._registered.reader(url, project)
        return found


def open_entries(rows: list[SealedEntry], sealer: Sealer) -> tuple[list[Repository], list[CredentialTemplate]]:
    """Decrypt what can be."""
    repositories: list[Repository] = []
    templates: list[CredentialTemplate] = []
    for row in rows:
        try:
            entry = unseal_entry(row, sealer)
        except HubError as error:
            log.error("what is registered for %s counts as not there: %s", row.url, error.message)
            continue
        if isinstance(entry, Repository):
            repositories.append(entry)
        else:
            templates.append(entry)
    return repositories, templates
