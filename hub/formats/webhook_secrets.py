"""Argo CD's Secret `argocd-secret` → hub.domain.webhook_secrets.WebhookSecrets.

Messages name keys, never values.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from hub.domain.webhook_secrets import AZURE_PASSWORD, AZURE_USER, KEYS, WebhookSecrets
from hub.formats.errors import shown
from hub.formats.fields import Fields, Parsed, Problems, did_you_mean
from hub.formats.limits import Document
from hub.formats.metadata import as_document, display_name

API_VERSION = "v1"
KIND = "Secret"
NAME = "argocd-secret"

_MOST = 4096
_REFERENCE = re.compile(r"\$[A-Za-z0-9._-]+:[A-Za-z0-9._-]+")


def is_webhook_secrets(value: Any) -> bool:
    """Tell whether an object is the Secret that holds them."""
    if not isinstance(value, Mapping) or (value.get("apiVersion"), value.get("kind")) != (API_VERSION, KIND):
        return False
    metadata = value.get("metadata")
    return isinstance(metadata, Mapping) and metadata.get("name") == NAME


def parse_webhook_secrets(document: Document | Mapping[str, Any], *, strict: bool = False) -> Parsed[WebhookSecrets]:
    """Read the Secret. Raises FormatError with everything that is wrong with it; see `parse_application`."""
    source = as_document(document)
    problems = Problems()
    top = Fields(source.value, "", problems)
    top.ignore("apiVersion", "kind", "metadata", "type", "immutable")
    # As the API server would put them together.
    found = {**_values(top, "data", encoded=True), **_values(top, "stringData", encoded=False)}
    top.finish()
    if (AZURE_USER in found) != (AZURE_PASSWORD in found):
        problems.errors.append(f"{AZURE_USER} and {AZURE_PASSWORD} go together")
    name = display_name(source.value, KIND)
    return problems.conclude(WebhookSecrets(found), strict=strict, of=name, name=source.name, line=source.line)


def _values(top: Fields, part: str, *, encoded: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    given = top.get(part)
    if given is not None and not isinstance(given, Mapping):
        top.fail(part, "is no mapping")
    fields = Fields(given if isinstance(given, Mapping) else {}, part, top.problems)
    for key, value in fields.value.items():
        if key not in KEYS:
            near = did_you_mean(key, KEYS)
            fields.problems.unserved.append(
                f"{fields.at(shown(key))} is not served{near}: the hub takes what webhooks are believed by, no more"
            )
            continue
        text = _text(value, encoded=encoded)
        if text is None:
            fields.fail(key, "is no text in base64" if encoded else "is no text: write it in quotes")
        elif problem := _problem(text):
            fields.fail(key, problem)
        elif text:
            found[key] = text
    return found


def _text(value: Any, *, encoded: bool) -> str | None:
    if value is None:
        return ""
    if not isinstance(value, str) or not encoded:
        return value if isinstance(value, str) else None
    try:
        return base64.b64decode("".join(value.split()), validate=True).decode()
    except (binascii.Error, ValueError):
        return None


def _problem(text: str) -> str:
    if len(text.encode("utf-8", "surrogatepass")) > _MOST:
        return f"is longer than {_MOST} bytes"
    if not text.isprintable():
        return "holds a line break or another control character: was it made with a file that ends in one?"
    if _REFERENCE.fullmatch(text):
        return "refers to another Secret, which the hub does not read: give the value itself"
    return ""
