"""Hypothesis strategies for sound Applications and for objects that only look like some."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-1e9, 1e9) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
FLAGS = st.booleans()
LABELS = st.dictionaries(NAMES, NAMES, max_size=3)
DURATIONS = st.sampled_from(["5s", "3m", "1h30m", "300ms", "0", 7, 1.5, "1.5h"])
PATHS = st.sampled_from([".", "a", "a/b", "./a", "a//b/"])


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A mapping with any of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


def with_some(required: dict[str, Any], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=fields)


HELM = some(
    releaseName=NAMES,
    valueFiles=st.lists(PATHS, max_size=2),
    values=WORDS,
    valuesObject=st.dictionaries(WORDS, JSON, max_size=3),
    parameters=st.lists(with_some({"name": WORDS, "value": WORDS}, forceString=FLAGS), max_size=2),
    fileParameters=st.lists(st.fixed_dictionaries({"name": WORDS, "path": PATHS}), max_size=2),
    ignoreMissingValueFiles=FLAGS,
    skipCrds=FLAGS,
    namespace=NAMES,
    apiVersions=st.lists(NAMES, max_size=2),
)
KUSTOMIZE = some(
    namePrefix=NAMES,
    images=st.lists(NAMES, max_size=2),
    commonLabels=LABELS,
    replicas=st.lists(st.fixed_dictionaries({"name": NAMES, "count": st.integers(0, 9)}), max_size=2),
    patches=st.lists(st.fixed_dictionaries({"patch": WORDS}), max_size=2),
    forceCommonLabels=FLAGS,
)
DIRECTORY = some(recurse=FLAGS, include=WORDS, exclude=WORDS)
SOURCES = st.one_of(
    *(
        with_some(
            {"repoURL": st.sampled_from(["https://x/y", "git@h:o/r", "ssh://git@h/o"]), "path": PATHS},
            targetRevision=NAMES,
            name=NAMES,
            **{tool: options},
        )
        for tool, options in (("helm", HELM), ("kustomize", KUSTOMIZE), ("directory", DIRECTORY))
    )
)
SET_TERMS = st.fixed_dictionaries(
    {"key": NAMES, "operator": st.sampled_from(["In", "NotIn"]), "values": st.lists(NAMES, min_size=1, max_size=2)}
)
KEY_TERMS = st.fixed_dictionaries({"key": NAMES, "operator": st.sampled_from(["Exists", "DoesNotExist"])})
SELECTORS = some(matchLabels=LABELS, matchExpressions=st.lists(SET_TERMS | KEY_TERMS, max_size=2))
DESTINATIONS = st.one_of(
    with_some({"name": NAMES}, namespace=NAMES),
    with_some({"server": st.just("https://10.0.0.1:6443")}, namespace=NAMES),
    with_some({"selector": SELECTORS}, namespace=NAMES),
)
PLACES = st.one_of(
    st.fixed_dictionaries({"destinations": st.lists(DESTINATIONS, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"destination": DESTINATIONS}),
)
POLICIES = some(
    automated=some(prune=FLAGS, selfHeal=FLAGS, allowEmpty=FLAGS, enabled=FLAGS)
    | st.sampled_from(["auto", "manual", True, False]),
    syncOptions=st.lists(st.sampled_from(["CreateNamespace=true", "PruneLast=true"]), max_size=2),
    retry=some(
        limit=st.integers(-3, 9),
        backoff=some(duration=DURATIONS, factor=st.integers(1, 5), maxDuration=DURATIONS),
    ),
)
DIFFERENCES = st.lists(
    with_some(
        {"kind": NAMES, "jsonPointers": st.lists(WORDS.map(lambda w: "/" + w), min_size=1, max_size=2)},
        group=NAMES,
        name=NAMES,
        managedFieldsManagers=st.lists(NAMES, max_size=2),
    ),
    max_size=2,
)
OVERRIDES = st.lists(
    with_some({"clusters": st.lists(NAMES, min_size=1, max_size=2), "namespace": NAMES}, selector=SELECTORS)
    | st.fixed_dictionaries({"selector": SELECTORS, "source": st.fixed_dictionaries({"targetRevision": NAMES})}),
    max_size=2,
)
REST = some(
    project=NAMES,
    syncPolicy=POLICIES,
    ignoreDifferences=DIFFERENCES,
    revisionHistoryLimit=st.integers(0, 20),
    # Made anew each time: there are tests that spoil what they are given.
    info=st.builds(lambda: [{"name": "a", "value": "b"}]),
)
ONE_SOURCE = st.fixed_dictionaries({"source": SOURCES, "overrides": OVERRIDES})
MANY_SOURCES = st.fixed_dictionaries({"sources": st.lists(SOURCES, min_size=1, max_size=3)})
SPECS = st.builds(lambda source, place, rest: {**source, **place, **rest}, ONE_SOURCE | MANY_SOURCES, PLACES, REST)
METADATA = with_some(
    {"name": NAMES},
    namespace=NAMES,
    labels=LABELS,
    annotations=LABELS,
    finalizers=st.lists(st.just("resources-finalizer.argocd.argoproj.io"), max_size=1),
    uid=WORDS,
)
APPLICATIONS = st.fixed_dictionaries(
    {
        "apiVersion": st.just("argoproj.io/v1alpha1"),
        "kind": st.just("Application"),
        "metadata": METADATA,
        "spec": SPECS,
    }
)


@st.composite
def damaged(draw: st.DrawFn, sound: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    """An object with one value anywhere in it replaced by whatever."""
    value = draw(sound)
    place: Any = value
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return value
        key = draw(st.sampled_from(keys))
        if not isinstance(place[key], (dict, list)) or draw(st.integers(0, 3)) == 0:
            place[key] = draw(JSON)
            return value
        place = place[key]
