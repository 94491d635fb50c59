"""Argo CD's Secrets of repositories, and its ConfigMaps of host keys and certificates."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.repository import (
    Credentials,
    CredentialTemplate,
    GitHubApp,
    HostTrust,
    Repository,
    RepositoryKind,
    TrustedHosts,
)
from hub.formats.dump import dump_yaml
from hub.formats.errors import FormatError
from hub.formats.objects import parse_objects
from tests.search import examples


def secret(kind: str = "repository", *, encoded: dict[str, str] | None = None, **data: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "repo-1", "namespace": "argocd", "labels": {"argocd.argoproj.io/secret-type": kind}},
        "stringData": data,
    }
    if encoded is not None:
        found["data"] = {key: base64.b64encode(value.encode()).decode() for key, value in encoded.items()}
    return found


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def read(*objects: dict[str, Any], strict: bool = False) -> list[Any]:
    text = "---\n".join(dump_yaml(item) for item in objects)
    return [item.value for item in parse_objects(text, name="f.yaml", strict=strict)]


def test_a_repository() -> None:
    (found,) = read(
        secret(
            encoded={"password": "s3cret", "url": "https://git.example.com/x"},
            type="helm",
            name="charts",
            project="team",
            username="bob",
            insecure="true",
            enableOCI="true",
            enableLfs="false",
            forceHttpBasicAuth="true",
            insecureOCIForceHttp="1",
            proxy="http://proxy:3128",
            noProxy="*.internal",
            tlsClientCertData="C",
            tlsClientCertKey="K",
            bearerToken="B",
            sshPrivateKey="S",
        ),
        strict=True,
    )
    assert found == Repository(
        "https://git.example.com/x",
        RepositoryKind.HELM,
        "team",
        Credentials("bob", "s3cret", "B", "S", "C", "K"),
        proxy="http://proxy:3128",
        no_proxy="*.internal",
        force_basic_auth=True,
        oci=True,
        plain_http=True,
        name="charts",
        insecure=True,
    )


def test_a_github_app() -> None:
    (found,) = read(
        secret(
            "repo-creds",
            url="https://github.com/team",
            githubAppID="7",
            githubAppInstallationID="8",
            githubAppPrivateKey="PEM",
            githubAppEnterpriseBaseUrl="https://ghe/api/v3",
        ),
        strict=True,
    )
    app = GitHubApp(7, 8, "PEM", "https://ghe/api/v3")
    assert found == CredentialTemplate("https://github.com/team", credentials=Credentials(github_app=app))


def test_the_host_key_need_not_be_known() -> None:
    assert read(secret(url="git@h:x", insecureIgnoreHostKey="true"))[0].insecure


def test_host_keys_and_certificates() -> None:
    lines = "# comment\ngit.example.com ssh-ed25519 AAAA\n@cert-authority *.example.com ssh-rsa BBBB\n"
    keys, certificates = read(
        config_map("argocd-ssh-known-hosts-cm", ssh_known_hosts=lines),
        config_map("argocd-tls-certs-cm", **{"git.example.com": "PEM"}),
        strict=True,
    )
    assert keys == TrustedHosts(
        "argocd-ssh-known-hosts-cm",
        (
            HostTrust("ssh", "git.example.com", "ssh-ed25519", "AAAA"),
            HostTrust("ssh", "*.example.com", "ssh-rsa", "BBBB", "@cert-authority"),
        ),
    )
    assert certificates.items == (HostTrust("https", "git.example.com", "", "PEM"),)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (secret(), "url is missing"),
        (secret(url="https://h/x", type="svn"), "none of git, helm and oci"),
        (secret(url="https://h/x", insecure="perhaps"), 'neither "true" nor "false"'),
        (secret(url="https://h/x", githubAppID="seven"), "is no number"),
        (secret(url="https://h/x", password=7), "write it in quotes"),
        (secret(url="https://h/x") | {"data": {"password": "s3cret!"}}, "no base64"),
        (config_map("argocd-ssh-known-hosts-cm", ssh_known_hosts="git.example.com"), "line 1"),
        (secret("cluster", url="https://h/x"), "are taken here"),
    ],
)
def test_what_is_wrong_is_told(value: dict[str, Any], words: str) -> None:
    with pytest.raises(FormatError, match=words) as caught:
        read(value)
    assert "s3cret" not in caught.value.message


def test_what_is_not_served_is_told_by_name() -> None:
    text = dump_yaml(secret(url="https://h/x", depth="1", passwort="s3cret"))
    (found,) = parse_objects(text, name="")
    assert found.warnings == [
        "data.depth is not served: every commit is fetched",
        "data.passwort is not a known key (did you mean password?)",
    ]
    with pytest.raises(FormatError):
        parse_objects(text, name="", strict=True)


def test_the_same_twice() -> None:
    with pytest.raises(FormatError, match="given twice"):
        read(secret(url="https://git.example.com/x"), secret(url="https://GIT.example.com/x.git"))
    # Another project's is another.
    assert len(read(secret(url="https://h/x"), secret(url="https://h/x", project="team"))) == 2


VALUES = st.dictionaries(
    st.sampled_from(["url", "type", "insecure", "githubAppID", "password", "other"]),
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.lists(st.text(max_size=3), max_size=2),
)


@examples(200)
@given(data=VALUES, plain=VALUES, kind=st.sampled_from(["repository", "repo-creds"]))
def test_whatever_is_in_it(data: dict[str, Any], plain: dict[str, Any], kind: str) -> None:
    value = secret(kind) | {"data": data, "stringData": plain}
    try:
        (found,) = read(value)
    except FormatError:
        return
    assert found.url
