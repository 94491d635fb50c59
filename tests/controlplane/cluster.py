"""One Kubernetes control plane, run as plain processes on loopback.

    with ControlPlane.start(tmp_path, workloads=True) as plane:
        plane.apply("/api/v1/namespaces/default/configmaps/c", {...})

Each plane is a cluster of its own. A bench that wants many can give them one etcd: start the first, then the others
with ``etcd=first.etcd_url`` and an ``etcd_prefix`` of their own.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from tests.controlplane import workloads as parts
from tests.controlplane.access import ADMIN, ApiError, ClusterAccess, User
from tests.controlplane.build import binary
from tests.controlplane.pki import Pki, make_pki
from tests.controlplane.process import Process, StartError, free_port

ETCD_LIMIT = 20.0
APISERVER_LIMIT = 60.0
ISSUER = "https://kubernetes.default.svc"

VIEWERS = "test:viewers"
USERS = (User("viewer", (VIEWERS,)), User("agent"), User("nobody"))
"""Known to every plane beside the administrator: one that may read, and two that RBAC grants nothing as yet."""


class ControlPlane(ClusterAccess):
    """A cluster, and the processes it consists of. Ends with :meth:`stop`, or with the process that started it."""

    def __init__(self, directory: Path, users: Sequence[User], etcd: str | None, etcd_prefix: str) -> None:
        directory = directory.absolute()
        self.port = free_port()
        everybody = (User(ADMIN, ("system:masters",)), *users)
        super().__init__(
            directory, f"https://127.0.0.1:{self.port}", {u.name: secrets.token_hex(16) for u in everybody}
        )
        directory.mkdir(parents=True, exist_ok=True)
        self.pki: Pki = make_pki(directory / "pki")
        self.etcd_prefix = etcd_prefix
        self._foreign_etcd = etcd is not None
        self.etcd_url = etcd or f"http://127.0.0.1:{free_port()}"
        self._apiserver: Process | None = None
        self._others: list[Process] = []
        self._audited = ""
        self._write_tokens(everybody)

    @classmethod
    def start(
        cls,
        directory: Path,
        *,
        workloads: bool = False,
        controllers: bool = False,
        users: Sequence[User] = USERS,
        etcd: str | None = None,
        etcd_prefix: str = "/registry",
        audited: str = "",
    ) -> Self:
        """Start one, and return when it is ready.

        ``controllers``: namespaces are deleted for real, owned objects collected, service accounts made.
        ``workloads``: that, and Deployments roll out, Jobs complete, pods become Ready (see ``stages``).
        ``etcd``: the address of an etcd to share with other planes.
        ``audited``: the name of a user whose requests :attr:`audit_log` is to hold, one JSON line each.
        """
        plane = cls(directory, users, etcd, etcd_prefix)
        plane._audited = audited
        try:
            plane._start(workloads=workloads, controllers=controllers)
        except BaseException:
            plane.stop(keep_data=True)
            raise
        return plane

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by name, of those that run."""
        return {process.name: process.pid for process in self._processes() if process.running}

    def stop(self, *, keep_data: bool = False) -> None:
        """End every process. etcd's files go too, they are large; logs stay."""
        for process in self._processes():
            process.kill()
        if not keep_data:
            shutil.rmtree(self._etcd_data, ignore_errors=True)

    def kill_apiserver(self) -> None:
        """As a crash would: connections are cut, nothing is said."""
        if self._apiserver is not None:
            self._apiserver.kill()

    def restart_apiserver(self) -> None:
        """The same cluster again, at the same address."""
        self.kill_apiserver()
        self._start_apiserver()

    @property
    def audit_log(self) -> Path:
        return self.directory / "audit.log"

    @property
    def _etcd_data(self) -> Path:
        return self.directory / "etcd"

    def _processes(self) -> list[Process]:
        # Clients before servers, so that none fills its log with complaints.
        servers = [process for process in self._others if process.name == "etcd"]
        clients = [process for process in self._others if process.name != "etcd"]
        return [*clients, *([self._apiserver] if self._apiserver else []), *servers]

    def _start(self, *, workloads: bool, controllers: bool) -> None:
        if not self._foreign_etcd:
            self._start_etcd()
        self._start_apiserver()
        self._let_viewers_read()
        if controllers or workloads:
            self._start_others(workloads)
        for process in self._processes():
            if not process.running:
                raise StartError(f"{process.name} ended while the control plane was starting.\n{process.tail()}")
        self.save()  # last: whoever finds it may use the plane

    def _start_others(self, workloads: bool) -> None:
        manager = parts.start_controllers(self, self.pki, workloads=workloads)
        self._others.append(manager)
        if workloads:
            self._others.append(parts.start_scheduler(self))
            kwok = parts.start_kwok(self, self.pki)
            self._others.append(kwok)
            parts.add_node(self, kwok)
        parts.wait_for_controllers(self, manager)

    def _start_etcd(self) -> None:
        peer = f"http://127.0.0.1:{free_port()}"
        command = [
            str(binary("etcd")),
            "--name=test",
            f"--data-dir={self._etcd_data}",
            f"--listen-client-urls={self.etcd_url}",
            f"--advertise-client-urls={self.etcd_url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=test={peer}",
            # Data that a test makes need not survive a power cut.
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]
        etcd = Process("etcd", command, self.directory)
        self._others.append(etcd)
        etcd.wait_until(self._etcd_answers, "it was healthy", ETCD_LIMIT)

    def _start_apiserver(self) -> None:
        # A new process over the old data: workloads' processes reconnect by themselves.
        self._apiserver = Process("kube-apiserver", self._apiserver_command(), self.directory)
        self._apiserver.wait_until(self._apiserver_answers, "it was ready", APISERVER_LIMIT)

    def _apiserver_command(self) -> list[str]:
        return [
            str(binary("kube-apiserver")),
            f"--etcd-servers={self.etcd_url}",
            f"--etcd-prefix={self.etcd_prefix}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--tls-cert-file={self.pki.certificate}",
            f"--tls-private-key-file={self.pki.key}",
            f"--cert-dir={self.directory / 'apiserver'}",
            f"--token-auth-file={self._token_file}",
            "--authorization-mode=RBAC",
            f"--service-account-issuer={ISSUER}",
            f"--service-account-key-file={self.pki.service_account_key}",
            f"--service-account-signing-key-file={self.pki.service_account_key}",
            f"--kubelet-certificate-authority={self.pki.ca}",
            "--kubelet-preferred-address-types=InternalIP",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--endpoint-reconciler-type=none",
            # Pods may come before their service account; and no node controller would lift a new node's taint.
            "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
            "--allow-privileged=true",
            "--profiling=false",
            *(self._audit_options() if self._audited else ()),
        ]

    def _audit_options(self) -> list[str]:
        rules = [{"level": "Metadata", "users": [self._audited]}, {"level": "None"}]
        policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": rules}
        file = self.directory / "audit-policy.json"
        file.write_text(json.dumps(policy))
        return [f"--audit-policy-file={file}", f"--audit-log-path={self.audit_log}"]

    def _etcd_answers(self) -> bool:
        return _answers(lambda: urllib.request.urlopen(f"{self.etcd_url}/health", timeout=2).close())

    def _apiserver_answers(self) -> bool:
        # The default namespace is made a moment after the server calls itself ready.
        def ask() -> None:
            self.request("GET", "/readyz", timeout=5)
            self.request("GET", "/api/v1/namespaces/default", timeout=5)

        return _answers(ask)

    @property
    def _token_file(self) -> Path:
        return self.directory / "tokens.csv"

    def _write_tokens(self, users: Sequence[User]) -> None:
        lines = [f'{self.tokens[user.name]},{user.name},{user.name},"{",".join(user.groups)}"\n' for user in users]
        self._token_file.write_text("".join(lines))
        self._token_file.chmod(0o600)

    def _let_viewers_read(self) -> None:
        # Not the role "view": its rules are filled in by a controller that not every plane has.
        group = "rbac.authorization.k8s.io"
        binding = {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": VIEWERS},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "system:aggregate-to-view"},
            "subjects": [{"apiGroup": group, "kind": "Group", "name": VIEWERS}],
        }
        self.apply(f"/apis/{group}/v1/clusterrolebindings/{VIEWERS}", binding)


def _answers(ask: Callable[[], None]) -> bool:
    with contextlib.suppress(urllib.error.URLError, OSError, ApiError):
        ask()
        return True
    return False
