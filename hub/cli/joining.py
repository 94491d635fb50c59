"""Handing over what an agent joins with: printed, written to a file, or installed into the cluster right away.

The token goes into a file that only its owner can read, or into a Secret, and never onto a command line.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from hub.cli.agent_objects import (
    DEFAULT_IMAGE,
    DEFAULT_NAMESPACE,
    DEFAULT_STORAGE,
    Installation,
    agent_objects,
    in_order,
)
from hub.cli.client import named_path
from hub.cli.config import write_private
from hub.cli.errors import CliError, Misuse, TimedOut, interruptible
from hub.cli.install import Installer, installer, wait_connected
from hub.cli.printer import print_value
from hub.cli.session import Session
from hub.cli.text import clean
from hub.cli.values import DURATION

Join = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Handover:
    """What is to become of a join token."""

    token_file: Path | None
    context: str | None
    """A context of the kubeconfig: install the agent there."""
    kubeconfig: Path | None
    namespace: str
    image: str
    storage: str
    storage_class: str
    wait: bool
    timeout: float


def handover_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of commands that make a join token; `handover_of` reads them."""
    for option in reversed(
        (
            click.option(
                "--token-file", type=click.Path(path_type=Path), help="Write the join token here, for you only to read."
            ),
            click.option("--context", metavar="NAME", help="Install the agent into the cluster of this kube context."),
            click.option(
                "--kubeconfig",
                type=click.Path(path_type=Path),
                help="With --context: the kubeconfig; KUBECONFIG, or ~/.kube/config, else.",
            ),
            click.option(
                "--namespace",
                default=DEFAULT_NAMESPACE,
                show_default=True,
                help="With --context: its namespace.",
            ),
            click.option(
                "--image", default=DEFAULT_IMAGE, show_default=True, help="With --context: the agent's image."
            ),
            click.option(
                "--storage",
                default=DEFAULT_STORAGE,
                show_default=True,
                metavar="SIZE",
                help="With --context: its volume's size; none: what it keeps is lost with its pod, and it has to join "
                "anew then.",
            ),
            click.option("--storage-class", metavar="NAME", help="With --context: the volume's storage class."),
            click.option(
                "--wait/--no-wait", default=True, show_default=True, help="With --context: wait until it is connected."
            ),
            click.option(
                "--timeout",
                type=DURATION,
                default="3m",
                metavar="DURATION",
                help="With --wait: give up after this long, exit 4.  [default: 3m]",
            ),
        )
    ):
        function = option(function)
    return function


def handover_of(options: Mapping[str, Any]) -> Handover:
    """Raises Misuse."""
    if options["context"] and options["token_file"]:
        raise Misuse("--context and --token-file exclude one another: with --context the token becomes a Secret")
    if not options["context"] and (options["kubeconfig"] or options["storage_class"]):
        raise Misuse("--kubeconfig and --storage-class say nothing without --context")
    storage = "" if options["storage"] == "none" else options["storage"]
    return Handover(**{**options, "storage": storage, "storage_class": options["storage_class"] or ""})


@contextmanager
def prepared(handover: Handover) -> Iterator[Installer | None]:
    """Open the cluster to install into before anything is asked of the hub: a token is not made in vain."""
    if handover.context is None:
        yield None
        return
    with installer(handover.context, handover.kubeconfig) as opened:
        yield opened


def hand_over(session: Session, join: Join, handover: Handover, target: Installer | None, output: str) -> None:
    """Do with a token what was asked. Raises Misuse, ClusterFault, TimedOut."""
    if target is not None:
        _install(session, join, handover, target, output)
        return
    token_file = handover.token_file
    if token_file is not None:
        write_private(token_file, f"{join['token']}\n".encode())
        join = {**_without_token(join), "token_file": str(token_file)}
    if output != "table":
        print_value(output, join)
        return
    for line in start_lines(join, token_file):
        click.echo(line)


_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def _install(session: Session, join: Join, handover: Handover, target: Installer, output: str) -> None:
    installation = Installation(
        hub=join["hub"],
        ca_pin=join["ca_pin"],
        token=join["token"],
        namespace=handover.namespace,
        image=handover.image,
        storage=handover.storage,
        storage_class=handover.storage_class,
    )
    name = join["cluster"]
    if join["hub"].rpartition(":")[0] in _LOOPBACK:
        click.echo(
            f"warning: the agent is told to dial {join['hub']}, which in a pod is the pod itself: start the hub with "
            "--address and --agent-address as clusters reach it",
            err=True,
        )
    known = (
        f"cluster {name} is known to the hub; go on with `escadre cluster rotate-token {name} --context "
        f"{handover.context}`"
    )
    applied = []
    with interruptible(f"the agent is installed in part: {known}"):
        for item in in_order(agent_objects(installation)):
            try:
                target.apply(item)
            except CliError as error:
                raise type(error)(f"{error.message}. {known[0].upper()}{known[1:]}") from error
            applied.append({"kind": item["kind"], "name": item["metadata"]["name"]})
            click.echo(f"{item['kind'].lower()}/{item['metadata']['name']} applied", err=True)
    if handover.wait:
        joins = f"the agent of cluster {name} is installed, and connects by itself: see `escadre cluster get {name}`"
        with interruptible(joins):
            _wait(session, name, handover, target)
    if output == "table":
        state = "is connected" if handover.wait else "joins as soon as its pod runs"
        click.echo(f"The agent of cluster {name} is installed in namespace {handover.namespace} and {state}.")
    else:
        print_value(output, {**_without_token(join), "namespace": handover.namespace, "objects": applied})


def _wait(session: Session, name: str, handover: Handover, target: Installer) -> None:
    def liveness() -> str:
        return str(session.api.get(named_path("clusters", name))["liveness"])

    click.echo(f"waiting for the agent of {name} to connect", err=True)
    if not wait_connected(liveness, session.pause, time.monotonic, handover.timeout):
        why = "; ".join(target.troubles(handover.namespace))
        raise TimedOut(f"the agent of {name} has not connected within {handover.timeout:g} s: {clean(why)}")


def start_lines(join: Join, token_file: Path | None) -> Iterable[str]:
    """Return what to do with a token, as commands to copy."""
    name = join["cluster"]
    yield f"Cluster {name} is known. Start its agent where it reaches the cluster:"
    yield ""
    if token_file is None:
        yield f"  (umask 077; cat > {shlex.quote(name + '.token')} <<'END'"
        yield str(join["token"])
        yield "END"
        yield "  )"
    path = str(token_file) if token_file is not None else f"{name}.token"
    yield f"  escadre-agent run --hub {shlex.quote(join['hub'])} --ca-pin {join['ca_pin']} \\"
    yield f"    --token-file {shlex.quote(path)} --data-dir {shlex.quote('./' + name)}"
    yield ""
    yield f"The token is for one use, until {join['expires_at']}; it is not shown again."
    yield f"Or install the agent inside the cluster: escadre cluster rotate-token {name} --context CONTEXT"


def labels_of(texts: Iterable[str]) -> dict[str, str]:
    """Return k=v texts as a mapping. Raises Misuse."""
    labels = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise Misuse(f"{text[:70]!r} is no label: give KEY=VALUE")
        labels[key] = value
    return labels


def _without_token(join: Join) -> dict[str, Any]:
    return {key: value for key, value in join.items() if key != "token"}
