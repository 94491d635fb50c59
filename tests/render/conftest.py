from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hub.domain.application import Source
from hub.domain.cluster import Capabilities
from hub.render import Rendered, Renderer, RendererSettings, RenderRequest, Scan, SourceInput
from tests.render.trees import Content, MemoryTree

URL = "https://git.example.com/a/b.git"
CLUSTER = Capabilities("v1.32.1", ("apps/v1", "monitoring.coreos.com/v1"), "d1")


def config_map(name: str, **data: str) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})


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


@pytest.fixture
def settings() -> RendererSettings:
    return RendererSettings(workers=1)


@pytest.fixture
async def kitchen(tmp_path: Path, settings: RendererSettings) -> AsyncIterator[Kitchen]:
    renderer = Renderer(tmp_path / "scratch", settings)
    await renderer.start()
    yield Kitchen(renderer)
    await renderer.close()
    assert list((tmp_path / "scratch").iterdir()) == []
