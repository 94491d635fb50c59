"""Putting one object onto the cluster as its sync options say: applied, replaced, or deleted and made anew.

Objects are applied server-side. `Replace` puts the whole object in the place of what is there. `Force` deletes and
makes anew what refuses a change of a field that is fixed once it is set. `Validate=false` leaves out fields that the
cluster's schema does not know. With `RespectIgnoreDifferences` ignored fields stay as they are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from agent.engine.health import assess
from agent.engine.ignore import IgnoreRules
from agent.engine.options import SyncOptions
from agent.engine.resource import FIELD_MANAGER, Object, ResourceKey
from agent.engine.respect import keep_ignored
from agent.engine.takeover import take_over
from agent.engine.traits import Traits
from agent.kube import errors
from agent.kube.client import ApplyOptions, DeleteOptions, Kind, KubeClient
from agent.syncer.clock import Clock
from agent.syncer.lenient import without_unknown_fields
from agent.syncer.orders import count_fixed
from agent.syncer.patience import Patience

APPLY = ApplyOptions()
DRY_RUN = ApplyOptions(dry_run=True)
GONE_TIMEOUT_SECONDS = 60.0


class Applier:
    """Writes the objects of one operation. Methods raise KubeError, Terminated."""

    def __init__(
        self, client: KubeClient, clock: Clock, patience: Patience, options: SyncOptions, ignores: IgnoreRules
    ) -> None:
        self._client = client
        self._clock = clock
        self._patience = patience
        self._options = options
        self._ignores = ignores

    async def predict(self, kind: Kind, manifest: Object, traits: Traits, *, exists: bool) -> Object:
        """Ask what applying would give, by a dry run."""
        if self._options.respect_ignores and exists:
            manifest = await self._respectful(kind, manifest)
        return await self._apply(kind, manifest, traits, DRY_RUN)

    async def put(
        self, kind: Kind, key: ResourceKey, manifest: Object, traits: Traits, *, uid: str, take_over_first: bool
    ) -> Object:
        """Have an object there as assigned; `uid` is that of the live one, "" where none is known."""
        if take_over_first and self._options.migrate:
            await self._patience.request(lambda: self._take_over(kind, key))
        if self._options.respect_ignores and (uid or take_over_first):
            manifest = await self._respectful(kind, manifest)
        if self._options.replaces(traits):
            if self._options.forces(traits) and uid:
                return await self._anew(kind, key, manifest, traits, uid)
            return await self._replace(kind, key, manifest)
        try:
            return await self._apply(kind, manifest, traits, APPLY)
        except errors.Rejected as error:
            if not self.may_remake(traits, error):
                raise _with_offer(error) from error
        return await self._anew(kind, key, manifest, traits, uid)

    def may_remake(self, traits: Traits, refusal: errors.Permanent) -> bool:
        """Say whether an object that was refused will be deleted and made anew: not where a new one would be refused
        as well, and nothing be left."""
        return isinstance(refusal, errors.Rejected) and self._options.forces(traits) and _only_fixed(refusal)

    @staticmethod
    def explained(error: errors.Permanent) -> errors.Permanent:
        """Return a refusal with what there is to do about it."""
        if isinstance(error, errors.Rejected):
            return _with_offer(error)
        return error

    async def _apply(self, kind: Kind, manifest: Object, traits: Traits, options: ApplyOptions) -> Object:
        if self._options.validates(traits):
            return await self._patience.request(self._applying(kind, manifest, options))

        async def apply(obj: Object) -> Object:
            return await self._patience.request(self._applying(kind, obj, options))

        return await without_unknown_fields(apply, manifest)

    def _applying(self, kind: Kind, manifest: Object, options: ApplyOptions) -> Callable[[], Awaitable[Object]]:
        return lambda: self._client.apply(kind, manifest, options)

    async def _respectful(self, kind: Kind, manifest: Object) -> Object:
        """Return a manifest with the ignored fields as they are live."""
        metadata = manifest["metadata"]
        namespace, name = metadata.get("namespace") or "", metadata["name"]
        group = kind.group
        ignores = self._ignores.for_object(ResourceKey(group, kind.kind, namespace, name))
        if not ignores:
            return manifest
        live = await self._patience.request(lambda: self._client.get(kind, namespace, name))
        return keep_ignored(manifest, live, ignores) if live is not None else manifest

    async def _replace(self, kind: Kind, key: ResourceKey, manifest: Object) -> Object:
        async def replace() -> Object:
            # Read anew with every try: controllers write to it as well.
            found = await self._client.get(kind, key.namespace, key.name)
            if found is None:
                return await self._client.create(kind, manifest, field_manager=FIELD_MANAGER)
            metadata = {**manifest["metadata"], "resourceVersion": found["metadata"].get("resourceVersion", "")}
            return await self._client.replace(kind, {**manifest, "metadata": metadata}, field_manager=FIELD_MANAGER)

        try:
            return await self._patience.request(replace)
        except errors.Rejected as error:
            raise _with_offer(error) from error

    async def _anew(self, kind: Kind, key: ResourceKey, manifest: Object, traits: Traits, uid: str) -> Object:
        if not uid:
            # It was not this application's; what is there now is what the refusal was about.
            there = await self._patience.request(lambda: self._client.get(kind, key.namespace, key.name))
            uid = there["metadata"]["uid"] if there is not None else ""
        if uid:
            options = DeleteOptions("background", uid=uid)
            await self._patience.request(lambda: self._client.delete(kind, key.namespace, key.name, options))
        # Who ends the operation now does not end this: what was deleted to be made anew would stay away.
        patience = Patience(self._clock)

        seconds, what = GONE_TIMEOUT_SECONDS, "what was to be replaced"
        await until_gone(self._client, patience, kind, key, uid=uid, seconds=seconds, what=what)
        return await patience.request(self._applying(kind, manifest, APPLY))

    async def _take_over(self, kind: Kind, key: ResourceKey) -> None:
        """Have what a predecessor applied put down to this agent, so that what Git has no more is removed."""
        found = await self._client.get(kind, key.namespace, key.name)
        mine = take_over(found) if found is not None else None
        if mine is not None:
            await self._client.replace(kind, mine, field_manager=FIELD_MANAGER)


def _only_fixed(error: errors.Rejected) -> bool:
    """Say whether nothing stands against an object but fields that cannot be changed once they are set."""
    return count_fixed(error.message) >= max(1, len(set(error.fields)))


def _with_offer(error: errors.Rejected) -> errors.Rejected:
    """Say what there is to do about a field that cannot be changed."""
    if not _only_fixed(error):
        return error
    offer = (
        "the object has to be deleted and made anew for that: sync with --force, or annotate it with the sync option"
    )
    fields = f" ({', '.join(error.fields)})" if error.fields else ""
    return errors.Rejected(
        f"{error.message}; a field{fields} is fixed once it is set: {offer} Force=true", error.fields
    )


async def until_gone(
    client: KubeClient, patience: Patience, kind: Kind, key: ResourceKey, *, uid: str, seconds: float, what: str
) -> None:
    """Wait until an object that was deleted is gone; `uid` "" stands for whatever has the name.

    Raises Terminated, and KubeError: a Conflict that says what it is held by when it has not gone within `seconds`.
    """
    last: Object | None = None

    async def read() -> Object | None:
        nonlocal last
        last = await client.get(kind, key.namespace, key.name)
        return last

    def gone(found: Object | None) -> bool:
        return found is None or bool(uid and found["metadata"].get("uid") != uid)

    if not await patience.until(read, gone, seconds) and last is not None:
        health = assess(last)
        why = f": {health.message}" if health is not None and health.message else ""
        raise errors.Conflict(f"{what} has not gone away in {seconds:.0f} s{why}")


def with_name(manifest: Object, name: str) -> Object:
    """Return a manifest under another name."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "generateName"}
    return {**manifest, "metadata": {**metadata, "name": name}}
