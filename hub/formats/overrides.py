"""What an application's sources are on one cluster, once its overrides have changed them.

An override's `source` is a JSON merge patch (RFC 7396) in the YAML's own field names, so it can change anything a
source can say. It is therefore applied to the YAML form, and the outcome read again like any other source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hub.domain.application import Override, Source
from hub.formats.errors import FormatError
from hub.formats.fields import Problems
from hub.formats.source import source_from, write_source


def apply_overrides(sources: Sequence[Source], overrides: Sequence[Override]) -> tuple[Source, ...]:
    """Return the sources with the overrides' patches applied in order. Raises FormatError when a source that comes
    out means nothing; an application that was read by `parse_application` has been checked one override at a time."""
    problems = Problems()
    result = tuple(sources)
    for override in overrides:
        if override.source:
            result = overridden(result, override.source, "source, once overridden:", problems)
    if problems.errors:
        raise FormatError("; ".join(problems.errors))
    return result


def overridden(
    sources: Sequence[Source], patch: Mapping[str, Any], path: str, problems: Problems
) -> tuple[Source, ...]:
    """Return the sources with one patch applied to the one it means; what is wrong goes into `problems`."""
    index = _meant(sources, patch)
    if index is None:
        problems.errors.append(f"{path} does not say which source it changes: give the name of one of the sources")
        return tuple(sources)
    changed = source_from(merge_patch(write_source(sources[index]), patch), path, problems)
    return (*sources[:index], changed, *sources[index + 1 :])


def merge_patch(value: Any, patch: Any) -> Any:
    """Apply a JSON merge patch; neither argument is changed."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(value) if isinstance(value, Mapping) else {}
    for key, item in patch.items():
        if item is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), item)
    return result


def _meant(sources: Sequence[Source], patch: Mapping[str, Any]) -> int | None:
    """Return which source a patch changes: the only one, else the one it names."""
    if len(sources) == 1:
        return 0
    named = [index for index, source in enumerate(sources) if source.name and source.name == patch.get("name")]
    return named[0] if len(named) == 1 else None
