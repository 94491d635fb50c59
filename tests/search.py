"""How long hypothesis searches: as long as a property is worth in `make test`, briefly in `make check`."""

from __future__ import annotations

from hypothesis import HealthCheck, settings


def examples(number: int, *suppress: HealthCheck) -> settings:
    """Return settings for so many examples; for fewer in a profile whose default is less than hypothesis's own."""
    few = settings().max_examples < settings.get_profile("default").max_examples
    return settings(
        max_examples=min(number, settings().max_examples) if few else number,
        deadline=None,
        suppress_health_check=suppress,
    )
