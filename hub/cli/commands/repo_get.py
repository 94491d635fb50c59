"""`escadre repo get`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from hub.cli.command import command as declare
from hub.cli.entries import credential_words, find_entry
from hub.cli.printer import output_option, print_item
from hub.cli.session import Session, pass_session
from hub.cli.text import ago, clean, fields
from hub.cli.values import PROJECT


@declare("get", example="escadre repo get https://git.example.com/shop.git")
@click.argument("url")
@click.option("--project", type=PROJECT, help="The one of this project.")
@output_option()
@pass_session
def command(session: Session, url: str, project: str | None, output: str) -> None:
    """Show what is registered for URL, but for secrets."""
    item = find_entry(session.api, "repositories", url, project)
    print_item(output, item, lambda: lines(item), name=item["url"])


def lines(item: Mapping[str, Any]) -> list[str]:
    switches = {
        "insecure": "insecure",
        "enable_lfs": "LFS",
        "enable_oci": "OCI",
        "plain_http": "OCI without TLS",
        "force_basic_auth": "basic authentication unasked",
    }
    pairs = [
        ("Repo", item["url"]),
        ("Name", item["name"]),
        ("Type", item["type"]),
        ("Project", item["project"]),
        ("Credentials", credential_words(item)),
        ("Options", ", ".join(word for name, word in switches.items() if item[name])),
        ("Proxy", "yes" if item["has_proxy"] else ""),
        ("No proxy", item["no_proxy"]),
        ("Changed", f"{ago(item['changed_at'])} by {item['changed_by']}"),
    ]
    return fields((name, clean(value)) for name, value in pairs)
