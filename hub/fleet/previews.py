"""What an application would be: asked of the role that renders, whichever process it runs in, and assigned nowhere.

The answer names manifest sets that are in the store for half an hour at least, signed, so that agents take them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from hub.domain.manifest import ManifestSetRef
from hub.domain.sources import SourceChoice
from hub.errors import HubError, Unavailable
from hub.fleet.post import Post
from hub.store.codec import decode

PREVIEW_SECONDS = 110.0
"""How long fetching and rendering may take: a render has 90 seconds unless it is set otherwise."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What an application is to be looked at as."""

    application: str
    cluster: str = ""
    """Its uid; empty for all of the application's."""
    revision: str = ""
    """A commit, branch, tag or version range in place of the source's own."""
    revisions: tuple[SourceChoice, ...] = ()
    """The same, source by source."""
    upload: str = ""
    """Digest of the packed files that stand in for a source's repository."""
    position: int | None = None
    """Of that source, from 0; None: the one that is rendered."""
    path: str = ""
    """Where in the packed files the source's path is; empty: they are what is in that path."""

    def question(self) -> dict[str, Any]:
        """Return it as JSON takes it, with only what it says: a controller that is older understands the rest."""
        return {name: value for name, value in asdict(self).items() if value not in ("", (), None)}

    @classmethod
    def of(cls, question: Mapping[str, Any]) -> Wish:
        """Read what `question` returned. Raises TypeError for what a newer hub asks."""
        choices = tuple(SourceChoice(**choice) for choice in question.get("revisions", ()))
        return cls(**{**question, "revisions": choices})


@dataclass(frozen=True, slots=True)
class Trouble:
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Preview:
    """By cluster uid: what each would be, or why nobody can say."""

    sets: Mapping[str, ManifestSetRef] = field(default_factory=dict)
    troubles: Mapping[str, Trouble] = field(default_factory=dict)
    revision: str = ""
    """Short; of the commits that were read."""


async def ask_preview(post: Post, wish: Wish) -> Preview:
    """Raises Unavailable when nobody renders, HubError with the controller's own words when it will not."""
    silence = Unavailable(
        f"nothing was rendered within {PREVIEW_SECONDS:.0f} s: the hub's controller is busy, or does not run"
    )
    content = await post.ask("previews", wish.question(), PREVIEW_SECONDS, silence, _refusal)
    return decode(Preview, content.decode())


def _refusal(code: str, message: str) -> HubError:
    return Unavailable(message, code=code)
