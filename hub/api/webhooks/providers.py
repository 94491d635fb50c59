"""Who sends events, how theirs are known, and where in them the repository stands. Pure tables and readers.

Nothing else of an event counts: not its branch, for a push to one that nobody reads costs one question to the server,
and a wrong one would cost a deployment; nor its commits, for what changed is found in Git.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hub.api.webhooks.proof import Basic, Bearer, Hook, Proof, Shown, Signature
from hub.api.webhooks.skim import TEXT, Wanted
from hub.domain import webhook_secrets as keys
from hub.domain.repo_name import repo_name

Kind = Literal["push", "ping", "other"]
MOST_NAMES = 20
"""Of one event; Git servers send about one repository at a time, registries a few."""

Headers = Mapping[str, str]
Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Provider:
    name: str
    proofs: tuple[Proof, ...]
    """All of those that are set have to be shown."""
    kind: Callable[[Headers], Kind]
    wanted: Mapping[str, Wanted]
    addresses: Callable[[Payload], Iterable[str] | None]
    """None: the payload is of an event that means nothing here."""


def provider_of(headers: Headers, query: Mapping[str, str]) -> Provider | None:
    """Say whose event it is: by the address it came to, else by its headers, some of which others have, too."""
    if "provider" in query:
        return PROVIDERS.get(query["provider"])
    if headers.get("content-type", "").partition(";")[0].strip().lower() in _EVENTS:
        return DISTRIBUTION
    return next((provider for header, provider in _HEADERS if header in headers), None)


def names_of(provider: Provider, payload: Payload) -> list[str] | None:
    """Return what the repositories of an event are called, see `repo_name`; None for an event that is no push."""
    addresses = provider.addresses(payload)
    if addresses is None:
        return None
    names = dict.fromkeys(name for address in addresses if (name := repo_name(address)))
    return list(names)[:MOST_NAMES]


# --- Git servers

_URLS = dict.fromkeys(("clone_url", "ssh_url", "git_url", "html_url", "url"), TEXT)
_PACKAGE = {"package_version": {"package_url": TEXT}}
_GITLAB_URLS = dict.fromkeys(("git_http_url", "git_ssh_url", "web_url", "http_url", "ssh_url", "homepage", "url"), TEXT)
_GITLAB_PUSHES = frozenset({"push", "tag_push", "repository_update"})
_LINKS = {"links": {"clone": [{"href": TEXT}], "self": [{"href": TEXT}]}}


def _github_kind(headers: Headers) -> Kind:
    event = headers.get("x-github-event", "")
    if event == "ping":
        return "ping"
    return "push" if event in ("push", "create", "delete", "package", "registry_package") else "other"


def _github(payload: Payload) -> Iterable[str]:
    for key in ("package", "registry_package"):
        if key in payload:
            # Of the container registry; packages of other kinds are nothing that is deployed.
            image = payload[key].get("package_version", {}).get("package_url", "")
            return _artifact(image) if "." in image.partition("/")[0] else ()
    return _texts(payload.get("repository", {}))


def _gitlab_kind(headers: Headers) -> Kind:
    return "push" if headers.get("x-gitlab-event") in ("Push Hook", "Tag Push Hook", "System Hook") else "other"


def _gitlab(payload: Payload) -> Iterable[str] | None:
    # A system hook may be about anything.
    if payload.get("event_name", payload.get("object_kind")) not in _GITLAB_PUSHES:
        return None
    return [*_texts(payload.get("project", {})), *_texts(payload.get("repository", {}))]


def _bitbucket_kind(headers: Headers) -> Kind:
    return "push" if headers.get("x-event-key") == "repo:push" else "other"


def _bitbucket(payload: Payload) -> Iterable[str]:
    repository = payload.get("repository", {})
    yield from _texts(repository.get("links", {}))
    if "full_name" in repository:
        yield f"https://bitbucket.org/{repository['full_name']}"


def _bitbucket_server_kind(headers: Headers) -> Kind:
    match headers.get("x-event-key"):
        case "diagnostics:ping":
            return "ping"
        case "repo:refs_changed" | "mirror:repo_synchronized":
            return "push"
    return "other"


def _bitbucket_server(payload: Payload) -> Iterator[str]:
    repository = payload.get("repository", {})
    links = repository.get("links", {})
    yield from _texts(links.get("clone", []))
    for page in _texts(links.get("self", [])):
        # Older ones do not say how to clone. A page is at …/projects/KEY/repos/SLUG/browse, or at …/users/NAME/repos/….
        found = re.fullmatch(r"(.*)/(?:projects|(users))/([^/]+)/repos/([^/]+)(?:/browse)?/?", page)
        if found:
            yield f"{found[1]}/{'~' if found[2] else ''}{found[3]}/{found[4]}"


def _gogs_kind(headers: Headers) -> Kind:
    event = next((headers[name] for name in ("x-gitea-event", "x-gogs-event") if name in headers), "")
    return "push" if event in ("push", "create", "delete") else "other"


def _azure(payload: Payload) -> Iterable[str] | None:
    if payload.get("eventType") != "git.push":
        return None
    return _texts(payload.get("resource", {}).get("repository", {}))


# --- registries

_EVENTS = tuple(f"application/vnd.docker.distribution.events.v{version}+json" for version in (1, 2))
_RESOURCES = {"resources": [{"resource_url": TEXT}]}
_HARBOR_PUSHES = frozenset({"PUSH_ARTIFACT", "harbor.artifact.pushed", "pushImage", "UPLOAD_CHART"})


def _docker_hub(payload: Payload) -> Iterable[str]:
    return _artifact(f"docker.io/{payload.get('repository', {}).get('repo_name', '')}")


def _harbor(payload: Payload) -> Iterable[str] | None:
    if payload.get("type") not in _HARBOR_PUSHES:
        return None
    said = payload.get("event_data", payload.get("data", {})).get("resources", [])
    return [address for resource in said for address in _artifact(resource.get("resource_url", ""))]


def _distribution(payload: Payload) -> Iterable[str] | None:
    pushed = [event for event in payload.get("events", []) if event.get("action") == "push"]
    if not pushed and "events" in payload:
        return None
    return [
        address
        for event in pushed
        for address in _artifact(
            f"{event.get('request', {}).get('host', '')}/{event.get('target', {}).get('repository', '')}"
        )
    ]


def _artifact(address: str) -> tuple[str, ...]:
    """Return the addresses that may be read for the sake of an artifact: its own, and that of the folder it is in,
    where charts are named by folder and chart."""
    bare = re.sub(r":[^/:]*$", "", address.partition("@")[0].removeprefix("https://").removeprefix("oci://"))
    host, slash, path = bare.partition("/")
    if not host or not slash or not path:
        return ()
    folder = bare.rpartition("/")[0]
    return tuple(f"oci://{each}" for each in ((bare, folder) if folder != host else (bare,)))


def _texts(value: Any) -> list[str]:
    """Return every text in it."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, Mapping) else value
    return [text for item in inner for text in _texts(item)]


def _always(kind: Kind) -> Callable[[Headers], Kind]:
    return lambda headers: kind


_BEARER = Bearer(keys.REGISTRY)

GITHUB = Provider(
    "github",
    (Signature(keys.GITHUB, ("x-hub-signature-256",)),),
    _github_kind,
    {"repository": _URLS, "package": _PACKAGE, "registry_package": _PACKAGE},
    _github,
)
GITLAB = Provider(
    "gitlab",
    (Shown(keys.GITLAB, "x-gitlab-token"),),
    _gitlab_kind,
    {"object_kind": TEXT, "event_name": TEXT, "project": _GITLAB_URLS, "repository": _GITLAB_URLS},
    _gitlab,
)
BITBUCKET = Provider(
    "bitbucket",
    (Signature(keys.BITBUCKET, ("x-hub-signature",)), Hook(keys.BITBUCKET_UUID, "x-hook-uuid")),
    _bitbucket_kind,
    {"repository": {"full_name": TEXT, "links": {"html": {"href": TEXT}}}},
    _bitbucket,
)
BITBUCKET_SERVER = Provider(
    "bitbucketserver",
    (Signature(keys.BITBUCKET_SERVER, ("x-hub-signature",)),),
    _bitbucket_server_kind,
    {"repository": _LINKS},
    _bitbucket_server,
)
GOGS = Provider(
    "gogs",
    (Signature(keys.GOGS, ("x-gitea-signature", "x-gogs-signature")),),
    _gogs_kind,
    {"repository": _URLS},
    lambda payload: _texts(payload.get("repository", {})),
)
AZURE = Provider(
    "azuredevops",
    (Basic(keys.AZURE_USER, keys.AZURE_PASSWORD),),
    _always("push"),
    {"eventType": TEXT, "resource": {"repository": {"remoteUrl": TEXT, "sshUrl": TEXT, "webUrl": TEXT}}},
    _azure,
)
DOCKER_HUB = Provider("dockerhub", (_BEARER,), _always("push"), {"repository": {"repo_name": TEXT}}, _docker_hub)
HARBOR = Provider(
    "harbor", (_BEARER,), _always("push"), {"type": TEXT, "event_data": _RESOURCES, "data": _RESOURCES}, _harbor
)
DISTRIBUTION = Provider(
    "distribution",
    (_BEARER,),
    _always("push"),
    {"events": [{"action": TEXT, "target": {"repository": TEXT}, "request": {"host": TEXT}}]},
    _distribution,
)

PROVIDERS: Mapping[str, Provider] = {
    provider.name: provider
    for provider in (
        GITHUB, GITLAB, BITBUCKET, BITBUCKET_SERVER, GOGS, AZURE, DOCKER_HUB, HARBOR, DISTRIBUTION,
    )
}  # fmt: skip

_HEADERS = (
    ("x-vss-activityid", AZURE),
    # Gogs and its kin send GitHub's headers, too.
    ("x-gogs-event", GOGS),
    ("x-gitea-event", GOGS),
    ("x-github-event", GITHUB),
    ("x-gitlab-event", GITLAB),
    ("x-hook-uuid", BITBUCKET),
    ("x-event-key", BITBUCKET_SERVER),
)
