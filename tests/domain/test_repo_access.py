"""Which entry an address is read by, and which addresses mean the same repository."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.repo_access import Registered
from hub.domain.repo_url import repo_key
from hub.domain.repository import Credentials, CredentialTemplate, HostTrust, Repository
from tests.search import examples


def known(name: str) -> Credentials:
    return Credentials(password=name)


def password(registered: Registered, url: str, project: str = "") -> str:
    return registered.access(url, project).credentials.password


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example.com/team/shop",
        "https://GIT.example.com/team/shop.git",
        "https://git.example.com/Team/Shop/",
        "https://git.example.com:443/team/shop.git/",
        "https://bob@git.example.com/team/shop",
        " https://git.example.com/team/shop ",
    ],
)
def test_spellings_of_one_address(url: str) -> None:
    assert repo_key(url) == repo_key("https://git.example.com/team/shop.git")


@pytest.mark.parametrize(
    "url",
    [
        "git@git.example.com:team/shop.git",
        "ssh://git@git.example.com/team/shop",
        "ssh://git@git.example.com:22/team/shop.git",
        "git+ssh://git@GIT.example.com/team/shop",
        "git@git.example.com:/team/shop/",
    ],
)
def test_spellings_of_one_ssh_address(url: str) -> None:
    assert repo_key(url) == repo_key("git@git.example.com:team/shop")


@pytest.mark.parametrize(
    "url",
    [
        "http://git.example.com/team/shop",
        "https://git.example.com:8443/team/shop",
        "https://git.example.com.evil.org/team/shop",
        "ssh://git.example.com/team/shop",
        "https://git.example.com/team/shop2",
        "oci://git.example.com/team/shop",
    ],
)
def test_addresses_that_are_others(url: str) -> None:
    assert repo_key(url) != repo_key("https://git.example.com/team/shop")


def test_a_registry_may_be_named_without_a_scheme() -> None:
    assert repo_key("registry.example.com:5000/charts") == repo_key("oci://registry.example.com:5000/charts")


class TestWhichEntry:
    URL = "https://git.example.com/team/shop"

    def test_its_own_comes_before_templates(self) -> None:
        template = CredentialTemplate("https://git.example.com/", credentials=known("template"))
        registered = Registered([Repository(self.URL, credentials=known("own"))], [template])
        assert password(registered, self.URL + ".git") == "own"
        assert password(registered, "https://git.example.com/other") == "template"
        assert password(registered, "https://elsewhere.example.com/x") == ""

    def test_one_without_credentials_takes_the_templates(self) -> None:
        template = CredentialTemplate("https://git.example.com", credentials=known("template"), proxy="http://p:1")
        access = Registered([Repository(self.URL, insecure=True)], [template]).access(self.URL, "")
        assert (access.credentials.password, access.proxy, access.insecure) == ("template", "http://p:1", True)

    def test_the_longest_prefix(self) -> None:
        prefixes = ("https://git.example.com", "https://git.example.com/team/shop", "https://git.example.com/team")
        registered = Registered((), [CredentialTemplate(p, credentials=known(p)) for p in prefixes])
        assert password(registered, "https://git.example.com/team/other") == "https://git.example.com/team"
        assert password(registered, self.URL) == "https://git.example.com/team/shop"

    @pytest.mark.parametrize(
        "url",
        [
            "https://git.example.com.evil.org/team/shop",
            "https://git.example.com:8443/team/shop",
            "http://git.example.com/team/shop",
            "https://evil.org/https://git.example.com/team",
            "https://git.example.com@evil.org/team/shop",
        ],
    )
    def test_a_prefix_is_of_the_same_host(self, url: str) -> None:
        registered = Registered((), [CredentialTemplate("https://git.example.com", credentials=known("x"))])
        assert password(registered, url) == ""

    def test_a_projects_entry_is_for_nobody_else(self) -> None:
        own = Repository(self.URL, project="team", credentials=known("team's"))
        everybodys = Repository(self.URL, credentials=known("all"))
        assert password(Registered([own]), self.URL, "other") == ""
        assert password(Registered([own]), self.URL) == ""
        registered = Registered([own, everybodys])
        assert [password(registered, self.URL, p) for p in ("team", "other", "")] == ["team's", "all", "all"]

    def test_a_projects_template_is_for_nobody_else(self) -> None:
        template = CredentialTemplate("https://git.example.com", project="team", credentials=known("x"))
        registered = Registered((), [template])
        assert [password(registered, self.URL, p) for p in ("team", "other", "")] == ["x", "", ""]


class TestScope:
    URL = "https://git.example.com/x"

    def scope(self, *entries: Repository, project: str = "") -> str:
        return Registered(entries).access(self.URL, project).scope

    def test_renewed_credentials_do_not_change_it(self) -> None:
        assert self.scope(Repository(self.URL, credentials=known("a"))) == self.scope(
            Repository(self.URL, credentials=known("b"), insecure=True)
        )

    def test_without_credentials_it_is_that_of_everybody(self) -> None:
        assert self.scope() == self.scope(Repository(self.URL, insecure=True)) == ""

    def test_each_door_has_its_own(self) -> None:
        team = Repository(self.URL, project="team", credentials=known("a"))
        other = Repository(self.URL, project="other", credentials=known("a"))
        everybodys = Repository(self.URL, credentials=known("a"))
        proxied = Repository(self.URL, proxy="http://p:1")
        scopes = [
            self.scope(team, project="team"),
            self.scope(other, project="other"),
            self.scope(everybodys),
            self.scope(),
        ]
        assert len(set(scopes)) == 4
        assert self.scope(proxied) != ""


class TestReader:
    URL = "https://git.example.com/x"

    def test_projects_without_entries_of_their_own_share_a_copy(self) -> None:
        registered = Registered([Repository(self.URL, credentials=known("a"))])
        assert registered.reader(self.URL, "team") == registered.reader(self.URL, "other") == ""

    def test_a_project_with_its_own_does_not(self) -> None:
        registered = Registered([Repository(self.URL, project="team", credentials=known("a"))])
        assert registered.reader(self.URL, "team") == "team"
        assert registered.reader(self.URL, "other") == ""


def test_what_a_host_is_believed_by() -> None:
    trust = [
        HostTrust("https", "git.example.com", "", "PEM"),
        HostTrust("https", "git.example.com:8443", "", "OTHER"),
        HostTrust("ssh", "git.example.com", "ssh-ed25519", "KEY"),
    ]
    registered = Registered(trust=trust)
    assert registered.access("https://Git.example.com/x", "").authorities == "PEM"
    assert registered.access("https://git.example.com:8443/x", "").authorities == "OTHER"
    assert registered.access("https://git.example.com:9443/x", "").authorities == "PEM"
    assert registered.access("https://git.example.com/x", "").known_hosts == ""
    assert registered.access("git@git.example.com:x", "").known_hosts == "git.example.com ssh-ed25519 KEY\n"


SEGMENT = st.text("abcAB01.-_", min_size=1, max_size=6).filter(lambda text: text.strip(".") == text)


@examples(200)
@given(host=SEGMENT, path=st.lists(SEGMENT, min_size=1, max_size=3), tail=st.sampled_from(["", "/", ".git", ".git/"]))
def test_scp_and_ssh_are_one(host: str, path: list[str], tail: str) -> None:
    joined = "/".join(path)
    if joined.lower().endswith(".git"):
        return
    assert repo_key(f"git@{host}:{joined}{tail}") == repo_key(f"ssh://git@{host}/{joined}")


@examples(300)
@given(st.text(max_size=60))
def test_any_text_has_a_key_and_spelling_it_out_is_the_same(text: str) -> None:
    key = repo_key(text)
    assert key == repo_key(f"  {text.upper().lower()} ") or text.lower() != text.upper().lower()
    assert key.begins_with(key)


@examples(200)
@given(st.text(max_size=30), st.text(max_size=30))
def test_a_prefix_of_another_host_never_fits(one: str, two: str) -> None:
    first, second = repo_key(f"https://{one}"), repo_key(f"https://{two}")
    if first.host != second.host:
        assert not first.begins_with(second)
