"""The agent's settings: flags, else `ESCADRE_AGENT_*` variables.

Read by argparse and not by the hub's settings library: that one costs 13 MB, a fifth of what an agent may use.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent import __version__
from agent.errors import ConfigError

PIN = re.compile(r"sha256:[0-9a-f]{64}")
LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class AgentConfig:
    hub: str
    """host:port of the hub's HTTPS port."""
    ca_pin: str
    token_file: Path | None
    data_dir: Path
    kubeconfig: Path | None = None
    context: str | None = None
    in_cluster: bool = False
    simulate: bool = False
    gateway: str = ""
    """host:port of the agents' port, where it is not what the hub says at enrolment."""
    log_level: str = "info"
    max_in_flight: int = 16


def read_config(argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> AgentConfig:
    """Read the command line. Raises ConfigError; SystemExit for --help and --version."""
    arguments = _parser(environ).parse_args(argv)
    if not arguments.data_dir:
        raise ConfigError("--data-dir is needed: where the agent keeps its key, its assignments and their manifests")
    data_dir = Path(arguments.data_dir)
    enrolled = (data_dir / "link.json").exists()
    if not enrolled and not (arguments.hub and arguments.ca_pin and arguments.token_file):
        raise ConfigError(
            "this agent is not enrolled yet: give --hub, --ca-pin and --token-file as `escadre cluster add` prints them"
        )
    if arguments.ca_pin and not PIN.fullmatch(arguments.ca_pin):
        raise ConfigError("--ca-pin is sha256: and 64 hexadecimal digits, as `escadre cluster add` prints it")
    if sum((bool(arguments.kubeconfig), arguments.in_cluster, arguments.simulate)) > 1:
        raise ConfigError("--kubeconfig, --in-cluster and --simulate exclude one another")
    return AgentConfig(
        hub=_address(arguments.hub) if arguments.hub else "",
        ca_pin=arguments.ca_pin or "",
        token_file=Path(arguments.token_file) if arguments.token_file else None,
        data_dir=data_dir,
        kubeconfig=Path(arguments.kubeconfig) if arguments.kubeconfig else None,
        context=arguments.context or None,
        in_cluster=arguments.in_cluster,
        simulate=arguments.simulate,
        gateway=_address(arguments.gateway) if arguments.gateway else "",
        log_level=arguments.log_level,
        max_in_flight=arguments.max_in_flight,
    )


def _parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="escadre-agent", description="The agent of one Kubernetes cluster.")
    parser.add_argument("--version", action="version", version=f"escadre-agent {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="connect to the hub and keep the cluster as assigned")

    def option(flag: str, help: str, **more: object) -> None:
        variable = "ESCADRE_AGENT_" + flag.removeprefix("--").upper().replace("-", "_")
        default = environ.get(variable, more.pop("default", None))
        run.add_argument(flag, default=default, help=f"{help} [{variable}]", **more)  # type: ignore[arg-type]

    def switch(flag: str, help: str) -> None:
        variable = "ESCADRE_AGENT_" + flag.removeprefix("--").upper().replace("-", "_")
        on = environ.get(variable, "").lower() in ("1", "true", "yes")
        run.add_argument(flag, action="store_true", default=on, help=f"{help} [{variable}]")

    option("--hub", "host:port of the hub's HTTPS port; needed until enrolled")
    option("--ca-pin", "the hub's authority, sha256:HEX; needed until enrolled")
    option("--token-file", "file with the single-use join token; needed until enrolled")
    option("--data-dir", "directory for key, certificate, assignments and manifests")
    option("--kubeconfig", "file that says how to reach the cluster")
    option("--context", "context of the kubeconfig")
    switch("--in-cluster", "use the pod's service account (the default inside a pod)")
    switch("--simulate", "run a simulated cluster, kept in the data directory")
    option("--gateway", "host:port of the hub's port for agents, where it differs from what the hub says")
    option("--max-in-flight", "requests to the Kubernetes API under way at once", type=int, default=16)
    option("--log-level", "how much to log", choices=LEVELS, default="info")
    return parser


def _address(text: str) -> str:
    host, _, port = text.removeprefix("https://").rstrip("/").rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(f"{text!r} is not an address: give host:port, such as hub.example.com:8443")
    return f"{host}:{port}"
