"""Lines of known_hosts, as ssh-keyscan prints them and Argo CD keeps them, ⇄ host keys."""

from __future__ import annotations

import base64
import hashlib

from hub.domain.repository import HostTrust


def parse_known_hosts(text: str) -> list[HostTrust]:
    """Read lines; comments and empty ones are passed over. Raises ValueError, which names the line."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        marker = words.pop(0) if words[0].startswith("@") else ""
        if len(words) < 3:
            raise ValueError(f"line {number} is none of known_hosts: it names hosts, a key's type and the key")
        found.append(HostTrust("ssh", words[0], words[1], words[2], marker))
    return found


def fingerprint(key: str) -> str:
    """Return how ssh shows a key, which people compare: SHA256:…"""
    digest = hashlib.sha256(base64.b64decode(key)).digest()
    return "SHA256:" + base64.b64encode(digest).rstrip(b"=").decode()
