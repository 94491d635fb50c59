"""What a question to clusters is about, where that is not what is assigned to them: for each, a manifest set or why
there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hub.api.detail import Known
from hub.api.models.resource import Problem
from hub.api.services import Services
from hub.api.targets import read_sets
from hub.domain.cluster import Cluster
from hub.domain.manifest import ManifestSetRef
from hub.domain.operation import HistoryEntry, history_entry
from hub.errors import NotFound
from hub.fleet.previews import Wish, ask_preview

About = Mapping[str, ManifestSetRef | Problem]
"""By cluster uid. Sets are signed."""


async def previewed(services: Services, wish: Wish, clusters: Sequence[Cluster]) -> About:
    """Raises HubError for what concerns all clusters alike."""
    preview = await ask_preview(services.post, wish)
    found: dict[str, ManifestSetRef | Problem] = {}
    for cluster in clusters:
        if cluster.uid in preview.sets:
            found[cluster.uid] = preview.sets[cluster.uid]
        elif trouble := preview.troubles.get(cluster.uid):
            found[cluster.uid] = Problem(code=trouble.code, message=trouble.message)
        else:
            message = f"the application is not for cluster {cluster.name} any more"
            found[cluster.uid] = Problem(code="not-assigned", message=message)
    return found


async def deployed(services: Services, known: Known, clusters: Sequence[Cluster], id: int) -> About:
    """What an entry of each cluster's history names; Git is not asked. Raises NotFound where no cluster has it."""
    application = str(known.application.id)
    history = await services.store.history(application)
    entries = {c.uid: history_entry([h for h in history if h.cluster == c.uid], id) for c in clusters}
    check_history(known, entries, id)
    sets = await read_sets(services.store, {entry.manifest_set for entry in entries.values() if entry})
    found: dict[str, ManifestSetRef | Problem] = {}
    for cluster in clusters:
        entry = entries[cluster.uid]
        if entry is None:
            which = f"history entry {id}" if id else "an earlier history entry"
            message = f"cluster {cluster.name} has no {which} of the application"
            found[cluster.uid] = Problem(code="not-deployed", message=message)
        elif entry.manifest_set not in sets:
            message = f"the manifests of history entry {entry.id} are gone from the hub"
            found[cluster.uid] = Problem(code="manifests-gone", message=message)
        else:
            signature, key_id = services.pki.sign(bytes.fromhex(entry.manifest_set))
            count = len(sets[entry.manifest_set].entries)
            found[cluster.uid] = ManifestSetRef(entry.manifest_set, count, signature, key_id)
    return found


def check_history(known: Known, entries: Mapping[str, HistoryEntry | None], id: int) -> None:
    """Raises NotFound when there is nothing to go back to on any of the clusters."""
    if any(entries.values()):
        return
    display = known.application.id.display
    if id:
        raise NotFound(f"the history of application {display} has no entry {id}: see `escadre app history {display}`")
    raise NotFound(f"application {display} was deployed less than twice: there is nothing to go back to")
