"""From sources to manifests.

`Renderer` is all that the rest of the hub needs. The names below are imported when they are first used: render workers
are started as modules of this package and have no use for the hub's end of it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hub.render.errors import RenderError
    from hub.render.model import Rendered, RenderLimits, RenderRequest, Scan, SourceInput
    from hub.render.renderer import Renderer, RendererSettings

__all__ = [
    "RenderError",
    "RenderLimits",
    "RenderRequest",
    "Rendered",
    "Renderer",
    "RendererSettings",
    "Scan",
    "SourceInput",
]

_HOMES = {"RenderError": "errors", "Renderer": "renderer", "RendererSettings": "renderer"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"hub.render.{_HOMES.get(name, 'model')}"), name)
