"""Charts from a real repository over TLS."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hub.domain.application import HelmOptions, Source
from hub.domain.place import place_of
from hub.domain.repository import Access, Credentials
from hub.source.charts import Charts
from hub.source.errors import (
    ArtifactRefused,
    MirrorDamaged,
    RepositoryDenied,
    RepositoryRefused,
    RepositoryTooLarge,
    RepositoryUnreachable,
    RevisionNotFound,
    SourceError,
)
from hub.source.http import SourceClient
from hub.source.policy import SourcePolicy
from hub.source.resolved import Resolved
from tests.source.chart_servers import ChartRepository, Tls, basic, make_tls, package, serve_charts


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return make_tls(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def repository(tmp_path: Path, tls: Tls) -> Iterator[ChartRepository]:
    with serve_charts(tmp_path / "served", tls) as repository:
        repository.add(package(tmp_path, "web", "1.0.0"))
        yield repository


class Shop:
    """Opens charts over one directory, as a hub that is started again does."""

    def __init__(self, root: Path, tls: Tls, url: str) -> None:
        self.root = root
        self.policy = SourcePolicy(ca_file=tls.ca_file, fetch_seconds=20, poll_seconds=20)
        self.access = Access()
        self.source = Source(url, chart="web", target_revision="*")
        self.charts = self._open()

    def _open(self) -> Charts:
        return Charts(self.root / "data", lambda url, project: self.access, self.policy)

    async def restart(self) -> None:
        await self.charts.close()
        self.charts = self._open()

    async def refresh(self, *, force: bool = False) -> None:
        await self.charts.refresh(place_of(self.source), force=force)

    async def resolve(self, revision: str = "*", **fields: object) -> Resolved:
        source = replace(self.source, target_revision=revision, **fields)  # type: ignore[arg-type]
        return await self.charts.resolve(place_of(source), source)


@pytest.fixture
async def shop(tmp_path: Path, tls: Tls, repository: ChartRepository) -> AsyncIterator[Shop]:
    shop = Shop(tmp_path, tls, f"{repository.front.url}/charts")
    yield shop
    await shop.charts.close()


async def test_a_chart_is_fetched_once(shop: Shop, repository: ChartRepository) -> None:
    first = await shop.resolve()
    assert (first.revision.revision, first.revision.chart) == ("1.0.0", "web")
    assert first.revision.digest in repository.index.replace("digest: ", "digest: sha256:")
    assert [entry.path for entry in first.tree.walk("")] == ["Chart.yaml", "templates/map.yaml"]
    assert repository.front.asked(r"\.tgz") == 1
    again = await shop.resolve("1.0.0")
    await shop.restart()
    restarted = await shop.resolve("^1")
    assert first.tree.commit == again.tree.commit == restarted.tree.commit
    assert repository.front.asked(r"\.tgz") == 1


async def test_what_is_known_needs_no_repository(shop: Shop, repository: ChartRepository) -> None:
    await shop.resolve()
    repository.front.status = 500
    await shop.restart()
    assert (await shop.resolve()).revision.revision == "1.0.0"
    with pytest.raises(RepositoryUnreachable):
        await shop.refresh()
    assert (await shop.resolve()).revision.revision == "1.0.0"


async def test_a_new_version_is_found_by_asking(shop: Shop, repository: ChartRepository, tmp_path: Path) -> None:
    await shop.refresh()
    assert (await shop.resolve("1.x")).revision.revision == "1.0.0"
    repository.add(package(tmp_path, "web", "1.1.0"))
    repository.add(package(tmp_path, "web", "2.0.0-rc.1"))
    assert (await shop.resolve("1.x")).revision.revision == "1.0.0"
    await shop.refresh()
    assert (await shop.resolve("1.x")).revision.revision == "1.1.0"
    assert (await shop.resolve("HEAD")).revision.revision == "1.1.0"
    assert (await shop.resolve(">1-0")).revision.revision == "2.0.0-rc.1"


async def test_an_index_that_has_not_changed_is_not_sent_again(shop: Shop, repository: ChartRepository) -> None:
    await shop.refresh()
    answers: list[int] = []
    content = repository.front.content

    def noted(*arguments: object) -> object:
        answer = content(*arguments)  # type: ignore[arg-type]
        answers.append(answer.status)
        return answer

    repository.front.content = noted  # type: ignore[assignment]
    await shop.refresh()
    await shop.restart()
    await shop.refresh()
    assert answers == [304, 304]
    await shop.refresh(force=True)
    assert answers == [304, 304, 200]


async def test_two_at_once_share_one_fetch(shop: Shop, repository: ChartRepository) -> None:
    found = await asyncio.gather(*(shop.resolve() for _ in range(10)))
    assert len({resolved.tree.commit for resolved in found}) == 1
    assert repository.front.asked(r"\.tgz") == 1
    assert repository.front.asked("index") == 1


async def test_equal_files_have_equal_ids_whatever_packed_them(shop: Shop, repository: ChartRepository) -> None:
    first = await shop.resolve()
    archive = repository.root / "web-1.0.0.tgz"
    repacked = recompressed(archive.read_bytes())
    archive.write_bytes(repacked)
    repository.reindex()
    await shop.refresh(force=True)
    second = await shop.resolve()
    assert first.revision.digest != second.revision.digest
    assert first.tree.object_id("") == second.tree.object_id("")


def recompressed(content: bytes) -> bytes:
    return gzip.compress(gzip.decompress(content), compresslevel=1, mtime=7)


# --- what may be wrong


async def test_a_version_that_was_replaced_is_told(shop: Shop, repository: ChartRepository) -> None:
    before = await shop.resolve()
    assert before.warnings == ()
    archive = repository.root / "web-1.0.0.tgz"
    archive.write_bytes(recompressed(archive.read_bytes()))
    repository.reindex()
    await shop.refresh()
    after = await shop.resolve()
    (warning,) = after.warnings
    assert "version 1.0.0 of the chart web" in warning
    assert after.revision.digest[7:19] in warning and before.revision.digest[7:19] in warning
    await shop.restart()
    assert (await shop.resolve()).warnings == after.warnings
    await shop.refresh(force=True)
    assert (await shop.resolve()).warnings == ()


async def test_an_archive_that_is_not_the_announced_one(shop: Shop, repository: ChartRepository) -> None:
    archive = repository.root / "web-1.0.0.tgz"
    archive.write_bytes(recompressed(archive.read_bytes()))
    with pytest.raises(ArtifactRefused, match="not what the index says") as caught:
        await shop.resolve()
    assert caught.value.retryable
    repository.reindex()
    await shop.refresh()
    assert (await shop.resolve()).revision.revision == "1.0.0"


@pytest.mark.parametrize(
    ("revision", "chart", "words"),
    [
        ("9.9.9", "web", "no version '9.9.9' of the chart web: its newest are 1.0.0"),
        (">=2", "web", "no version '>=2'"),
        ("*", "other", "no chart 'other'"),
    ],
)
async def test_what_is_not_there(shop: Shop, revision: str, chart: str, words: str) -> None:
    with pytest.raises(RevisionNotFound, match=words):
        await shop.resolve(revision, chart=chart)


async def test_a_truncated_archive(shop: Shop, repository: ChartRepository) -> None:
    repository.front.cut = r"\.tgz"
    with pytest.raises(RepositoryUnreachable):
        await shop.resolve()
    repository.front.cut = ""
    archive = repository.root / "web-1.0.0.tgz"
    archive.write_bytes(archive.read_bytes()[:-100])
    await shop.refresh()
    index = repository.index
    digest = index[index.index("digest: ") + 8 :][:64]
    repository.write_index(index.replace(digest, hashlib.sha256(archive.read_bytes()).hexdigest()))
    await shop.refresh()
    with pytest.raises(ArtifactRefused, match="no archive that is taken"):
        await shop.resolve()
    assert not list((shop.root / "data").rglob("partial-*"))


async def test_a_body_that_is_said_to_be_huge(shop: Shop, repository: ChartRepository) -> None:
    await shop.refresh()
    repository.front.length = 10 * 1024**3
    with pytest.raises(RepositoryTooLarge):
        await shop.resolve()


async def test_a_slow_drip_ends(shop: Shop, repository: ChartRepository, tls: Tls) -> None:
    await shop.refresh()
    shop.policy = replace(shop.policy, fetch_seconds=0.5)
    await shop.restart()
    repository.front.drip = r"\.tgz"
    with pytest.raises(RepositoryUnreachable, match="did not answer in full"):
        await shop.resolve()


BOMB = "entries:\n  web: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"  k{n}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(12)
)


@pytest.mark.parametrize("index", [BOMB, "entries: [", "\x00\x01", "", "entries:\n  web:\n    - {version: "])
async def test_an_index_that_cannot_be_read_leaves_the_last_one(
    shop: Shop, repository: ChartRepository, index: str
) -> None:
    await shop.resolve()
    repository.write_index(index)
    with pytest.raises(ArtifactRefused, match="no index that can be read"):
        await shop.refresh()
    assert (await shop.resolve()).revision.revision == "1.0.0"
    await shop.restart()
    assert (await shop.resolve()).revision.revision == "1.0.0"


async def test_who_is_asked_too_often_is_left_alone(shop: Shop, repository: ChartRepository) -> None:
    await shop.refresh()
    repository.front.status, repository.front.headers = 429, {"Retry-After": "600"}
    with pytest.raises(RepositoryUnreachable) as caught:
        await shop.refresh()
    assert caught.value.retry_after == 600
    repository.front.seen.clear()
    with pytest.raises(RepositoryUnreachable, match="left alone"):
        await shop.refresh()
    assert repository.front.seen == []


# --- credentials


async def test_credentials(shop: Shop, repository: ChartRepository) -> None:
    repository.front.credentials = "ada:s3cret-word"
    with pytest.raises(RepositoryDenied) as caught:
        await shop.resolve()
    assert "super-secret" not in str(caught.value)
    shop.access = Access(Credentials(username="ada", password="s3cret-word"))
    assert (await shop.resolve()).revision.revision == "1.0.0"
    found = b"".join(path.read_bytes() for path in (shop.root / "data").rglob("*") if path.is_file())
    assert b"s3cret-word" not in found


async def test_credentials_in_the_address(shop: Shop, repository: ChartRepository) -> None:
    repository.front.credentials = "ada:s3cret-word"
    shop.source = replace(shop.source, repo_url=shop.source.repo_url.replace("//", "//ada:s3cret-word@"))
    assert (await shop.resolve()).revision.revision == "1.0.0"
    with pytest.raises(SourceError) as caught:
        await shop.resolve("9")
    assert "s3cret-word" not in str(caught.value)


@pytest.mark.parametrize("passed", [False, True])
async def test_archives_on_another_host(
    shop: Shop, repository: ChartRepository, tmp_path: Path, tls: Tls, *, passed: bool
) -> None:
    shop.access = Access(Credentials(username="ada", password="s3cret-word"))
    with serve_charts(tmp_path / "elsewhere", tls) as other:
        (other.root / "web-1.0.0.tgz").write_bytes((repository.root / "web-1.0.0.tgz").read_bytes())
        repository.write_index(repository.index.replace("- web-1.0.0.tgz", f"- {other.front.url}/web-1.0.0.tgz"))
        found = await shop.resolve(helm=HelmOptions(pass_credentials=passed))
        assert found.revision.revision == "1.0.0"
        assert [seen[2] for seen in other.front.seen] == [basic("ada:s3cret-word") if passed else ""]


async def test_redirected_archives_get_no_credentials(
    shop: Shop, repository: ChartRepository, tmp_path: Path, tls: Tls
) -> None:
    shop.access = Access(Credentials(username="ada", password="s3cret-word"))
    with serve_charts(tmp_path / "elsewhere", tls) as other:
        (other.root / "web-1.0.0.tgz").write_bytes((repository.root / "web-1.0.0.tgz").read_bytes())
        repository.front.redirects[r"/charts/(.*\.tgz)"] = rf"{other.front.url}/\1"
        assert (await shop.resolve()).revision.revision == "1.0.0"
        assert [seen[2] for seen in other.front.seen] == [""]


@pytest.mark.parametrize("where", ["index", "archive", "redirect"])
async def test_nothing_is_read_of_the_hubs_own_machine(
    shop: Shop, repository: ChartRepository, tmp_path: Path, tls: Tls, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Of a repository that is elsewhere: this one is made to look as if it were."""
    monkeypatch.setattr(SourceClient, "_is_local", lambda self: False)
    with serve_charts(tmp_path / "inside", tls) as inside:
        match where:
            case "index":
                repository.front.redirects["index"] = f"{inside.front.url}/index.yaml"
            case "archive":
                address = f"- {inside.front.url}/web-1.0.0.tgz"
                repository.write_index(repository.index.replace("- web-1.0.0.tgz", address))
            case "redirect":
                repository.front.redirects[r"\.tgz"] = "https://169.254.169.254/latest/meta-data"
        with pytest.raises(RepositoryRefused, match="an address of the hub's own machine or network link"):
            await shop.resolve()
        assert inside.front.seen == []


async def test_other_scopes_have_other_copies(shop: Shop, repository: ChartRepository) -> None:
    await shop.resolve()
    shop.access = Access(scope="another")
    repository.front.status = 403
    with pytest.raises(RepositoryDenied):
        await shop.resolve()


# --- disk


async def test_what_is_damaged_is_fetched_anew(shop: Shop, repository: ChartRepository) -> None:
    found = await shop.resolve()
    (mirror,) = (shop.root / "data" / "archives").rglob("*.git")
    for path in mirror.glob("objects/??/*"):
        if path.parent.name + path.name != found.tree.commit:
            path.unlink()
    with pytest.raises(MirrorDamaged, match="a hard refresh"):
        (await shop.resolve()).tree.read("Chart.yaml", 1000)
    await shop.refresh(force=True)
    assert (await shop.resolve()).tree.read("Chart.yaml", 1000)
    assert repository.front.asked(r"\.tgz") == 2


async def test_what_nobody_needs_is_removed(shop: Shop, repository: ChartRepository) -> None:
    found = await shop.resolve()
    for path in (shop.root / "data" / "archives").rglob("*.git"):
        os.utime(path, (1, 1))
    await shop.charts.collect({found.tree.mirror_name})
    assert found.tree.read("Chart.yaml", 1000)
    await shop.charts.collect(set())
    assert not list((shop.root / "data" / "archives").rglob("*.git"))
    assert (await shop.resolve()).revision == found.revision
