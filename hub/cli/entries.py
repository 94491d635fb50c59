"""Finding a registered repository or template by its URL, and showing who the hub is there."""

from __future__ import annotations

from typing import Any

from hub.cli.client import HubApi
from hub.cli.errors import Misuse
from hub.cli.printer import Item


def find_entry(api: HubApi, collection: str, url: str, project: str | None) -> dict[str, Any]:
    """Return the entry of a URL: the project's where one is named, else the one of all projects, else the only one.

    Raises Misuse."""
    found = api.items(f"/{collection}", url=url, project=project)
    chosen = [item for item in found if project or not item["project"]] or found
    if not chosen:
        raise Misuse(f"nothing is registered for {url}{f' in project {project}' if project else ''}")
    if len(chosen) > 1:
        raise Misuse(f"{url} is registered for several projects: name one with --project")
    return chosen[0]


def credential_words(item: Item) -> str:
    """Say in a word or two how the hub shows itself."""
    words = []
    if item["github_app_id"]:
        words.append(f"GitHub App {item['github_app_id']}")
    if item["has_ssh_private_key"]:
        words.append("SSH key")
    if item["has_bearer_token"]:
        words.append("bearer token")
    if item["has_password"]:
        words.append(f"password of {item['username']}" if item["username"] else "token")
    elif item["username"]:
        words.append(item["username"])
    if item["has_tls_client_certificate"]:
        words.append("client certificate")
    if not words and item.get("inherits"):
        return f"template {item['inherits']}"
    return ", ".join(words) or "none"
