"""The stage: the hub, the agents and the repository, put up for the demonstration and taken down after it."""

from __future__ import annotations

import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from agent.errors import ConfigError
from agent.kube.errors import KubeError
from demo.command import Escadre
from demo.console import StepFailed
from demo.hands import Hands, RealHands, SimulatedHands
from demo.processes import Program, free_port, module
from demo.repository import NAMESPACE, Repository

POLL_SECONDS = "3600"
NAMESPACE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    name: str
    labels: dict[str, str]
    context: str = ""


SIMULATED = (
    ClusterPlan("paris", {"demo": "true", "region": "eu", "tier": "production"}),
    ClusterPlan("oslo", {"demo": "true", "region": "eu", "tier": "staging"}),
    ClusterPlan("tokyo", {"demo": "true", "region": "asia", "tier": "production"}),
)


@dataclass(frozen=True, slots=True)
class ClusterOnStage:
    plan: ClusterPlan
    agent: Program
    hands: Hands


class Stage:
    """Use as a context manager: leaving it ends every process and removes every file."""

    def __init__(self, contexts: list[str], kubeconfig: Path | None, tell: Callable[[str], None]) -> None:
        """`tell`: what is said of things that could not be taken away again."""
        self._tell = tell
        self.root = Path(tempfile.mkdtemp(prefix="escadre-demo-"))
        self.port, self.agent_port = free_port(), free_port()
        self.address = f"localhost:{self.port}"
        self.password_file = self.root / "admin-password"
        self.config = self.root / "escadre.json"
        self.escadre = Escadre(self.config)
        self.repository = Repository(self.root)
        self.clusters: dict[str, ClusterOnStage] = {}
        self.kubeconfig = kubeconfig
        self.plans = real_plans(contexts) or list(SIMULATED)
        self._to_clear: dict[str, RealHands] = {}
        self.hub = Program("the hub", self._hub_words(), self.root / "hub.log")

    def _hub_words(self) -> list[str]:
        settings = {
            "data-dir": self.root / "hub",
            "host": "127.0.0.1",
            "port": self.port,
            "agent-port": self.agent_port,
            "address": self.address,
            "agent-address": f"localhost:{self.agent_port}",
            "initial-password-file": self.password_file,
            "allow-file-repositories": self.root,
            "poll-seconds": POLL_SECONDS,
            "heartbeat-seconds": 2,
            "drain-seconds": 2,
        }
        words = module("hub", "serve")
        for name, value in settings.items():
            words += [f"--{name}", str(value)]
        return words

    def reach_clusters(self) -> None:
        """See that real clusters are there, and take away what an earlier demonstration left. Raises StepFailed."""
        for plan in self.plans:
            if not plan.context:
                continue
            hands = RealHands(self.kubeconfig, plan.context)
            try:
                gone = hands.remove_namespace(NAMESPACE, seconds=NAMESPACE_SECONDS)
            except (ConfigError, KubeError) as error:
                raise StepFailed(f"context {plan.context}: {error}") from error
            if not gone:
                raise StepFailed(f"context {plan.context}: the namespace {NAMESPACE} of an earlier demonstration stays")
            self._to_clear[plan.context] = hands

    def clear_clusters(self) -> list[str]:
        """Take away what the demonstration put on real clusters; returns what could not be, in words."""
        problems = []
        for context, hands in self._to_clear.items():
            try:
                hands.remove_namespace(NAMESPACE)
            except (ConfigError, KubeError) as error:
                problems.append(f"the namespace {NAMESPACE} stays on {context}: {error}")
        return problems

    def add_agent(self, plan: ClusterPlan, *, hub: str, ca_pin: str, token_file: Path) -> None:
        """Start a cluster's agent, as the command that `escadre cluster add` printed says."""
        data_dir = self.root / "agents" / plan.name
        words = module("agent", "run", "--hub", hub, "--ca-pin", ca_pin)
        words += ["--token-file", str(token_file), "--data-dir", str(data_dir)]
        hands: Hands
        if plan.context:
            words += ["--context", plan.context]
            words += ["--kubeconfig", str(self.kubeconfig)] if self.kubeconfig else []
            hands = RealHands(self.kubeconfig, plan.context)
        else:
            words.append("--simulate")
            hands = SimulatedHands(data_dir)
        agent = Program(f"the agent of {plan.name}", words, self.root / f"agent-{plan.name}.log")
        agent.start()
        self.clusters[plan.name] = ClusterOnStage(plan, agent, hands)

    def hub_is_ready(self) -> bool:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            with urllib.request.urlopen(f"https://{self.address}/readyz", timeout=2, context=context) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def check(self) -> None:
        """Raises StepFailed when a process has ended by itself."""
        for cluster in self.clusters.values():
            cluster.agent.check()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A second Ctrl-C would leave the rest of it running.
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        for cluster in self.clusters.values():
            cluster.agent.stop()
        self.hub.stop()
        # After the agents, who would heal it.
        for problem in self.clear_clusters():
            self._tell(problem)
        shutil.rmtree(self.root, ignore_errors=True)
        signal.signal(signal.SIGINT, handler)


def real_plans(contexts: list[str]) -> list[ClusterPlan]:
    """Plan for the clusters of these contexts. Their names may be anything; those of clusters are as DNS wants them."""
    plans: dict[str, ClusterPlan] = {}
    for context in dict.fromkeys(contexts):
        plain = re.sub(r"[^a-z0-9]+", "-", context.lower()).strip("-")[-50:].strip("-") or "cluster"
        candidates = (plain, *(f"{plain}-{number}" for number in range(2, len(contexts) + 2)))
        name = next(name for name in candidates if name not in plans)
        plans[name] = ClusterPlan(name, {"demo": "true", "region": "eu" if len(plans) < 2 else "asia"}, context)
    return list(plans.values())


def kustomize_is_here() -> bool:
    """Whether the hub will find something to run kustomize with."""
    if shutil.which("kustomize"):
        return True
    kubectl = shutil.which("kubectl")
    return bool(kubectl) and subprocess.run([str(kubectl), "kustomize", "--help"], capture_output=True).returncode == 0
