"""An Application in the words of the command line: `app create` and `app set`."""

from __future__ import annotations

from pydantic import Field, TypeAdapter

from hub.api.models.base import Request
from hub.formats.edit import ApplicationFlags

Texts = list[str]

_FLAGS = TypeAdapter(ApplicationFlags)


class ApplicationFlagsBody(Request):
    """`hub.formats.edit.ApplicationFlags`, field by field: what is absent or null is left as it is."""

    name: str | None = None
    """At creation only."""
    namespace: str | None = None
    """Of the Application itself; at creation only."""
    project: str | None = None
    repo: str | None = None
    path: str | None = None
    revision: str | None = None
    source_position: int | None = Field(default=None, ge=1, le=100)
    """Which of several sources is meant, from 1."""
    dest_server: str | None = None
    dest_name: str | None = None
    dest_namespace: str | None = None
    dest_selectors: Texts = Field(default=[], max_length=100)
    """Label selectors such as "region=eu,tier in (a,b)"; each becomes one entry of `destinations`."""
    sync_policy: str | None = None
    """automated | auto | true, or manual | none | false."""
    auto_prune: bool | None = None
    self_heal: bool | None = None
    allow_empty: bool | None = None
    sync_options: Texts = Field(default=[], max_length=100)
    """"Option=value" sets one, "!Option" takes it away."""
    helm_set: Texts = Field(default=[], max_length=1000)
    """"name=value"."""
    helm_set_string: Texts = Field(default=[], max_length=1000)
    values: Texts = Field(default=[], max_length=100)
    """Value files in the repository, instead of those there are."""
    values_literal: str | None = None
    """YAML text, instead of the values there are."""
    release_name: str | None = None
    kustomize_images: Texts = Field(default=[], max_length=1000)
    name_prefix: str | None = None
    name_suffix: str | None = None
    directory_recurse: bool | None = None
    directory_include: str | None = None
    directory_exclude: str | None = None
    labels: Texts = Field(default=[], max_length=1000)
    """"key=value" sets one, "key-" takes it away."""
    annotations: Texts = Field(default=[], max_length=1000)
    revision_history_limit: int | None = Field(default=None, ge=0, le=2**31 - 1)

    def flags(self) -> ApplicationFlags:
        return _FLAGS.validate_python(self.model_dump())
