"""argocd-cm: what is served is looked through, what is not is told, key by key."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.settings import NO_SETTINGS_DIGEST, SystemSettings, decode
from hub.formats.errors import FormatError
from hub.formats.settings import DATA_BYTES, dump_settings, parse_data, parse_settings

SERVED = {
    "resource.customizations": """
argoproj.io/Rollout:
  health.lua: return {status = "Healthy"}
  health.lua.useOpenLibs: true
  ignoreDifferences: |
    jsonPointers: [/spec/replicas]
  ignoreResourceUpdates: {jsonPointers: [/status]}
  actions: |
    discovery.lua: return {}
    mergeBuiltinActions: true
apps/Deployment:
  actions: {definitions: [{name: act, action.lua: return obj}]}
""",
    "resource.customizations.actions.apps_DaemonSet": "discovery.lua: 'return {}'\ndefinitions: []\n",
    "resource.customizations.health.cert-manager.io_Certificate": "return {status = 'Healthy'}",
    "resource.customizations.health.Pod": "'Healthy'",
    "resource.customizations.useOpenLibs.cert-manager.io_Certificate": "true",
    "resource.customizations.ignoreDifferences.all": "managedFieldsManagers: [kube-controller-manager]",
    "resource.customizations.ignoreResourceUpdates.apps_Deployment": "jqPathExpressions: [.metadata.annotations.x]",
    "resource.compareoptions": 'ignoreResourceStatusField: crd\nignoreAggregatedRoles: "true"\n',
    "resource.ignoreResourceUpdatesEnabled": "false",
    "resource.exclusions": "- apiGroups: ['*.cilium.io']\n  kinds: ['*']\n  clusters: ['*']\n",
    "resource.inclusions": "[]",
}


def config_map(data: Any, **more: Any) -> dict[str, Any]:
    metadata = {"name": "argocd-cm", "namespace": "argocd", "labels": {"app.kubernetes.io/part-of": "argocd"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data, **more}


def problem(**data: Any) -> str:
    with pytest.raises(FormatError) as caught:
        parse_settings(config_map({key.replace("__", "."): text for key, text in data.items()}))
    return caught.value.message


def refusal(key: str, text: Any) -> str:
    with pytest.raises(FormatError) as caught:
        parse_settings(config_map({key: text}))
    return caught.value.message.removeprefix(f'ConfigMap "argocd-cm": data.{key}')


def test_everything_that_is_served() -> None:
    parsed = parse_settings(config_map(SERVED), strict=True)
    assert parsed.value.data == SERVED
    assert parse_settings(dump_settings(parsed.value), strict=True).value == parsed.value


def test_what_the_store_keeps_is_what_was_set() -> None:
    settings = SystemSettings(SERVED, None, "ada")
    assert decode(settings.encode()) == settings
    assert decode(None) == SystemSettings()
    assert len(NO_SETTINGS_DIGEST) == 64


def test_keys_that_are_not_served_are_told_and_not_kept() -> None:
    data = {"url": "https://argocd", "accounts.ada": "login", "ui.bannercontent": "hi", "resource.exclusion": "[]"}
    parsed = parse_settings(config_map(data, binaryData={"x": "eA=="}))
    assert parsed.value.data == {}
    assert [w.partition(" is not served")[0] for w in parsed.warnings] == [
        "data.url",
        "data.accounts.ada",
        "data.ui.bannercontent",
        "data.resource.exclusion",
        "binaryData",
    ]
    assert "did you mean resource.exclusions?" in parsed.warnings[3]
    with pytest.raises(FormatError):
        parse_settings(config_map(data), strict=True)


def test_texts_that_say_nothing() -> None:
    data = {"resource.customizations": "", "resource.inclusions": " \n", "resource.exclusions": "", "url": ""}
    parsed = parse_settings(config_map(data))
    assert parsed.value.data == {"resource.exclusions": ""}, "empty exclusions are not the default ones"
    assert parsed.warnings == []
    assert parse_settings(config_map(None)).value.data == {}


@pytest.mark.parametrize(
    ("key", "text", "told"),
    [
        ("resource.compareoptions", 3, " is the number 3, but text is wanted"),
        ("resource.compareoptions", "[]", " is a list, but a mapping is wanted"),
        ("resource.compareoptions", "ignoreAggregatedRoles: 3", ".ignoreAggregatedRoles is the number 3"),
        ("resource.compareoptions", "ignoreResourceStatusField: some", ".ignoreResourceStatusField is the text"),
        ("resource.ignoreResourceUpdatesEnabled", "no", ' is the text \'no\', but "true" or "false" is wanted'),
        ("resource.exclusions", "kinds: [Pod]", " is a mapping, but a list is wanted"),
        ("resource.exclusions", "- kinds: Pod", "[0].kinds is the text 'Pod', but a list is wanted"),
        ("resource.exclusions", "- {}", "[0] is about every object of every cluster"),
        ("resource.inclusions", "- kinds: [", " cannot be read: line 2"),
        ("resource.customizations", "- a", " is a list, but a mapping of <group>/<kind> is wanted"),
        ("resource.customizations", "apps/Deployment: x", "[apps/Deployment] is the text 'x'"),
        ("resource.customizations", "apps/: {}", "[apps/] names no kind"),
        ("resource.customizations", "a/B: {ignoreDifferences: 'x: ['}", "[a/B].ignoreDifferences cannot be read"),
        ("resource.customizations", "a/B: {health.lua: 3}", "[a/B].health.lua is the number 3"),
        ("resource.customizations.health.", "x", " names no kind"),
        ("resource.customizations.health.a_b_C", "x", " names no kind"),
        ("resource.customizations.useOpenLibs.a_B", "x", " is the text 'x'"),
        ("resource.customizations.ignoreDifferences.a_B", "jsonPointers: /x", ".jsonPointers is the text"),
        ("resource.customizations.actions.a_b_C", "{}", " names no kind"),
        ("resource.customizations.actions.a_B", "- x", " is a list, but a mapping is wanted"),
        ("resource.customizations.actions.a_B", "discovery.lua: 3", ".discovery.lua is the number 3"),
        ("resource.customizations.actions.a_B", "discovery.lua: ''", ".discovery.lua is missing"),
        ("resource.customizations.actions.a_B", "mergeBuiltinActions: 'yes'", ".mergeBuiltinActions is the text 'yes'"),
        ("resource.customizations.actions.a_B", "definitions: x", ".definitions is the text 'x'"),
        ("resource.customizations.actions.a_B", "definitions: [{name: x}]", ".definitions[0].action.lua is missing"),
        (
            "resource.customizations.actions.a_B",
            "mergeBuiltInActions: true",
            ".mergeBuiltInActions is not a known field (d",
        ),
        ("resource.customizations", "a/B: {actions: 'x: ['}", "[a/B].actions cannot be read"),
    ],
)
def test_mistakes(key: str, text: Any, told: str) -> None:
    assert refusal(key, text).startswith(told)


def test_unknown_fields_inside_are_told() -> None:
    parsed = parse_data({"resource.compareoptions": "ignoreAggregatedRole: true"})
    assert parsed.warnings == [
        "data.resource.compareoptions.ignoreAggregatedRole is not a known field (did you mean ignoreAggregatedRoles?)"
    ]
    old = parse_data({"resource.customizations": "a/B: {actions: 'discovery.lua: x', knownTypeFields: [{type: x}]}"})
    assert [w.partition(" is not served")[0] for w in old.warnings] == [
        "data.resource.customizations[a/B].knownTypeFields",
    ]
    told = refusal("resource.exclusions", "- kind: [Pod]\n  apiGroups: ['']\n")
    assert told == "[0].kind is not a known field (did you mean kinds?)", "it would be about the whole group"


def test_there_is_a_bound() -> None:
    script = "x" * (DATA_BYTES // 4)
    with pytest.raises(FormatError, match="at most 1,048,576 are taken"):
        parse_data({f"resource.customizations.health.a_B{n}": script for n in range(4)})
    levels = [f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]" for n in range(8)]
    grown = "\n".join(["a: &a [x, x, x, x, x, x, x, x, x]", *levels])
    assert refusal("resource.compareoptions", grown).startswith(" cannot be read: ")


@given(st.dictionaries(st.sampled_from([*SERVED, "url", "resource.customizations.health."]), st.text(max_size=60)))
def test_any_text_is_read_or_refused(data: dict[str, str]) -> None:
    try:
        parsed = parse_data(data)
    except FormatError:
        return
    assert set(parsed.value.data) <= set(SERVED)
