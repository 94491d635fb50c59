"""Builds with a real kustomize: the program itself, and the one in kubectl."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from hub.domain.application import KustomizeOptions, KustomizeReplica, Source
from hub.render import RenderError, RendererSettings
from tests.render.conftest import ONE_LOOP, URL, Kitchen, open_kitchen, request
from tests.render.trees import Content, Link, Submodule, config_map

pytestmark = ONE_LOOP

DEPLOYMENT = json.dumps(
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "nginx:1"}]},
            },
        },
    }
)
COMPONENT = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
FILES: dict[str, Content] = {
    "base/kustomization.yaml": (
        "resources: [web.yaml, ../shared]\nimages: [{name: nginx, newName: reg/nginx, newTag: '2'}]\n"
    ),
    "base/web.yaml": DEPLOYMENT,
    "shared/kustomization.yml": "configMapGenerator: [{name: settings, files: [a.txt, key=b.txt], envs: [c.env]}]\n",
    "shared/a.txt": "A",
    "shared/b.txt": "B",
    "shared/c.env": "C=1\n",
    "overlay/Kustomization": (
        "resources: [../base]\nnamePrefix: over-\npatches: [{path: patch.yaml}]\ncomponents: [../extra]\n"
    ),
    "overlay/patch.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {paused: true}\n",
    "extra/kustomization.yaml": COMPONENT + "resources: [job.yaml]\n",
    "extra/job.yaml": config_map("job"),
    "more/kustomization.yaml": COMPONENT + "commonAnnotations: {more: 'yes'}\n",
    "unread/huge.bin": b"\0" * 100,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["kustomize", "kubectl"])
async def kitchen(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    kustomize_binary: Path,
    kubectl_binary: Path,
) -> AsyncIterator[Kitchen]:
    settings = {
        "kustomize": RendererSettings(workers=1, kustomize=str(kustomize_binary)),
        "kubectl": RendererSettings(workers=1, kubectl=str(kubectl_binary)),
    }[request.param]
    async with open_kitchen(tmp_path_factory.mktemp("render"), settings) as kitchen:
        yield kitchen


def kustomize(path: str = "overlay", **options: Any) -> Source:
    return Source(URL, path=path, kustomize=KustomizeOptions(**options) if options else None)


async def built(kitchen: Kitchen, source: Source, files: dict[str, Content] = FILES) -> dict[str, dict[str, Any]]:
    """Return the objects by kind and name, without the hashes that generators append."""
    objects = await kitchen.objects(files, source)
    return {f"{o['kind']}/{re.sub('-[a-z0-9]{10}$', '', o['metadata']['name'])}": o for o in objects}


async def test_bases_components_patches_and_generators(kitchen: Kitchen) -> None:
    found = await built(kitchen, kustomize())
    assert sorted(found) == ["ConfigMap/over-job", "ConfigMap/over-settings", "Deployment/over-web"]
    web = found["Deployment/over-web"]
    assert web["spec"]["paused"] is True
    assert web["spec"]["template"]["spec"]["containers"][0]["image"] == "reg/nginx:2"
    assert found["ConfigMap/over-settings"]["data"] == {"a.txt": "A", "key": "B", "C": "1"}


async def test_the_sources_options(kitchen: Kitchen) -> None:
    found = await built(
        kitchen,
        kustomize(
            name_prefix="p-",
            name_suffix="-s",
            namespace="shop",
            images=("nginx:3",),
            replicas=(KustomizeReplica("web", 5),),
            common_labels={"team": "a"},
            common_annotations={"note": "b"},
            components=("../more",),
            patches=(
                {"target": {"kind": "Deployment"}, "patch": '[{"op":"add","path":"/spec/minReadySeconds","value":9}]'},
            ),
        ),
    )
    web = found["Deployment/p-web-s"]
    # The prefix of the repository is replaced, not added to; the image is found though the base renames it.
    assert web["metadata"]["namespace"] == "shop"
    assert web["metadata"]["annotations"] == {"note": "b", "more": "yes"}
    assert web["metadata"]["labels"] == {"team": "a"}
    assert web["spec"]["selector"]["matchLabels"] == {"app": "web", "team": "a"}
    assert web["spec"]["replicas"] == 5
    assert web["spec"]["minReadySeconds"] == 9
    assert "ConfigMap/p-job-s" in found


async def test_labels_that_leave_selectors_alone(kitchen: Kitchen) -> None:
    source = kustomize(common_labels={"team": "a"}, label_without_selector=True, label_include_templates=True)
    spec = (await built(kitchen, source))["Deployment/over-web"]["spec"]
    assert spec["selector"]["matchLabels"] == {"app": "web"}
    assert spec["template"]["metadata"]["labels"] == {"app": "web", "team": "a"}


async def test_an_option_naming_a_patch_file(kitchen: Kitchen) -> None:
    files = FILES | {"overlay/p.yaml": '[{"op":"replace","path":"/spec/replicas","value":7}]'}
    source = kustomize(patches=({"path": "p.yaml", "target": {"kind": "Deployment"}},))
    assert (await built(kitchen, source, files))["Deployment/over-web"]["spec"]["replicas"] == 7


async def test_components_that_are_absent(kitchen: Kitchen) -> None:
    assert await built(kitchen, kustomize(components=("../none",), ignore_missing_components=True))
    with pytest.raises(RenderError, match=r"'\.\./none', which is not in the commit"):
        await built(kitchen, kustomize(components=("../none",)))


async def test_the_repository_is_not_changed_for_the_next(kitchen: Kitchen) -> None:
    before = await built(kitchen, kustomize())
    await built(kitchen, kustomize(name_prefix="x-"))
    assert await built(kitchen, kustomize()) == before


async def test_the_same_input_gives_the_same_bytes(kitchen: Kitchen) -> None:
    first, second = [await kitchen.render(request(FILES, kustomize())) for _ in range(2)]
    assert first.manifest_set.encode() == second.manifest_set.encode()
    assert first.blobs == second.blobs


async def test_only_what_is_named_is_written_to_disk(kitchen: Kitchen) -> None:
    (plan,) = (await kitchen.scan(request(FILES, kustomize()))).plans
    assert sorted(file.path for file in plan.files) == sorted(
        set(FILES) - {"unread/huge.bin", "more/kustomization.yaml"}
    )


MERGE = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {paused: true}\n"
PREFIX = "apiVersion: builtin\nkind: PrefixTransformer\nmetadata: {name: x}\nprefix: in-\n"
EVERYTHING: dict[str, Content] = {
    "kustomization.yaml": json.dumps(
        {
            "resources": ["web.yaml"],
            "crds": ["crd.json"],
            "configurations": ["configuration.yaml"],
            "openapi": {"path": "schema.json"},
            "patchesStrategicMerge": ["merge.yaml", MERGE],
            "patchesJson6902": [
                {"path": "json.yaml", "target": {"group": "apps", "version": "v1", "kind": "Deployment", "name": "web"}}
            ],
            "replacements": [{"path": "replacement.yaml"}],
            "secretGenerator": [{"name": "s", "files": ["secret.txt"], "type": "Opaque"}],
            "generators": ["generator.yaml"],
            "transformers": ["transformer.yaml", PREFIX + "fieldSpecs: [{path: metadata/name}]\n"],
        }
    ),
    "web.yaml": DEPLOYMENT,
    "crd.json": "{}",
    "configuration.yaml": "namePrefix: []\n",
    "schema.json": "{}",
    "merge.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {minReadySeconds: 3}\n",
    "json.yaml": '[{"op": "replace", "path": "/spec/replicas", "value": 4}]',
    "replacement.yaml": """
source: {kind: Deployment, fieldPath: spec.replicas}
targets: [{select: {kind: Deployment}, fieldPaths: [spec.revisionHistoryLimit], options: {create: true}}]
""",
    "secret.txt": "S",
    "generator.yaml": "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: g}\nfiles: [deep/g.txt]\n",
    "deep/g.txt": "G",
    "transformer.yaml": """
apiVersion: builtin
kind: LabelTransformer
metadata: {name: l}
labels: {t: l}
fieldSpecs: [{path: metadata/labels, create: true}]
""",
}


async def test_every_field_that_names_files(kitchen: Kitchen) -> None:
    objects = {o["kind"]: o for o in await kitchen.objects(EVERYTHING)}
    spec = objects["Deployment"]["spec"]
    assert (spec["minReadySeconds"], spec["replicas"], spec["paused"]) == (3, 4, True)
    assert spec["revisionHistoryLimit"] in (1, 4)
    assert objects["Secret"]["data"] == {"secret.txt": "Uw=="}
    assert objects["ConfigMap"]["data"] == {"g.txt": "G"}
    assert objects["ConfigMap"]["metadata"]["name"].startswith("in-g")
    assert objects["ConfigMap"]["metadata"]["labels"] == {"t": "l"}


class TestSymlinks:
    async def test_to_directories_work_as_in_a_checkout(self, kitchen: Kitchen) -> None:
        files = FILES | {"overlay/linked": Link("../shared"), "overlay/Kustomization": "resources: [linked]\n"}
        assert list(await built(kitchen, kustomize(), files)) == ["ConfigMap/settings"]

    async def test_to_files_outside_meet_kustomizes_own_rule(self, kitchen: Kitchen) -> None:
        files = FILES | {"overlay/l.yaml": Link("../extra/job.yaml"), "overlay/Kustomization": "resources: [l.yaml]\n"}
        with pytest.raises(RenderError, match="security") as caught:
            await built(kitchen, kustomize(), files)
        assert caught.value.code == "tool-failed"

    @pytest.mark.parametrize("target", ["/etc/passwd", "../../x"])
    async def test_out_of_the_repository(self, kitchen: Kitchen, target: str) -> None:
        files = FILES | {"overlay/l.yaml": Link(target), "overlay/Kustomization": "resources: [l.yaml]\n"}
        with pytest.raises(RenderError, match=re.escape("'overlay/l.yaml' is a symlink")):
            await built(kitchen, kustomize(), files)


@pytest.mark.parametrize(
    "reference",
    [
        "https://github.com/a/b//deploy?ref=v1",
        "github.com/a/b/deploy?ref=v1",
        "git@github.com:a/b.git//deploy",
        "git::https://h/a",
        "ssh://git@h/a",
        "file:///etc/x",
        "http://127.0.0.1:1/x.yaml",
    ],
)
async def test_other_hosts_are_refused_before_anything_runs(kitchen: Kitchen, reference: str) -> None:
    with pytest.raises(RenderError, match="another host") as caught:
        await kitchen.scan(request({"kustomization.yaml": json.dumps({"resources": [reference]})}))
    assert caught.value.code == "not-served"
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("kustomization", "code", "message"),
    [
        ("resources: [none.yaml]", "path-not-found", "'none.yaml', which is not in the commit"),
        ("resources: [/etc/passwd]", "path-refused", "absolute path"),
        ("resources: [../../x]", "path-refused", "leads out"),
        ("configMapGenerator: [{name: a, files: [x=../../../../etc/passwd]}]", "path-refused", "leads out"),
        ("configMapGenerator: [{name: a, files: [/etc/passwd]}]", "path-refused", "absolute path"),
        ("patches: [{path: ../../x}]", "path-refused", "leads out"),
        ("resources: [dir]", "path-not-found", "no kustomization.yaml in 'app/dir'"),
        ("resources: [sub/x]", "not-served", "submodule"),
        ("helmCharts: [{name: x}]", "not-served", "Helm does not run inside Kustomize"),
        ("helmChartInflationGenerator: [{chartName: x}]", "not-served", "Helm does not run inside Kustomize"),
        ("- a", "invalid-source", "app/kustomization.yaml: a mapping is wanted"),
        ("a: 1\na: 2", "invalid-source", "app/kustomization.yaml, line 2"),
        ("resources: [", "invalid-source", "app/kustomization.yaml, line"),
        (
            "generators: [\"apiVersion: builtin\\nkind: ConfigMapGenerator\\nmetadata: {name: x}\\nfiles: ['http://h/x']\\n\"]",
            "not-served",
            "another host",
        ),
        ("transformers: [remote.yaml]", "not-served", "app/remote.yaml names 'https://h/p.yaml' on another host"),
    ],
)
async def test_kustomizations_that_are_refused(kitchen: Kitchen, kustomization: str, code: str, message: str) -> None:
    files: dict[str, Content] = {
        "app/kustomization.yaml": kustomization,
        "app/dir/x.yaml": "",
        "app/sub": Submodule(),
        "app/remote.yaml": "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: x}\npath: https://h/p.yaml\n",
    }
    with pytest.raises(RenderError, match=re.escape(message)) as caught:
        await kitchen.scan(request(files, Source(URL, path="app")))
    assert caught.value.code == code


async def test_options_cannot_lead_out(kitchen: Kitchen) -> None:
    for options in ({"components": ("../../x",)}, {"patches": ({"path": "/etc/passwd"},)}, {"components": ("/etc",)}):
        with pytest.raises(RenderError) as caught:
            await kitchen.scan(request(FILES, kustomize(**options)))
        assert caught.value.code == "path-refused"


async def test_two_kustomizations_in_one_directory(kitchen: Kitchen) -> None:
    with pytest.raises(RenderError, match="several kustomizations"):
        await kitchen.scan(request({"kustomization.yaml": "", "Kustomization": ""}))


async def test_explicit_options_want_a_kustomization(kitchen: Kitchen) -> None:
    with pytest.raises(RenderError, match=r"no kustomization\.yaml in 'unread'"):
        await kitchen.scan(request(FILES, kustomize("unread", name_prefix="a-")))


async def test_a_circle_is_told(kitchen: Kitchen) -> None:
    files: dict[str, Content] = {
        "a/kustomization.yaml": "resources: [../b]",
        "b/kustomization.yaml": "resources: [../a]",
    }
    with pytest.raises(RenderError, match="cycle"):
        await built(kitchen, kustomize("a"), files)


async def test_what_kustomize_says_is_told_without_the_hubs_paths(kitchen: Kitchen) -> None:
    files = FILES | {"overlay/patch.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: nobody}\n"}
    with pytest.raises(RenderError, match="nobody") as caught:
        await built(kitchen, kustomize(), files)
    assert caught.value.message.startswith("kustomize cannot build overlay: ")
    assert "/worker-" not in caught.value.message
    assert caught.value.code == "tool-failed"


async def test_the_environment_is_empty(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name without a value in an env file may be read from the environment."""
    monkeypatch.setenv("HUB_SECRET", "x")
    files: dict[str, Content] = {
        "kustomization.yaml": "configMapGenerator: [{name: a, envs: [e.env]}]",
        "e.env": "HUB_SECRET\nHOME\nA=1\n",
    }
    assert (await kitchen.objects(files))[0]["data"] == {"A": "1", "HOME": "", "HUB_SECRET": ""}


async def test_without_kustomize_the_operator_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    async with open_kitchen(tmp_path, RendererSettings(workers=1)) as bare:
        with pytest.raises(RenderError, match="install kustomize or kubectl") as caught:
            await bare.objects(FILES, kustomize())
        assert caught.value.code == "tool-missing"


@pytest.mark.parametrize("settings", [{"kustomize": "/none"}, {"helm": "/none"}, {"kubectl": "no-such-program"}])
async def test_a_configured_program_must_be_there(tmp_path: Path, settings: dict[str, str]) -> None:
    with pytest.raises(RenderError, match="cannot be run") as caught:
        async with open_kitchen(tmp_path, RendererSettings(workers=1, **settings)):  # type: ignore[arg-type]
            pass
    assert caught.value.code == "tool-missing"
