from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.source.errors import RepositoryRefused, RevisionNotFound
from hub.source.urls import check_revision, parse_repo_url, redact


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("https://github.com/a/b.git", "https://github.com/a/b.git"),
        ("https://GitHub.com/a/b/", "https://github.com/a/b"),
        ("  http://h:8080/a ", "http://h:8080/a"),
        ("https://[::1]:8443/a", "https://[::1]:8443/a"),
        ("ssh://git@h:2222/a/b", "ssh://git@h:2222/a/b"),
        ("git+ssh://git@h/a", "ssh://git@h/a"),
        ("git@github.com:a/b.git", "git@github.com:a/b.git"),
        ("github.com:a/b", "github.com:a/b"),
    ],
)
def test_addresses_of_repositories_are_read(url: str, location: str) -> None:
    assert parse_repo_url(url).location == location


@pytest.mark.parametrize(
    "url",
    [
        "",
        "-uhttps://h/a",
        "--upload-pack=touch /tmp/x",
        "ext::sh -c true",
        "ext::sh",
        "fd::17/foo",
        "https://h/a b",
        "https://h/a\nb",
        "https://h",
        "https://h/",
        "https://-h/a",
        "https://h/a?x=y",
        "https://h/a#b",
        "https://h:99999/a",
        "ftp://h/a",
        "git://h/a",
        "ssh://-oProxyCommand=x/a",
        "ssh://-oProxyCommand=x@h/a",
        "-oProxyCommand=x@h:a",
        "git@-h:a",
        "git@h:-a",
        "git@h:",
        "/etc/passwd",
        "../x",
        "file:///etc",
        "file://host/srv/git/a",
        "https://h/" + "a" * 3000,
    ],
)
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(RepositoryRefused):
        parse_repo_url(url)


def test_a_local_repository_must_lie_where_the_operator_allows(tmp_path: Path) -> None:
    allowed, outside = tmp_path / "allowed", tmp_path / "allowed-not"
    for directory in (allowed, outside):
        directory.mkdir()
    (allowed / "link").symlink_to(outside)
    assert parse_repo_url(f"file://{allowed}/a.git", [allowed]).location == f"file://{allowed}/a.git"
    for path in (outside, f"{allowed}/../allowed-not", allowed / "link"):
        with pytest.raises(RepositoryRefused, match="not among the directories"):
            parse_repo_url(f"file://{path}", [allowed])


def test_credentials_are_taken_out_of_what_is_passed_on_and_shown() -> None:
    parsed = parse_repo_url("https://bob:s%40cret@h/a")
    assert (parsed.username, parsed.password) == ("bob", "s@cret")
    assert parsed.location == parsed.display == "https://h/a"
    assert "cret" not in repr(parsed)


def test_other_credentials_have_another_mirror() -> None:
    names = {
        parse_repo_url(url).directory_name()
        for url in ("https://h/a", "https://u:p@h/a", "https://u:q@h/a", "https://h/b")
    }
    assert len(names) == 4
    assert parse_repo_url("https://H/a/").directory_name() in names


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://bob:secret@h/a", "https://h/a"),
        ("https://token@h/a", "https://h/a"),
        ("bob:secret@h:a", "bob@h:a"),
        ("git@h:a", "git@h:a"),
        ("nonsense", "nonsense"),
    ],
)
def test_redacting(text: str, shown: str) -> None:
    assert redact(text) == shown


@given(st.text(max_size=60))
def test_whatever_is_accepted_is_safe_on_a_command_line(text: str) -> None:
    try:
        location = parse_repo_url(text).location
    except RepositoryRefused:
        return
    assert not location.startswith("-")
    assert "::" not in location.partition("[")[0]
    assert location.isprintable()
    assert not any(c.isspace() for c in location)


@pytest.mark.parametrize(
    "text", ["main", "v1.2.3", "feature/x", "refs/pull/1/head", ">=1.2 <2", "1.x", "a" * 255, "^1.0"]
)
def test_revisions(text: str) -> None:
    assert check_revision(text, "r") == text


def test_an_empty_revision_is_head() -> None:
    assert check_revision(" ", "r") == "HEAD"


@pytest.mark.parametrize(
    "text", ["-x", "--upload-pack=x", "a..b", "main@{1}", "a\nb", "a\0b", "a:b", "a" * 256, "refs/heads/*?", "a\\b"]
)
def test_refused_revisions_name_the_repository(text: str) -> None:
    with pytest.raises(RevisionNotFound, match="of the-repository"):
        check_revision(text, "the-repository")
