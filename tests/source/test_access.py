"""What is registered of a repository, against real servers: it lets the hub in, or the hub says why not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.domain.repository import Access, Credentials
from hub.source import GitSource, SourcePolicy
from hub.source.errors import RepositoryDenied, RepositoryUnreachable
from tests.source.conftest import Sources
from tests.source.proxies import serve_proxy
from tests.source.repos import Repo
from tests.source.servers import GitHttp, Ssh, new_key, serve_http, serve_ssh
from tests.source.tls import Authority

BOB = Credentials(username="bob", password="tops3cret")


def reading(sources: Sources, access: Access) -> GitSource:
    return sources.open(access=lambda url, project: access)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def other() -> Authority:
    return Authority()


@pytest.fixture
def server(repo: Repo, authority: Authority) -> Iterator[GitHttp]:
    with serve_http(repo.bare.parent, authority.server()) as server:
        yield server


class TestHttps:
    @pytest.fixture
    def url(self, server: GitHttp) -> str:
        return f"{server.url}/repo.git"

    async def test_a_user_and_a_password(
        self, sources: Sources, server: GitHttp, url: str, authority: Authority
    ) -> None:
        server.credentials = "bob:tops3cret"
        assert (await reading(sources, Access(BOB, authorities=authority.pem)).resolve(url, "main")).sha

    async def test_a_token_without_a_user(
        self, sources: Sources, server: GitHttp, url: str, authority: Authority
    ) -> None:
        server.credentials = "git:t0ken"
        access = Access(Credentials(password="t0ken"), authorities=authority.pem)
        assert (await reading(sources, access).refresh(url)).head

    async def test_the_users_name_is_in_the_url(
        self, sources: Sources, server: GitHttp, url: str, authority: Authority
    ) -> None:
        server.credentials = "bob:t0ken"
        access = Access(Credentials(password="t0ken"), authorities=authority.pem)
        assert (await reading(sources, access).refresh(url.replace("//", "//bob@"))).head

    async def test_credentials_in_the_url_come_first(
        self, sources: Sources, server: GitHttp, url: str, authority: Authority
    ) -> None:
        server.credentials = "eve:own"
        access = Access(BOB, authorities=authority.pem)
        assert (await reading(sources, access).refresh(url.replace("//", "//eve:own@"))).head

    async def test_a_bearer_token(self, sources: Sources, server: GitHttp, url: str, authority: Authority) -> None:
        server.bearer = "t0ken"
        access = Access(Credentials(bearer_token="t0ken"), authorities=authority.pem)
        assert (await reading(sources, access).refresh(url)).head

    async def test_a_bearer_token_goes_to_no_other_host(
        self, repo: Repo, sources: Sources, server: GitHttp, url: str, authority: Authority
    ) -> None:
        with serve_http(repo.bare.parent, authority.server()) as elsewhere:
            server.redirect = elsewhere.url
            access = Access(Credentials(bearer_token="t0ken"), authorities=authority.pem)
            with pytest.raises(RepositoryUnreachable, match="redirects elsewhere"):
                await reading(sources, access).refresh(url)
            assert elsewhere.seen == []

    async def test_basic_authentication_before_it_is_asked_for(
        self, sources: Sources, server: GitHttp, url: str, authority: Authority
    ) -> None:
        access = Access(BOB, authorities=authority.pem, force_basic_auth=True)
        assert (await reading(sources, access).refresh(url)).head
        assert all(header.startswith("Basic ") for header in server.seen)

    async def test_a_client_certificate(
        self, repo: Repo, sources: Sources, authority: Authority, other: Authority
    ) -> None:
        with serve_http(repo.bare.parent, authority.server(clients=other)) as server:
            url = f"{server.url}/repo.git"
            certificate, key = other.client()
            good = Access(Credentials(client_certificate=certificate, client_key=key), authorities=authority.pem)
            assert (await reading(sources, good).refresh(url)).head
            with pytest.raises(RepositoryUnreachable, match="client certificate"):
                await reading(sources, Access(authorities=authority.pem)).refresh(url)

    async def test_wrong_credentials(self, sources: Sources, server: GitHttp, url: str, authority: Authority) -> None:
        server.credentials = "bob:another"
        with pytest.raises(RepositoryDenied, match="escadre repo add"):
            await reading(sources, Access(BOB, authorities=authority.pem)).refresh(url)

    async def test_an_authority_that_is_not_known(self, sources: Sources, url: str, other: Authority) -> None:
        with pytest.raises(RepositoryUnreachable, match="escadre cert add-tls"):
            await reading(sources, Access(authorities=other.pem)).refresh(url)

    async def test_an_authority_of_the_host_is_in_place_of_the_others(
        self, sources: Sources, url: str, authority: Authority, other: Authority, tmp_path: Path
    ) -> None:
        ca_file = tmp_path / "ca.pem"
        authority.ca.cert_pem.write_to_path(ca_file)

        source = sources.open(SourcePolicy(ca_file=ca_file), access=lambda url, project: Access(authorities=other.pem))
        with pytest.raises(RepositoryUnreachable, match="escadre cert add-tls"):
            await source.refresh(url)

    async def test_insecure(self, sources: Sources, url: str) -> None:
        assert (await reading(sources, Access(insecure=True)).refresh(url)).head

    async def test_an_expired_certificate(self, repo: Repo, sources: Sources, authority: Authority) -> None:
        with (
            serve_http(repo.bare.parent, authority.server(expired=True)) as server,
            pytest.raises(RepositoryUnreachable, match="certificate has expired"),
        ):
            await reading(sources, Access(authorities=authority.pem)).refresh(f"{server.url}/repo.git")

    async def test_a_certificate_for_another_host(self, repo: Repo, sources: Sources, authority: Authority) -> None:
        with (
            serve_http(repo.bare.parent, authority.server("git.example.com")) as server,
            pytest.raises(RepositoryUnreachable, match="for another host"),
        ):
            await reading(sources, Access(authorities=authority.pem)).refresh(f"{server.url}/repo.git")


class TestProxies:
    @pytest.mark.parametrize("kind", ["http", "socks5"])
    async def test_through_one_with_a_password(
        self, sources: Sources, server: GitHttp, authority: Authority, kind: str
    ) -> None:
        with serve_proxy(kind, "pat:pr0xy") as proxy:
            access = Access(authorities=authority.pem, proxy=proxy.url("pat:pr0xy"))
            assert (await reading(sources, access).resolve(f"{server.url}/repo.git", "main")).sha
            assert set(proxy.places) == {server.url.removeprefix("https://")}

    @pytest.mark.parametrize("kind", ["http", "socks5"])
    async def test_one_that_refuses(self, sources: Sources, server: GitHttp, authority: Authority, kind: str) -> None:
        with serve_proxy(kind, "pat:pr0xy") as proxy:
            access = Access(authorities=authority.pem, proxy=proxy.url("pat:wrong"))
            with pytest.raises(RepositoryUnreachable, match="the proxy refuses") as caught:
                await reading(sources, access).refresh(f"{server.url}/repo.git")
            assert "wrong" not in str(caught.value) + caught.value.detail

    async def test_one_that_is_not_there(self, sources: Sources, server: GitHttp, authority: Authority) -> None:
        access = Access(authorities=authority.pem, proxy="http://127.0.0.1:9")
        with pytest.raises(RepositoryUnreachable, match="the proxy cannot be connected to"):
            await reading(sources, access).refresh(f"{server.url}/repo.git")

    async def test_hosts_that_are_reached_without(
        self, sources: Sources, server: GitHttp, authority: Authority
    ) -> None:
        access = Access(authorities=authority.pem, proxy="http://127.0.0.1:9", no_proxy="10.0.0.0/8,127.0.0.1")
        assert (await reading(sources, access).refresh(f"{server.url}/repo.git")).head


class TestSsh:
    @pytest.fixture
    def ssh(self, tmp_path: Path) -> Iterator[Ssh]:
        with serve_ssh(tmp_path / "ssh") as ssh:
            yield ssh

    @pytest.fixture
    def url(self, ssh: Ssh, repo: Repo) -> str:
        return f"{ssh.url}{repo.bare}"

    @pytest.fixture
    def access(self, ssh: Ssh) -> Access:
        """What lets the hub in."""
        key = (ssh.directory / "id_ed25519").read_text()
        return Access(Credentials(ssh_private_key=key), known_hosts=(ssh.directory / "known_hosts").read_text())

    async def test_a_key_and_a_host_key(self, sources: Sources, url: str, access: Access) -> None:
        assert (await reading(sources, access).resolve(url, "main")).sha

    async def test_a_key_as_it_comes_out_of_a_form(self, sources: Sources, url: str, access: Access) -> None:
        pasted = access.credentials.ssh_private_key.strip().replace("\n", "\r\n")
        again = Access(Credentials(ssh_private_key=pasted), known_hosts=access.known_hosts)
        assert (await reading(sources, again).refresh(url)).head

    async def test_another_key(self, sources: Sources, url: str, access: Access, tmp_path: Path) -> None:
        new_key(tmp_path / "another")
        wrong = Access(Credentials(ssh_private_key=(tmp_path / "another").read_text()), known_hosts=access.known_hosts)
        with pytest.raises(RepositoryDenied, match="--ssh-private-key-path"):
            await reading(sources, wrong).refresh(url)

    async def test_a_host_key_that_is_not_known(self, sources: Sources, url: str, access: Access) -> None:
        with pytest.raises(RepositoryDenied, match="escadre cert add-ssh"):
            await reading(sources, Access(access.credentials)).refresh(url)

    async def test_a_host_key_that_has_changed(
        self, sources: Sources, url: str, ssh: Ssh, access: Access, tmp_path: Path
    ) -> None:
        new_key(tmp_path / "another")
        known = f"[127.0.0.1]:{ssh.port} {(tmp_path / 'another.pub').read_text()}"
        with pytest.raises(RepositoryDenied, match="escadre cert add-ssh"):
            await reading(sources, Access(access.credentials, known_hosts=known)).refresh(url)

    async def test_insecure(self, sources: Sources, url: str, access: Access) -> None:
        assert (await reading(sources, Access(access.credentials, insecure=True)).refresh(url)).head

    @pytest.mark.parametrize("kind", ["http", "socks5"])
    async def test_through_a_proxy(self, sources: Sources, url: str, ssh: Ssh, access: Access, kind: str) -> None:
        with serve_proxy(kind, "pat:pr0xy") as proxy:
            through = Access(access.credentials, known_hosts=access.known_hosts, proxy=proxy.url("pat:pr0xy"))
            assert (await reading(sources, through).resolve(url, "main")).sha
            assert set(proxy.places) == {f"127.0.0.1:{ssh.port}"}

    @pytest.mark.parametrize("kind", ["http", "socks5"])
    async def test_a_proxy_that_refuses(self, sources: Sources, url: str, access: Access, kind: str) -> None:
        with serve_proxy(kind, "pat:pr0xy") as proxy:
            through = Access(access.credentials, known_hosts=access.known_hosts, proxy=proxy.url("pat:wrong"))
            with pytest.raises(RepositoryUnreachable, match="the proxy refuses"):
                await reading(sources, through).refresh(url)
