"""An assignment: what one application is to be on one cluster.

It is a level: the newest one replaces all before it. `digest` tells whether two are the same, `generation` which is
newer.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from hub.domain.application import Deletion, IgnoreDifference, SyncPolicy
from hub.domain.manifest import ManifestSetRef, canonical_json, digest_of
from hub.domain.operation import OperationRequest
from hub.domain.project import OrphanRules
from hub.domain.revision import Revision
from hub.domain.window import SyncWindow


@dataclass(frozen=True, slots=True)
class AssignmentContent:
    """Everything an agent needs to go on alone with one application."""

    application: str
    application_uid: str
    project: str
    namespace: str
    manifest_set: ManifestSetRef
    revision: Revision
    policy: SyncPolicy
    ignore_differences: tuple[IgnoreDifference, ...] = ()
    operation: OperationRequest | None = None
    deletion: Deletion | None = None
    approved_at: datetime | None = None
    sources: str = ""
    """Digest of the blob that says what the set was made from; see `hub.formats.source.describe_sources`."""
    """When deletions that ask for a confirmation were last confirmed."""
    windows: tuple[SyncWindow, ...] = ()
    """Those of the project that it comes under here, as `hub.domain.window.windows_for` gives them."""
    orphans: OrphanRules | None = None
    """By what orphaned resources are looked for in its namespace, if they are."""
    passed_over: str = ""
    """Id of a request that had begun before the cluster came, and is not for it."""

    def digest(self) -> str:
        """Return the hex SHA-256 that two equal contents share.

        The signature is left out: signing again with a rotated key changes nothing that is to be done.
        """
        value = asdict(self)
        # The set says what is to be done, whatever it was made from.
        value.pop("sources")
        value.pop("passed_over")
        for name in ("began", "failures", "sources", "target_revision", "revisions"):
            # How a request went is no part of what is to be done.
            (value["operation"] or {}).pop(name, None)
        _leave_out_absent(value)
        for ref in filter(None, (value["manifest_set"], (value["operation"] or {}).get("manifest_set"))):
            ref.pop("signature")
            ref.pop("key_id")
        if not self.windows:
            # What has none keeps the digest it had before there were any: nothing is assigned anew for that.
            value.pop("windows")
        if self.orphans is None:
            value.pop("orphans")
        return digest_of(canonical_json(_plain(value)))


def _leave_out_absent(value: dict[str, Any]) -> None:
    """Leave out what earlier hubs did not know and nobody asked for: a new hub assigns nothing anew for its sake."""
    retries = [value["policy"]["retry"]]
    if value["operation"] is not None:
        if value["operation"]["retry"] is None:
            value["operation"].pop("retry")
        else:
            retries.append(value["operation"]["retry"])
    for revision in filter(None, (value["revision"], (value["operation"] or {}).get("revision"))):
        for source in revision["sources"]:
            for name in ("chart", "digest"):
                # Only what is no commit has them.
                if not source[name]:
                    source.pop(name)
    for retry in filter(None, retries):
        if not retry["refresh"]:
            retry.pop("refresh")


@dataclass(frozen=True, slots=True)
class Assignment:
    """An assignment as stored."""

    cluster: str
    """The cluster's uid."""
    content: AssignmentContent
    generation: int
    digest: str
    sequence: int
    """Grows with every change of any assignment: what a gateway has seen is one number."""
    acknowledged_generation: int = 0
    """What the agent has on its disk."""
    refusal: str = ""
    """Why the agent refused it, when it did: code and message."""
    held: bool = False
    """Not to be sent: the agent holds a newer one than this hub remembers, so this hub was restored from a
    backup. It is sent again once the application has been refreshed from Git."""


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {str(k): _plain(v) for k, v in value.items()}
        case list() | tuple():
            return [_plain(v) for v in value]
        case datetime():
            return value.isoformat()
        case _:
            return value
