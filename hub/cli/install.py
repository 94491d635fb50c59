"""Installing an agent into a cluster of the user's kubeconfig: the objects of `hub.cli.agent_objects`, applied."""

from __future__ import annotations

import importlib
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from hub.cli.agent_objects import NAME, Object
from hub.cli.errors import CliError, HubAway, Misuse

FIELD_MANAGER = "escadre"
_SECONDS = 30
_MOST_PODS = 10


class ClusterFault(CliError):
    """The cluster to install into refused, or did not answer."""


class Installer:
    """Applies objects to one cluster."""

    def __init__(self, client: Any, name: str) -> None:
        """`client`: the kubernetes package's dynamic client."""
        self._client = client
        self._name = name

    def apply(self, item: Object) -> None:
        """Create an object or bring it to what it is to be. Raises ClusterFault."""
        metadata = item["metadata"]
        with self._told(f"{item['kind']} {metadata['name']}"):
            resource = self._client.resources.get(api_version=item["apiVersion"], kind=item["kind"])
            self._client.server_side_apply(
                resource,
                body=item,
                name=metadata["name"],
                namespace=metadata.get("namespace"),
                field_manager=FIELD_MANAGER,
                force_conflicts=True,
                _request_timeout=_SECONDS,
            )

    def troubles(self, namespace: str) -> list[str]:
        """Return why the agent's pods are not running, in words. Raises ClusterFault."""
        with self._told("its pods"):
            resource = self._client.resources.get(api_version="v1", kind="Pod")
            selector = f"app.kubernetes.io/name={NAME}"
            found = self._client.get(
                resource, namespace=namespace, label_selector=selector, limit=_MOST_PODS, _request_timeout=_SECONDS
            )
            pods: list[Object] = found.to_dict()["items"]
        return pod_troubles(pods)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Turn the client's exceptions into ours. They may hold whole replies, so only a message is taken over."""
        import urllib3
        from kubernetes.client.exceptions import ApiException
        from kubernetes.dynamic.exceptions import ResourceNotFoundError

        try:
            yield
        except ApiException as error:
            raise ClusterFault(f"{self._name} refused {what}: {_message(error)}") from error
        except ResourceNotFoundError as error:
            raise ClusterFault(f"{self._name} does not know the kind of {what}") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ClusterFault(f"{self._name} cannot be reached for {what}: {_reason(error)}") from error


@contextmanager
def installer(context: str, kubeconfig: Path | None) -> Iterator[Installer]:
    """Open a cluster of the kubeconfig. Raises Misuse when there is no such context, ClusterFault."""
    import urllib3
    import yaml
    from kubernetes.client.exceptions import ApiException

    # Untyped, and slow to import.
    config: Any = importlib.import_module("kubernetes.config")
    dynamic: Any = importlib.import_module("kubernetes.dynamic")
    # Its warnings of each retry would stand between our lines.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    try:
        client = config.new_client_from_config(
            config_file=str(kubeconfig) if kubeconfig else None, context=context, persist_config=False
        )
    except (config.ConfigException, yaml.YAMLError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        # The loader trusts the file to be well-formed.
        raise Misuse(f"the kubeconfig has no usable context {context!r}: {' '.join(str(error).split())}") from error
    client.configuration.retries = 1
    with client, tempfile.TemporaryDirectory() as directory:
        try:
            # A cache of its own: the default one lies where others can write.
            opened = dynamic.DynamicClient(client, cache_file=str(Path(directory) / "discovery.json"))
        except ApiException as error:
            raise ClusterFault(f"cluster {context} refused: {_message(error)}") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ClusterFault(f"cluster {context} cannot be reached: {_reason(error)}") from error
        yield Installer(opened, f"cluster {context}")


def pod_troubles(pods: Sequence[Object]) -> list[str]:
    """Return what keeps pods from running. Pure."""
    if not pods:
        return ["its Deployment has made no pod yet"]
    troubles = []
    for pod in pods:
        status, name = pod.get("status") or {}, pod["metadata"]["name"]
        for condition in status.get("conditions") or []:
            if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
                troubles += [f"pod {name} has no node: {condition.get('message', '')}"]
        for container in status.get("containerStatuses") or []:
            state = container.get("state") or {}
            waiting = state.get("waiting") or state.get("terminated")
            if waiting:
                told = ": ".join(filter(None, (waiting.get("reason"), waiting.get("message"))))
                troubles.append(f"pod {name}: {told}")
    return troubles or ["its pod runs; see its log"]


def wait_connected(
    liveness: Callable[[], str], pause: Callable[[float], None], clock: Callable[[], float], timeout: float
) -> bool:
    """Return whether the cluster's agent has connected in time. Raises CliError."""
    deadline = clock() + timeout
    while True:
        try:
            if liveness() == "Connected":
                return True
        except HubAway:
            if clock() >= deadline:
                raise
        if clock() >= deadline:
            return False
        pause(1.0)


def _message(error: Any) -> str:
    """Return the API server's own words of an ApiException."""
    try:
        message = str(orjson.loads(error.body)["message"])
    except (ValueError, KeyError, TypeError):
        message = str(error.reason or error.status)
    return " ".join(message.split())[:500]


def _reason(error: BaseException) -> str:
    inner = getattr(error, "reason", None) or error
    return " ".join(str(inner).split())[:300]
