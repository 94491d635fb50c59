from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.repo_name import MAX_NAME, repo_name
from tests.search import examples

SAME = {
    "github.com/acme/shop": (
        "https://github.com/acme/shop",
        "https://github.com/acme/shop.git",
        "https://github.com/acme/shop.git/",
        "https://GitHub.com/Acme/Shop",
        "https://ada:secret@github.com:443/acme/shop.git",
        "http://github.com/acme/shop",
        "git@github.com:acme/shop.git",
        "github.com:acme/shop",
        "git@github.com:/acme/shop",
        "ssh://git@github.com/acme/shop.git",
        "ssh://git@github.com:22/acme/shop",
        "ssh://git@ssh.github.com:443/acme/shop.git",
        "git+ssh://github.com/acme/shop",
        "git://github.com/acme/shop.git",
        " https://github.com/acme/shop\n",
    ),
    "gitlab.com/acme/web/shop": ("https://gitlab.com/acme/web/shop.git", "git@altssh.gitlab.com:acme/web/shop.git"),
    "dev.azure.com/acme/web/shop": (
        "https://dev.azure.com/acme/web/_git/shop",
        "https://acme@dev.azure.com/acme/web/_git/shop",
        "git@ssh.dev.azure.com:v3/acme/web/shop",
        "https://acme.visualstudio.com/web/_git/shop",
        "https://acme.visualstudio.com/DefaultCollection/web/_git/shop",
        "acme@vs-ssh.visualstudio.com:v3/acme/web/shop",
    ),
    "dev.azure.com/acme/shop/shop": (
        "https://dev.azure.com/acme/shop/_git/shop",
        "https://dev.azure.com/acme/_git/shop",
        "https://acme.visualstudio.com/_git/shop",
        "git@ssh.dev.azure.com:v3/acme/shop/shop",
    ),
    "dev.azure.com/acme/my web/shop": ("https://dev.azure.com/acme/my%20web/_git/shop",),
    "bitbucket.example.com/acme/shop": (
        "https://bitbucket.example.com/scm/ACME/shop.git",
        "ssh://git@bitbucket.example.com:7999/acme/shop.git",
    ),
    "example.com/bitbucket/~ada/shop": ("https://example.com/bitbucket/scm/~ada/shop.git",),
    "docker.io/acme/shop": ("oci://registry-1.docker.io/acme/shop", "docker.io/acme/shop", "index.docker.io/acme/shop"),
    "localhost/acme/shop": ("localhost:5000/acme/shop", "oci://localhost:5000/acme/shop"),
    "/srv/git/shop": ("file:///srv/git/shop", "file:///srv/git/shop.git", "file:///srv/git/Shop/"),
    "::1/acme/shop": ("ssh://git@[::1]:2222/acme/shop", "git@[::1]:acme/shop", "https://[::1]/acme/shop.git"),
    "": ("", "https://", "https://github.com/", "https://[x/y", "shop", "a" * (MAX_NAME + 1)),
}


@pytest.mark.parametrize(("name", "url"), [(name, url) for name, urls in SAME.items() for url in urls])
def test_names(name: str, url: str) -> None:
    assert repo_name(url) == name


def test_others_have_others() -> None:
    urls = ("https://a.com/x/y", "https://b.com/x/y", "https://a.com/x/z", "https://a.com/x/y/z", "https://a.com.b/x/y")
    assert len({repo_name(url) for url in urls}) == len(urls)


@examples(300)
@given(st.text(max_size=60) | st.text(":/@.[]%git~", max_size=30))
def test_anything_may_be_asked(text: str) -> None:
    name = repo_name(text)
    assert name == name.lower() and len(name) <= MAX_NAME
