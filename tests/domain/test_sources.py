"""Which source is meant, and what the sources are at the revisions that were asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.application import Source
from hub.domain.sources import SourceChoice, as_asked, at_revision, main_source
from hub.errors import Invalid

CHART = Source("https://git.example/charts.git", path="web", name="chart")
VALUES = Source("https://git.example/values.git", ref="values", name="values")
MORE = Source("https://git.example/charts.git", path="more", ref="more")

revisions = st.sampled_from(["v1", "v2", "main"])
applications = st.lists(st.sampled_from([CHART, VALUES, MORE]), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("sources", "position"),
    [
        ([CHART], 0),
        ([VALUES, CHART], 1),
        ([CHART, MORE], None),
        ([VALUES], None),
        ([Source("https://charts.example", chart="web", ref="x")], 0),
        ([], None),
    ],
)
def test_a_revision_alone_is_of_the_one_source_that_is_rendered(sources: list[Source], position: int | None) -> None:
    assert main_source(sources) == position
    if position is None:
        with pytest.raises(Invalid):
            at_revision(sources, "v2")
    else:
        expected = list(sources)
        expected[position] = replace(sources[position], target_revision="v2")
        assert at_revision(sources, "v2") == as_asked(sources, sources, "v2", ()) == tuple(expected)


@given(applications, st.data())
def test_what_was_chosen_is_read_at_its_revision_and_nothing_else_changes(
    sources: list[Source], data: st.DataObject
) -> None:
    chosen = data.draw(st.dictionaries(st.integers(0, len(sources) - 1), revisions, min_size=1))
    choices = [SourceChoice(position, revision, sources[position].repo_url) for position, revision in chosen.items()]
    # A cluster's overrides may have changed anything, and change nothing of which source was meant.
    target = [replace(source, path="elsewhere", repo_url="https://mirror.example") for source in sources]
    result = as_asked(target, sources, "", choices)
    assert [source.target_revision for source in result] == [chosen.get(n, "HEAD") for n in range(len(sources))]
    assert [replace(source, target_revision="HEAD") for source in result] == target


@pytest.mark.parametrize(
    "now", [(CHART,), (CHART, MORE), (CHART, replace(VALUES, repo_url="https://git.example/other"))]
)
def test_where_another_source_has_come_in_its_place_nothing_is_read(now: tuple[Source, ...]) -> None:
    with pytest.raises(Invalid, match="source 2 of the application is not the one any more"):
        as_asked(
            (CHART, VALUES), now, "", [SourceChoice(0, "v1", CHART.repo_url), SourceChoice(1, "v1", VALUES.repo_url)]
        )
