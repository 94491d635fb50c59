from __future__ import annotations

import re

import pytest

from hub.source.refs import Refs, parse_ls_remote
from hub.source.revisions import Abbreviated, Found, Unknown, choose

TAGS = {
    "v1.0.0": "a10",
    "v1.2.0": "a12",
    "1.2.5": "a125",
    "v1.3.0-rc.1": "a13",
    "v2.0.0": "a20",
    "v2.1": "a21",
    "other": "o",
}
REFS = Refs(
    "aaa", "main", {"main": "aaa", "dev": "bbb", "1.x": "branch", "deadbee": "ddd"}, TAGS, {"refs/pull/1/head": "p"}
)


@pytest.mark.parametrize(
    ("revision", "commit"),
    [
        ("HEAD", "aaa"),
        ("dev", "bbb"),
        ("refs/heads/dev", "bbb"),
        ("v1.0.0", "a10"),
        ("refs/tags/v1.0.0", "a10"),
        ("refs/pull/1/head", "p"),
        # A branch with a name like an abbreviated commit is the branch.
        ("deadbee", "ddd"),
        # A range goes before a branch that is called so, as in Argo CD.
        ("1.x", "a125"),
        ("1.2.*", "a125"),
        ("^1.0.0", "a125"),
        ("~1.2", "a125"),
        (">=1.2 <2", "a125"),
        (">=1.2.0, <2.0.0", "a125"),
        (">= 1.0 < 1.2", "a10"),
        ("v1.x", "a125"),
        ("1.0 - 1.1", "a10"),
        ("<1.1 || >=2", "a21"),
        ("*", "a21"),
        (">=1.3.0-rc.0 <1.3.0", "a13"),
        # A version finds its tag with the customary v.
        ("1.0.0", "a10"),
        ("2.1.0", "a21"),
    ],
)
def test_names_and_ranges(revision: str, commit: str) -> None:
    assert choose(REFS, revision) == Found(commit)


def test_commits_are_looked_for_in_the_mirror() -> None:
    whole = "ABCDEF0123456789abcdef0123456789abcdef01"
    assert choose(REFS, whole) == Abbreviated(whole.lower())
    assert Abbreviated(whole.lower()).whole
    assert choose(REFS, "abcdef0") == Abbreviated("abcdef0")
    assert not Abbreviated("abcdef0").whole


@pytest.mark.parametrize(
    ("refs", "revision", "hint"),
    [
        (REFS, "abcdef", "default branch is 'main'"),
        (REFS, "Dev", "'dev'.*case sensitive"),
        (REFS, "^9", "none of its 7 tags"),
        (REFS, "feature-x", "default branch"),
        (Refs(), "main", "no commits yet"),
        (Refs(branches={"a": "1"}), "main", "1 branches and 0 tags"),
    ],
)
def test_what_is_not_there_comes_with_a_hint(refs: Refs, revision: str, hint: str) -> None:
    choice = choose(refs, revision)
    assert isinstance(choice, Unknown)
    assert re.search(hint, choice.hint)


def test_reading_what_git_lists() -> None:
    one, two, three = "1" * 40, "2" * 40, "3" * 40
    text = (
        f"ref: refs/heads/main\tHEAD\n{one}\tHEAD\n{one}\trefs/heads/main\n{two}\trefs/heads/a/b\n"
        f"{three}\trefs/tags/v1\n{one}\trefs/tags/v1^{{}}\n{two}\trefs/tags/light\n{two}\trefs/pull/7/head\n"
        "warning: something\nnot-a-hash\trefs/heads/x\n"
    )
    refs = parse_ls_remote(text.encode())
    assert refs == Refs(one, "main", {"main": one, "a/b": two}, {"v1": one, "light": two}, {"refs/pull/7/head": two})
    assert Refs.from_json(refs.to_json()) == refs


@pytest.mark.parametrize("content", [b"", b"{}x", b"[]", b'{"no": 1}', b"null"])
def test_a_damaged_file_of_refs_is_told(content: bytes) -> None:
    with pytest.raises(ValueError):
        Refs.from_json(content)
