"""What is read from a kubeconfig, and what is said of one that is wrong."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import ConfigError
from agent.kube import kubeconfig
from agent.kube.connection import Connection, ExecPlugin, Impersonation, Pem
from agent.kube.kubeconfig import in_cluster, load_kubeconfig

SECRET = "hunter2-hunter2"


def document(user: dict[str, Any] | None = None, cluster: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "k", "cluster": {"server": "https://host:6443", **(cluster or {})}}],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "team"}}],
        **more,
    }


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def load(directory: Path, user: dict[str, Any] | None = None, cluster: dict[str, Any] | None = None) -> Connection:
    return load_kubeconfig(write(directory / "config", document(user, cluster)))


def test_reads_cluster_user_and_context(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("pem")
    connection = load(
        tmp_path,
        {"token": "t", "username": "", "client-certificate-data": "YQ==", "client-key-data": "Yg=="},
        {
            "certificate-authority": "ca.crt",
            "tls-server-name": "api",
            "proxy-url": "http://p:3128",
            "server": "https://h/x/",
        },
    )
    assert connection == Connection(
        server="https://h/x",
        ca=Pem(tmp_path / "ca.crt"),
        tls_server_name="api",
        proxy_url="http://p:3128",
        client_cert=Pem(data=b"a"),
        client_key=Pem(data=b"b"),
        token="t",
        namespace="team",
    )


def test_one_in_json_is_read_without_a_reader_of_yaml(tmp_path: Path) -> None:
    path = write(tmp_path / "config", json.dumps(document({"token": "t"})))
    script = f"import sys; from agent.kube.kubeconfig import load_kubeconfig as load; print(load({str(path)!r}).server)"
    run = subprocess.run(
        [sys.executable, "-c", f"{script}; sys.exit('yaml' in sys.modules)"], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "https://host:6443"


def test_relative_paths_are_relative_to_their_file(tmp_path: Path) -> None:
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki" / "ca.crt").write_text("pem")
    connection = load(
        tmp_path,
        {"tokenFile": "pki/token", "exec": {"apiVersion": kubeconfig.EXEC_VERSIONS[1], "command": "./bin/login"}},
        {"certificate-authority": "pki/ca.crt"},
    )
    assert connection.ca == Pem(tmp_path / "pki" / "ca.crt")
    assert connection.token_file == tmp_path / "pki" / "token"
    assert connection.plugin is not None
    assert connection.plugin.command == str(tmp_path / "bin" / "login")


def test_a_command_without_a_directory_is_searched_on_the_path(tmp_path: Path) -> None:
    connection = load(tmp_path, {"exec": {"apiVersion": kubeconfig.EXEC_VERSIONS[0], "command": "aws"}})
    assert connection.plugin is not None
    assert connection.plugin.command == "aws"


def test_data_beats_the_file(tmp_path: Path) -> None:
    data = base64.b64encode(b"in place").decode()
    connection = load(tmp_path, None, {"certificate-authority": "missing", "certificate-authority-data": data})
    assert connection.ca == Pem(data=b"in place")


def test_merges_the_files_of_kubeconfig_and_the_first_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = document({"token": "one"}, {"server": "https://one"})
    first["current-context"] = ""
    del first["contexts"]
    second = document({"token": "two"}, {"server": "https://two"})
    files = [write(tmp_path / "1", first), tmp_path / "missing", write(tmp_path / "2", second)]
    monkeypatch.setenv("KUBECONFIG", ":".join(map(str, files)) + ":")
    connection = load_kubeconfig()
    assert (connection.server, connection.token, connection.namespace) == ("https://one", "one", "team")


def test_reads_the_home_directory_without_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".kube").mkdir()
    write(tmp_path / ".kube" / "config", document({"token": "home"}))
    assert load_kubeconfig().token == "home"


def test_a_context_can_be_chosen(tmp_path: Path) -> None:
    content = document()
    content["contexts"].append({"name": "other", "context": {"cluster": "k"}})
    connection = load_kubeconfig(write(tmp_path / "config", content), "other")
    assert (connection.namespace, connection.token) == ("default", "")


def test_reads_an_exec_plugin(tmp_path: Path) -> None:
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "login",
        "args": ["--now", "two\nlines"],
        "env": [{"name": "A", "value": "b"}],
        "installHint": "install\nit",
        "provideClusterInfo": True,
        "interactiveMode": "IfAvailable",
    }
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}}
    data = base64.b64encode(b"pem").decode()
    connection = load(
        tmp_path,
        {"exec": plugin},
        {"certificate-authority-data": data, "extensions": [extension], "tls-server-name": "n"},
    )
    assert connection.plugin == ExecPlugin(
        api_version="client.authentication.k8s.io/v1",
        command="login",
        args=("--now", "two\nlines"),
        env=(("A", "b"),),
        install_hint="install\nit",
        cluster_info={
            "server": "https://host:6443",
            "tls-server-name": "n",
            "certificate-authority-data": data,
            "config": {"audience": "x"},
        },
    )


def test_reads_impersonation(tmp_path: Path) -> None:
    user = {"token": "t", "as": "jane", "as-uid": "7", "as-groups": ["a", "b"], "as-user-extra": {"scopes": ["x", "y"]}}
    assert load(tmp_path, user).impersonate == Impersonation(
        "jane", "7", ("a", "b"), (("scopes", "x"), ("scopes", "y"))
    )


@pytest.mark.parametrize(
    ("user", "cluster", "says"),
    [
        ({"auth-provider": {"name": "gcp"}}, {}, ("users[0].user.auth-provider", "exec plugin")),
        ({"token": 12345}, {}, ("users[0].user.token", "quotes")),
        ({"token": "two words"}, {}, ("users[0].user.token",)),
        ({"token": "naïve"}, {}, ("users[0].user.token",)),
        ({"username": "a\r\nX-Evil: 1"}, {}, ("users[0].user.username", "line ends")),
        ({"as": "a\nImpersonate-Group: system:masters"}, {}, ("users[0].user.as",)),
        ({"as": "a", "as-groups": ["b\nc"]}, {}, ("users[0].user.as-groups",)),
        ({"as-groups": ["b"]}, {}, ("users[0].user.as", "need a user")),
        ({"as-groups": "b"}, {}, ("users[0].user.as-groups", "list")),
        ({"client-certificate-data": "YQ=="}, {}, ("users[0].user.client-key",)),
        ({"client-key-data": "YQ=="}, {}, ("users[0].user.client-certificate",)),
        ({"client-certificate-data": "*", "client-key-data": "YQ=="}, {}, ("client-certificate-data", "base64")),
        ({"client-certificate": "nowhere", "client-key-data": "YQ=="}, {}, ("client-certificate", "does not exist")),
        ({"exec": "aws"}, {}, ("users[0].user.exec", "mapping")),
        ({"exec": {"command": "x"}}, {}, ("users[0].user.exec.apiVersion", "missing")),
        ({"exec": {"command": "x", "apiVersion": "client.authentication.k8s.io/v1alpha1"}}, {}, ("exec.apiVersion",)),
        ({"exec": {"apiVersion": kubeconfig.EXEC_VERSIONS[0]}}, {}, ("exec.command", "missing")),
        (
            {"exec": {"apiVersion": kubeconfig.EXEC_VERSIONS[0], "command": "x", "interactiveMode": "Always"}},
            {},
            ("exec.interactiveMode", "terminal"),
        ),
        (
            {"exec": {"apiVersion": kubeconfig.EXEC_VERSIONS[0], "command": "x", "env": [{"value": "v"}]}},
            {},
            ("exec.env[0].name", "missing"),
        ),
        ({}, {"server": ""}, ("clusters[0].cluster.server", "missing")),
        ({}, {"server": "host:6443"}, ("clusters[0].cluster.server", "https://")),
        ({}, {"server": "https://host:port"}, ("clusters[0].cluster.server", "URL")),
        ({}, {"server": "https://u:hunter2-hunter2@host"}, ("clusters[0].cluster.server", "credentials")),
        ({}, {"server": "http://10.0.0.1:8080"}, ("clusters[0].cluster.server", "https")),
        ({}, {"proxy-url": "socks5://p:1"}, ("clusters[0].cluster.proxy-url", "SOCKS")),
        ({}, {"insecure-skip-tls-verify": "yes"}, ("insecure-skip-tls-verify", "true or false")),
        (
            {},
            {"insecure-skip-tls-verify": True, "certificate-authority-data": "YQ=="},
            ("insecure-skip-tls-verify", "certificate-authority"),
        ),
    ],
)
def test_names_the_file_and_the_field(
    tmp_path: Path, user: dict[str, Any], cluster: dict[str, Any], says: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, user, cluster)
    assert str(tmp_path / "config") in str(caught.value)
    assert all(word in str(caught.value) for word in says), caught.value
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a: [1\nb: }", (":2",)),
        ("- a\n", ("mapping",)),
        ("", ("current-context",)),
        ("current-context: c", ("contexts has no entry 'c'", "none")),
        ("clusters: {}", ("clusters", "list")),
        ("clusters: [a]", ("clusters[0]", "mapping")),
        ("clusters: [{}]", ("clusters[0].name", "missing")),
        ("{? [a] : b}", ()),
        ("a: !!python/object:os.system {}", ()),
        ("&a [*a]", ("mapping",)),
        ("[" * 100_000, ("deeper",)),
        ("\x00", ()),
        (document() | {"contexts": [{"name": "c", "context": {"cluster": "x"}}]}, ("clusters has no entry 'x'", "k")),
        (document() | {"contexts": [{"name": "c", "context": {}}]}, ("contexts[0].context.cluster",)),
        (document() | {"contexts": [{"name": "c", "context": {"cluster": "k", "user": "x"}}]}, ("users has no entry",)),
    ],
)
def test_refuses_a_malformed_file(tmp_path: Path, content: Any, says: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_kubeconfig(write(tmp_path / "config", content))
    assert str(tmp_path / "config") in str(caught.value)
    assert all(word in str(caught.value) for word in says), caught.value


def test_refuses_a_file_that_is_missing_too_large_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_kubeconfig(tmp_path / "nowhere")
    (tmp_path / "large").write_bytes(b"#" * (kubeconfig._MAX_FILE + 1))
    with pytest.raises(ConfigError, match="larger than 4 MB"):
        load_kubeconfig(tmp_path / "large")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_kubeconfig(tmp_path / "binary")


def test_kubeconfig_without_an_existing_file_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere/a:/nowhere/b")
    with pytest.raises(ConfigError, match="/nowhere/a, /nowhere/b"):
        load_kubeconfig()


def test_http_is_for_a_proxy_on_this_machine(tmp_path: Path) -> None:
    assert load(tmp_path, None, {"server": "http://localhost:8001"}).server == "http://localhost:8001"


def test_repr_hides_every_credential(tmp_path: Path) -> None:
    secret = base64.b64encode(SECRET.encode()).decode()
    connection = load(
        tmp_path,
        {
            "token": SECRET,
            "username": SECRET,
            "password": SECRET,
            "client-certificate-data": secret,
            "client-key-data": secret,
            "exec": {
                "apiVersion": kubeconfig.EXEC_VERSIONS[0],
                "command": "x",
                "args": [SECRET],
                "env": [{"name": "A", "value": SECRET}],
            },
        },
        {"proxy-url": f"http://u:{SECRET}@proxy"},
    )
    assert SECRET in connection.proxy_url
    assert SECRET not in repr(connection)


@given(st.text(max_size=200))
def test_any_text_is_a_config_or_a_config_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigError):
        load_kubeconfig(path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
USER_FIELDS = st.sampled_from(
    ["token", "tokenFile", "username", "exec", "as", "as-groups", "as-user-extra", "client-key", "client-key-data"]
)
CLUSTER_FIELDS = st.sampled_from(["server", "certificate-authority", "proxy-url", "extensions", "tls-server-name"])


@given(
    st.dictionaries(USER_FIELDS, json_values, max_size=4),
    st.dictionaries(CLUSTER_FIELDS, json_values, max_size=4),
)
def test_any_value_of_a_field_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, user: dict[str, Any], cluster: dict[str, Any]
) -> None:
    path = write(tmp_path_factory.getbasetemp() / "fuzzed-fields", document(user, cluster))
    try:
        assert isinstance(load_kubeconfig(path), Connection)
    except ConfigError as error:
        assert str(path) in str(error)


def pod(directory: Path) -> dict[str, str]:
    for name, text in (("token", "t"), ("ca.crt", "pem"), ("namespace", "escadre\n")):
        (directory / name).write_text(text)
    return {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def test_in_cluster_reads_the_service_account(tmp_path: Path) -> None:
    connection = in_cluster(pod(tmp_path), tmp_path)
    assert connection == Connection(
        "https://10.96.0.1:443", ca=Pem(tmp_path / "ca.crt"), token_file=tmp_path / "token", namespace="escadre"
    )


def test_in_cluster_brackets_an_ipv6_address(tmp_path: Path) -> None:
    environ = pod(tmp_path) | {"KUBERNETES_SERVICE_HOST": "fd00::1"}
    assert in_cluster(environ, tmp_path).server == "https://[fd00::1]:443"


def test_in_cluster_outside_a_pod_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="kubeconfig instead"):
        in_cluster({}, tmp_path)
    with pytest.raises(ConfigError, match="automountServiceAccountToken"):
        in_cluster({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, tmp_path)
