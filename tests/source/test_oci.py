"""Charts and plain manifests from a real OCI registry over TLS, filled by the helm program."""

from __future__ import annotations

import asyncio
import gzip
import io
import tarfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.application import Source
from hub.domain.place import place_of
from hub.domain.repository import Access, Credentials
from hub.source.charts import Charts
from hub.source.errors import (
    ArtifactRefused,
    RepositoryDenied,
    RepositoryRefused,
    RepositoryTooLarge,
    RepositoryUnreachable,
    RevisionNotFound,
)
from hub.source.http import SourceClient
from hub.source.oci_auth import parse_challenge
from hub.source.policy import SourcePolicy
from hub.source.resolved import Resolved
from tests.render.trees import config_map
from tests.source.chart_servers import Front, Registry, Tls, basic, make_tls, package, serve, serve_registry

GZIPPED = "application/vnd.oci.image.layer.v1.tar+gzip"
PLAIN = "application/vnd.oci.image.layer.v1.tar"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return make_tls(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def registry(tls: Tls) -> Iterator[Registry]:
    with serve_registry(tls) as registry:
        yield registry


class Shop:
    def __init__(self, root: Path, tls: Tls, registry: Registry) -> None:
        self.root = root
        self.policy = SourcePolicy(ca_file=tls.ca_file, fetch_seconds=20, poll_seconds=20)
        self.access = Access()
        self.chart = Source(f"{registry.host}/charts", chart="web")
        self.plain = Source(f"oci://{registry.host}/apps/web", path=".")
        self.charts = self._open()

    def _open(self) -> Charts:
        return Charts(self.root / "data", lambda url, project: self.access, self.policy)

    async def restart(self) -> None:
        await self.charts.close()
        self.charts = self._open()

    async def refresh(self, source: Source, *, force: bool = False) -> None:
        await self.charts.refresh(place_of(source), force=force)

    async def resolve(self, source: Source, revision: str = "HEAD") -> Resolved:
        return await self.charts.resolve(place_of(source), replace(source, target_revision=revision))


@pytest.fixture
async def shop(tmp_path: Path, tls: Tls, registry: Registry) -> AsyncIterator[Shop]:
    shop = Shop(tmp_path, tls, registry)
    yield shop
    await shop.charts.close()


def tar(files: dict[str, str], *, packed: bool = True) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content.encode()))
    return gzip.compress(buffer.getvalue(), mtime=0) if packed else buffer.getvalue()


async def test_a_chart_that_helm_pushed(shop: Shop, registry: Registry, tmp_path: Path) -> None:
    digest = registry.push(package(tmp_path, "web", "1.0.0+build.7", description="Serves"))
    found = await shop.resolve(shop.chart, "1.0.0+build.7")
    told = found.revision
    assert (told.revision, told.chart, told.digest, told.message) == ("1.0.0+build.7", "web", digest, "Serves")
    assert [entry.path for entry in found.tree.walk("")] == ["Chart.yaml", "templates/map.yaml"]
    by_digest = await shop.resolve(shop.chart, digest)
    assert (by_digest.revision.revision, by_digest.tree.commit) == ("1.0.0+build.7", found.tree.commit)
    assert registry.front.asked("blobs") == 1
    registry.front.status = 500
    await shop.restart()
    again = await shop.resolve(shop.chart, "1.0.0+build.7")
    assert again.revision == told
    spelt = replace(shop.chart, repo_url="oci://" + shop.chart.repo_url)
    assert (await shop.resolve(spelt, digest)).revision.digest == told.digest


async def test_ranges(shop: Shop, registry: Registry, tmp_path: Path) -> None:
    for version in ("1.0.0", "1.2.0", "2.0.0-rc.1"):
        registry.push(package(tmp_path, "web", version))
    registry.page = 1
    assert (await shop.resolve(shop.chart, "^1")).revision.revision == "1.2.0"
    assert (await shop.resolve(shop.chart)).revision.revision == "1.2.0"
    assert (await shop.resolve(shop.chart, ">=1.0.0-0")).revision.revision == "2.0.0-rc.1"
    registry.push(package(tmp_path, "web", "1.3.0"))
    assert (await shop.resolve(shop.chart, "^1")).revision.revision == "1.2.0"
    await shop.refresh(shop.chart)
    assert (await shop.resolve(shop.chart, "^1")).revision.revision == "1.3.0"
    with pytest.raises(RevisionNotFound, match="no tag that matches '~7'"):
        await shop.resolve(shop.chart, "~7")
    with pytest.raises(RevisionNotFound, match=r"has no '9\.9\.9'"):
        await shop.resolve(shop.chart, "9.9.9")


async def test_lists_without_end(shop: Shop, registry: Registry, tmp_path: Path) -> None:
    registry.push(package(tmp_path, "web", "1.0.0"))
    content = registry.front.content

    def endless(method: str, path: str, headers: object, body: bytes) -> object:
        answer = content(method, path, headers, body)  # type: ignore[arg-type]
        if "tags/list" in path:
            answer.headers["Link"] = f'<{path}>; rel="next"'
        return answer

    registry.front.content = endless  # type: ignore[assignment]
    with pytest.raises(RepositoryTooLarge, match="lists them without end"):
        await shop.resolve(shop.chart, "^1")


@pytest.mark.parametrize(("media", "packed"), [(GZIPPED, True), (PLAIN, False)])
async def test_plain_manifests(shop: Shop, registry: Registry, media: str, packed: bool) -> None:
    content = tar({"base/a.yaml": config_map("a")}, packed=packed)
    digest = registry.put("apps/web", "main", [(media, content)])
    found = await shop.resolve(shop.plain, "main")
    assert found.revision.revision == found.revision.digest == digest
    assert [entry.path for entry in found.tree.walk("")] == ["base/a.yaml"]
    registry.put("apps/web", "1.0.0", [(media, content)])
    assert (await shop.resolve(shop.plain)).revision.revision == "1.0.0"


async def test_a_tag_that_moves_is_followed(shop: Shop, registry: Registry) -> None:
    registry.put("apps/web", "main", [(GZIPPED, tar({"a.yaml": config_map("a")}))])
    registry.put("apps/web", "1.0.0", [(GZIPPED, tar({"a.yaml": config_map("a")}))])
    first = await shop.resolve(shop.plain, "main")
    await shop.resolve(shop.plain, "1.0.0")
    other = [(GZIPPED, tar({"a.yaml": config_map("b")}))]
    moved = registry.put("apps/web", "main", other)
    registry.put("apps/web", "1.0.0", other)
    assert (await shop.resolve(shop.plain, "main")).revision == first.revision
    await shop.refresh(shop.plain)
    now = await shop.resolve(shop.plain, "main")
    assert (now.revision.digest, now.warnings) == (moved, ())
    # A version is not meant to.
    (warning,) = (await shop.resolve(shop.plain, "1.0.0")).warnings
    assert "the tag 1.0.0 of" in warning
    await shop.restart()
    assert len((await shop.resolve(shop.plain, "1.0.0")).warnings) == 1
    await shop.refresh(shop.plain, force=True)
    assert (await shop.resolve(shop.plain, "1.0.0")).warnings == ()


async def test_a_tag_moved_while_the_hub_was_down(shop: Shop, registry: Registry) -> None:
    registry.put("apps/web", "main", [(GZIPPED, tar({"a.yaml": config_map("a")}))])
    await shop.resolve(shop.plain, "main")
    moved = registry.put("apps/web", "main", [(GZIPPED, tar({"a.yaml": config_map("b")}))])
    await shop.restart()
    await shop.refresh(shop.plain)
    assert (await shop.resolve(shop.plain, "main")).revision.digest == moved


async def test_a_tag_that_is_gone_is_told(shop: Shop, registry: Registry) -> None:
    registry.put("apps/web", "main", [(GZIPPED, tar({"a.yaml": config_map("a")}))])
    registry.put("apps/web", "other", [(GZIPPED, tar({"a.yaml": config_map("b")}))])
    await shop.resolve(shop.plain, "main")
    await shop.resolve(shop.plain, "other")
    registry.front.redirects["manifests/main"] = "/v2/apps/web/manifests/never-was"
    await shop.refresh(shop.plain)
    with pytest.raises(RevisionNotFound):
        await shop.resolve(shop.plain, "main")
    assert (await shop.resolve(shop.plain, "other")).revision.digest


# --- what may be wrong


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([], "layers of no kind"),
        ([(GZIPPED, tar({"a": "x"})), (GZIPPED, tar({"b": "x"}))], "does not hold an artifact of one layer"),
        ([("application/json", b"{}")], "layers of application/json"),
        ([(GZIPPED, b"no archive")], "no archive that is taken"),
        ([(GZIPPED, tar({"a": "x" * 10_000})[:-20])], "no archive that is taken"),
    ],
)
async def test_what_is_no_artifact(shop: Shop, registry: Registry, layers: list[tuple[str, bytes]], words: str) -> None:
    registry.put("apps/web", "main", layers)
    with pytest.raises(ArtifactRefused, match=words):
        await shop.resolve(shop.plain, "main")
    assert not list((shop.root / "data").rglob("partial-*"))


async def test_a_list_of_artifacts(shop: Shop, registry: Registry) -> None:
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}
    registry.put_manifest("apps/web", "main", index)
    with pytest.raises(ArtifactRefused, match="a list of artifacts"):
        await shop.resolve(shop.plain, "main")


async def test_plain_manifests_are_no_chart(shop: Shop, registry: Registry) -> None:
    registry.put("charts/web", "1.0.0", [(GZIPPED, tar({"a.yaml": config_map("a")}))])
    with pytest.raises(ArtifactRefused, match="does not hold a Helm chart"):
        await shop.resolve(shop.chart, "1.0.0")


@pytest.mark.parametrize("what", ["manifests/sha256", "blobs/sha256"])
async def test_content_that_is_not_what_its_digest_says(
    shop: Shop, registry: Registry, tmp_path: Path, what: str
) -> None:
    registry.push(package(tmp_path, "web", "1.0.0"))
    content = registry.front.content

    def forged(method: str, path: str, headers: object, body: bytes) -> object:
        answer = content(method, path, headers, body)  # type: ignore[arg-type]
        if what in path:
            answer.body = answer.body.replace(b"}", b" }", 1) if b"}" in answer.body else answer.body + b"\0"
            answer.headers = {}
        return answer

    registry.front.content = forged  # type: ignore[assignment]
    with pytest.raises(ArtifactRefused, match="is something else"):
        await shop.resolve(shop.chart, "1.0.0")


@pytest.mark.parametrize(
    "url",
    [
        "oci://",
        "oci://host",
        "oci://host/UPPER",
        "oci://user@host/x",
        "oci://host/a/../b",
        "oci://host/x:1.0",
        "oci://-x/y",
    ],
)
async def test_addresses_that_are_none(shop: Shop, url: str) -> None:
    with pytest.raises(RepositoryRefused):
        await shop.resolve(Source(url))


@pytest.mark.parametrize("revision", ["-x", "a/b", "../../x", "x?y=1", "a b", "x" * 200, "sha256:abc"])
async def test_revisions_that_are_none(shop: Shop, registry: Registry, revision: str) -> None:
    with pytest.raises(RevisionNotFound):
        await shop.resolve(shop.plain, revision)
    assert not registry.front.asked("manifests")


# --- credentials


@pytest.fixture
def locked(shop: Shop, registry: Registry, tmp_path: Path) -> Registry:
    registry.push(package(tmp_path, "web", "1.0.0"))
    registry.front.credentials = "ada:s3cret-word"
    return registry


async def test_basic(shop: Shop, locked: Registry) -> None:
    with pytest.raises(RepositoryDenied, match="refuses the hub's credentials, or asks for some"):
        await shop.resolve(shop.chart, "1.0.0")
    shop.access = Access(Credentials(username="ada", password="s3cret-word"))
    assert (await shop.resolve(shop.chart, "1.0.0")).revision.revision == "1.0.0"


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_tokens(shop: Shop, locked: Registry, tls: Tls, elsewhere: bool) -> None:
    """A registry sends for tokens to a place of its choice, which gets the user and password."""
    with serve(Front(locked.front.content), tls.context) as issuer:
        home = issuer if elsewhere else locked.front
        locked.front.token_of = f"{home.url}/token"
        shop.access = Access(Credentials(username="ada", password="s3cret-word"))
        assert (await shop.resolve(shop.chart, "1.0.0")).revision.revision == "1.0.0"
        assert [seen for seen in home.seen if "/token" in seen[1]] == [
            ("GET", "/token?service=registry.test&scope=repository%3Ax%3Apull", basic("ada:s3cret-word"))
        ]
        given = {authorization for _, path, authorization in locked.front.seen if "/token" not in path}
        assert given == {"", f"Bearer {locked.front.token}"}


async def test_anonymous_tokens(shop: Shop, locked: Registry) -> None:
    locked.front.token_of = f"{locked.front.url}/token"
    assert (await shop.resolve(shop.chart, "1.0.0")).revision.revision == "1.0.0"


async def test_a_token_that_has_ended_is_asked_for_anew(shop: Shop, locked: Registry) -> None:
    locked.front.token_of = f"{locked.front.url}/token"
    await shop.resolve(shop.chart, "1.0.0")
    locked.front.token = "another"
    await shop.refresh(shop.chart)
    assert locked.front.asked("/token") == 2


@pytest.mark.parametrize("realm", ["http://127.0.0.1:1/token", "file:///etc/passwd", "", "https://"])
async def test_realms_that_are_not_gone_to(shop: Shop, locked: Registry, realm: str) -> None:
    locked.front.token_of = realm or " "
    shop.access = Access(Credentials(username="ada", password="s3cret-word"))
    with pytest.raises((RepositoryDenied, RepositoryRefused)):
        await shop.resolve(shop.chart, "1.0.0")


async def test_a_realm_on_the_hubs_own_machine(
    shop: Shop, locked: Registry, tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a registry that is elsewhere: this one is made to look as if it were."""
    monkeypatch.setattr(SourceClient, "_is_local", lambda self: False)
    shop.access = Access(Credentials(username="ada", password="s3cret-word"))
    with serve(Front(locked.front.content), tls.context) as issuer:
        locked.front.token_of = f"{issuer.url}/token"
        with pytest.raises(RepositoryRefused, match="an address of the hub's own machine"):
            await shop.resolve(shop.chart, "1.0.0")
        assert issuer.seen == []


async def test_blobs_on_another_host_get_no_credentials(shop: Shop, locked: Registry, tls: Tls) -> None:
    locked.front.token_of = f"{locked.front.url}/token"
    with serve(Front(locked.front.content), tls.context) as storage:
        locked.front.redirects[r"^(/v2/.*/blobs/.*)$"] = rf"{storage.url}\1"
        assert (await shop.resolve(shop.chart, "1.0.0")).revision.revision == "1.0.0"
        assert [seen[2] for seen in storage.seen] == [""]


async def test_a_registry_without_tls(tmp_path: Path, tls: Tls) -> None:
    with serve_registry(None) as registry:
        registry.push(package(tmp_path, "web", "1.0.0"))
        shop = Shop(tmp_path, tls, registry)
        with pytest.raises(RepositoryUnreachable):
            await shop.resolve(shop.chart, "1.0.0")
        shop.access = Access(plain_http=True)
        assert (await shop.resolve(shop.chart, "1.0.0")).revision.revision == "1.0.0"
        await shop.charts.close()


async def test_many_at_once_share_one_fetch(shop: Shop, registry: Registry, tmp_path: Path) -> None:
    registry.push(package(tmp_path, "web", "1.0.0"))
    await asyncio.gather(*(shop.resolve(shop.chart, "1.0.0") for _ in range(10)))
    assert registry.front.asked("blobs") == 1


# --- what registries ask for, read


def test_challenges() -> None:
    header = 'Bearer realm="https://a.example/token",service="a, \\"b\\"",scope="repository:x/y:pull,push"'
    found = parse_challenge(header)
    assert found.scheme == "bearer"
    assert found.parameters == {
        "realm": "https://a.example/token",
        "service": 'a, "b"',
        "scope": "repository:x/y:pull,push",
    }
    assert parse_challenge('Basic realm="x"').scheme == "basic"
    assert parse_challenge('Negotiate, Basic realm="x"').scheme == "basic"
    assert parse_challenge('Bearer realm="r", Basic realm="other"').parameters == {"realm": "r"}


@given(st.text(max_size=200))
def test_any_challenge_is_read(header: str) -> None:
    assert parse_challenge(header).scheme in ("", "basic", "bearer")
