"""What the operator lets the hub read, and how much of it: every limit on Git in one value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SourcePolicy:
    """Seconds and bytes."""

    file_prefixes: tuple[Path, ...] = ()
    """Directories that file:// repositories may lie in; none by default, for they are the hub's own disk."""
    ssh_directory: Path | None = None
    """Holds config, known_hosts and id_* for ssh, as ~/.ssh does. None: only the agent's keys, no known hosts."""
    ssh_auth_socket: str = ""
    """The operator's ssh agent, if its keys are to be used."""
    ca_file: Path | None = None
    """Trusted besides nothing else for https; None: the system's authorities."""
    poll_seconds: float = 20.0
    fetch_seconds: float = 300.0
    silence_seconds: float = 60.0
    """A fetch that says nothing for this long is given up."""
    collect_seconds: float = 600.0
    poll_slots: int = 8
    fetch_slots: int = 4
    host_slots: int = 4
    """Parallel operations against one host: below the others, so that no host takes them all."""
    refs_bytes: int = 32 * MIB
    """What `ls-remote` may answer: about 400,000 refs."""
    repository_bytes: int = 8 * 1024 * MIB
