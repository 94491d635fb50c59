from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from hub.domain.application import Source
from hub.domain.cluster import Capabilities
from hub.render import Rendered, Renderer, RendererSettings, RenderRequest, Scan, SourceInput
from tests.render.trees import Content, MemoryTree

URL = "https://git.example.com/a/b.git"
CLUSTER = Capabilities("v1.32.1", ("apps/v1", "monitoring.coreos.com/v1"), "d1")


def request(
    files: Mapping[str, Content], *sources: Source, app: str = "shop", capabilities: Capabilities = CLUSTER
) -> RenderRequest:
    """A request whose sources all read one tree; one source over the root unless told otherwise."""
    given = sources or (Source(URL, path="."),)
    tree = MemoryTree(files)
    inputs = tuple(SourceInput(source, tree, "0123456789abcdef") for source in given)
    return RenderRequest(inputs, app, "shop-namespace", capabilities)


@dataclass
class Kitchen:
    """A renderer, and what tests ask of it."""

    renderer: Renderer

    async def scan(self, request: RenderRequest) -> Scan:
        return await self.renderer.scan(request)

    async def render(self, request: RenderRequest) -> Rendered:
        return await self.renderer.render(request, await self.renderer.scan(request))

    async def objects(self, files: Mapping[str, Content], *sources: Source, **options: Any) -> list[dict[str, Any]]:
        """Return the objects in their order."""
        rendered = await self.render(request(files, *sources, **options))
        return [json.loads(rendered.blobs[entry.digest]) for entry in rendered.manifest_set.entries]

    async def names(self, files: Mapping[str, Content], *sources: Source, **options: Any) -> list[str]:
        return [value["metadata"]["name"] for value in await self.objects(files, *sources, **options)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kitchen(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kitchen]:
    """One for all tests of a module, which mark themselves with `ONE_LOOP`."""
    async with open_kitchen(tmp_path_factory.mktemp("render"), RendererSettings(workers=1)) as kitchen:
        yield kitchen


ONE_LOOP = pytest.mark.asyncio(loop_scope="module")


@contextlib.asynccontextmanager
async def open_kitchen(root: Path, settings: RendererSettings) -> AsyncIterator[Kitchen]:
    scratch = root / "scratch"
    renderer = Renderer(scratch, settings)
    await renderer.start()
    try:
        yield Kitchen(renderer)
    finally:
        await renderer.close()
    assert list(scratch.iterdir()) == []
