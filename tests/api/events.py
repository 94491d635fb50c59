"""Events as Git servers and registries send them: the shapes are those of the providers' documentation, cut down."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field, replace
from typing import Any

from hub.domain import webhook_secrets as keys

SECRET = "a secret that both sides know"


@dataclass(frozen=True)
class Sent:
    """One event of a provider, about a push to shop of the team acme."""

    provider: str
    payload: Any
    names: tuple[str, ...]
    """What the repositories are called that are to be asked."""
    headers: dict[str, str] = field(default_factory=dict)
    query: str = ""
    signature: str = ""
    """The header that holds one."""
    prefix: str = "sha256="
    secrets: dict[str, str] = field(default_factory=dict)
    """What is set at the hub."""

    @property
    def body(self) -> bytes:
        return self.payload if isinstance(self.payload, bytes) else json.dumps(self.payload).encode()

    def signed(self, secret: str = SECRET) -> dict[str, str]:
        """Return the headers, with a signature where the provider makes one."""
        headers = {"Content-Type": "application/json"} | self.headers
        if self.signature:
            headers[self.signature] = self.prefix + hmac.new(secret.encode(), self.body, hashlib.sha256).hexdigest()
        return headers

    def but(self, **headers: str | None) -> Sent:
        changed = {name.replace("_", "-"): value for name, value in headers.items()}
        merged = {name: value for name, value in (self.headers | changed).items() if value is not None}
        return replace(self, headers=merged)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


COMMIT = {"id": "c0ffee0" + "1" * 33, "message": "Change", "added": ["a"], "removed": [], "modified": ["deploy/x.yaml"]}

GITHUB = Sent(
    "github",
    {
        "ref": "refs/heads/main",
        "before": "0" * 40,
        "after": "1" * 40,
        "repository": {
            "id": 186853002,
            "name": "shop",
            "full_name": "acme/shop",
            "owner": {"name": "acme", "url": "https://api.github.com/users/acme"},
            "html_url": "https://github.com/acme/shop",
            "url": "https://github.com/acme/shop",
            "git_url": "git://github.com/acme/shop.git",
            "ssh_url": "git@github.com:acme/shop.git",
            "clone_url": "https://github.com/acme/shop.git",
            "default_branch": "main",
        },
        "pusher": {"name": "ada", "email": "ada@example.com"},
        "commits": [COMMIT],
        "head_commit": COMMIT,
    },
    ("github.com/acme/shop",),
    {"X-GitHub-Event": "push", "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958"},
    signature="X-Hub-Signature-256",
    secrets={keys.GITHUB: SECRET},
)

GHCR = replace(
    GITHUB,
    payload={
        "action": "published",
        "package": {
            "id": 10696,
            "name": "shop",
            "namespace": "acme",
            "ecosystem": "CONTAINER",
            "package_type": "CONTAINER",
            "package_version": {
                "name": "sha256:" + "1" * 64,
                "package_url": "ghcr.io/acme/charts/shop:1.2.3",
                "container_metadata": {"tag": {"name": "1.2.3", "digest": "sha256:" + "1" * 64}},
            },
        },
        "repository": {"clone_url": "https://github.com/acme/shop.git"},
    },
    names=("ghcr.io/acme/charts/shop", "ghcr.io/acme/charts"),
    headers={"X-GitHub-Event": "package"},
)

GITLAB = Sent(
    "gitlab",
    {
        "object_kind": "push",
        "event_name": "push",
        "ref": "refs/heads/main",
        "user_name": "Ada",
        "project_id": 15,
        "project": {
            "id": 15,
            "name": "Shop",
            "web_url": "https://gitlab.example.com/acme/web/shop",
            "git_ssh_url": "git@ssh-gitlab.example.com:acme/web/shop.git",
            "git_http_url": "https://gitlab.example.com/acme/web/shop.git",
            "path_with_namespace": "acme/web/shop",
        },
        "repository": {"name": "Shop", "url": "git@ssh-gitlab.example.com:acme/web/shop.git", "visibility_level": 0},
        "commits": [COMMIT],
    },
    ("gitlab.example.com/acme/web/shop", "ssh-gitlab.example.com/acme/web/shop"),
    {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": SECRET},
    secrets={keys.GITLAB: SECRET},
)
GITLAB_TAG = replace(GITLAB, payload=GITLAB.payload | {"object_kind": "tag_push", "event_name": "tag_push"}).but(
    X_Gitlab_Event="Tag Push Hook"
)
GITLAB_SYSTEM = replace(
    GITLAB,
    payload={
        "event_name": "repository_update",
        "project_id": 1,
        "project": GITLAB.payload["project"],
        "changes": [{"before": "0" * 40, "after": "1" * 40, "ref": "refs/heads/main"}],
        "refs": ["refs/heads/main"],
    },
).but(X_Gitlab_Event="System Hook")

BITBUCKET = Sent(
    "bitbucket",
    {
        "actor": {"type": "user", "display_name": "Ada"},
        "repository": {
            "type": "repository",
            "full_name": "acme/shop",
            "uuid": "{673a6070-3421-46c9-9d48-90745f7bfe8e}",
            "links": {
                "self": {"href": "https://api.bitbucket.org/2.0/repositories/acme/shop"},
                "html": {"href": "https://bitbucket.org/acme/shop"},
            },
        },
        "push": {"changes": [{"new": {"type": "branch", "name": "main"}, "old": None}]},
    },
    ("bitbucket.org/acme/shop",),
    {"X-Event-Key": "repo:push", "X-Hook-UUID": "9c5a1d2e-7b43-4f0c-8a11-2f1f6f0a77aa", "X-Attempt-Number": "1"},
    signature="X-Hub-Signature",
    secrets={keys.BITBUCKET: SECRET, keys.BITBUCKET_UUID: "{9C5A1D2E-7b43-4f0c-8a11-2f1f6f0a77aa}"},
)

BITBUCKET_SERVER = Sent(
    "bitbucketserver",
    {
        "eventKey": "repo:refs_changed",
        "date": "2017-09-19T09:45:32+1000",
        "repository": {
            "slug": "shop",
            "id": 84,
            "project": {"key": "ACME", "name": "Acme"},
            "links": {
                "clone": [
                    {"href": "ssh://git@bitbucket.example.com:7999/acme/shop.git", "name": "ssh"},
                    {"href": "https://bitbucket.example.com/scm/acme/shop.git", "name": "http"},
                ],
                "self": [{"href": "https://bitbucket.example.com/projects/ACME/repos/shop/browse"}],
            },
        },
        "changes": [{"ref": {"id": "refs/heads/main"}, "type": "UPDATE"}],
    },
    ("bitbucket.example.com/acme/shop",),
    {"X-Event-Key": "repo:refs_changed", "X-Request-Id": "9f8b1f6e-3a55-4a0a-8df1-6b7a7a3d2c11"},
    signature="X-Hub-Signature",
    secrets={keys.BITBUCKET_SERVER: SECRET},
)
BITBUCKET_SERVER_OLD = replace(
    BITBUCKET_SERVER,
    payload={
        "repository": {"links": {"self": [{"href": "https://bitbucket.example.com/git/users/ada/repos/shop/browse"}]}}
    },
    names=("bitbucket.example.com/git/~ada/shop",),
)

GITEA = Sent(
    "gogs",
    {
        "ref": "refs/heads/main",
        "repository": {
            "id": 140,
            "full_name": "acme/shop",
            "html_url": "https://git.example.com:3000/acme/shop",
            "url": "https://git.example.com:3000/api/v1/repos/acme/shop",
            "ssh_url": "ssh://git@git.example.com:2222/acme/shop.git",
            "clone_url": "https://git.example.com:3000/acme/shop.git",
        },
        "commits": [COMMIT],
    },
    ("git.example.com/acme/shop", "git.example.com/api/v1/repos/acme/shop"),
    {
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": "f6266f16",
        "X-Gogs-Event": "push",
        "X-Gitea-Event": "push",
        "X-Gitea-Delivery": "f6266f16",
    },
    signature="X-Gitea-Signature",
    prefix="",
    secrets={keys.GOGS: SECRET},
)
GOGS = replace(GITEA, headers={"X-Gogs-Event": "push", "X-GitHub-Event": "push"}, signature="X-Gogs-Signature")

AZURE = Sent(
    "azuredevops",
    {
        "id": "03c164c2-8912-4d5e-8009-3707d5f83734",
        "eventType": "git.push",
        "publisherId": "tfs",
        "resource": {
            "commits": [{"commitId": "1" * 40}],
            "refUpdates": [{"name": "refs/heads/main"}],
            "repository": {
                "id": "278d5cd2-584d-4b63-824a-2ba458937249",
                "name": "shop",
                "url": "https://acme.visualstudio.com/DefaultCollection/_apis/git/repositories/278d5cd2",
                "project": {"name": "web"},
                "remoteUrl": "https://acme.visualstudio.com/DefaultCollection/web/_git/shop",
            },
        },
        "resourceVersion": "1.0",
    },
    ("dev.azure.com/acme/web/shop",),
    {"X-Vss-ActivityId": "00000000-0000-0000-0000-000000000000", "Authorization": basic("hub", SECRET)},
    secrets={keys.AZURE_USER: "hub", keys.AZURE_PASSWORD: SECRET},
)

REGISTRY = {keys.REGISTRY: SECRET}
DOCKER_HUB = Sent(
    "dockerhub",
    {
        "callback_url": "https://registry.hub.docker.com/u/acme/shop/hook/2141b5bi5i5b02bec211i4eeih0242eg11000a/",
        "push_data": {"pushed_at": 1417566161, "pusher": "ada", "tag": "latest"},
        "repository": {"name": "shop", "namespace": "acme", "repo_name": "acme/shop", "status": "Active"},
    },
    ("docker.io/acme/shop", "docker.io/acme"),
    query=f"?provider=dockerhub&secret={SECRET.replace(' ', '%20')}",
    secrets=REGISTRY,
)
HARBOR = Sent(
    "harbor",
    {
        "type": "PUSH_ARTIFACT",
        "occur_at": 1586922308,
        "operator": "ada",
        "event_data": {
            "resources": [
                {
                    "digest": "sha256:" + "8" * 64,
                    "tag": "1.2.3",
                    "resource_url": "harbor.example.com:8443/acme/shop:1.2.3",
                }
            ],
            "repository": {"name": "shop", "namespace": "acme", "repo_full_name": "acme/shop", "repo_type": "private"},
        },
    },
    ("harbor.example.com/acme/shop", "harbor.example.com/acme"),
    {"Authorization": SECRET},
    query="?provider=harbor",
    secrets=REGISTRY,
)
HARBOR_CLOUD = replace(
    HARBOR,
    payload={
        "specversion": "1.0",
        "source": "/projects/1/webhook/policies/15",
        "type": "harbor.artifact.pushed",
        "data": HARBOR.payload["event_data"],
    },
    headers={"Authorization": f"Bearer {SECRET}", "Content-Type": "application/cloudevents+json"},
)
DISTRIBUTION = Sent(
    "distribution",
    {
        "events": [
            {
                "id": "asdf-asdf-asdf-asdf-0",
                "action": "push",
                "target": {
                    "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "digest": "sha256:" + "f" * 64,
                    "repository": "acme/shop",
                    "url": "https://registry.example.com/v2/acme/shop/manifests/sha256:" + "f" * 64,
                    "tag": "1.2.3",
                },
                "request": {"id": "asdfasdf", "addr": "client.local", "host": "registry.example.com", "method": "PUT"},
            },
            {"action": "pull", "target": {"repository": "acme/other"}, "request": {"host": "registry.example.com"}},
        ]
    },
    ("registry.example.com/acme/shop", "registry.example.com/acme"),
    {
        "Content-Type": "application/vnd.docker.distribution.events.v1+json",
        "Authorization": basic("anybody", SECRET),
    },
    secrets=REGISTRY,
)

ALL = {
    "github": GITHUB,
    "ghcr": GHCR,
    "gitlab": GITLAB,
    "gitlab-tag": GITLAB_TAG,
    "gitlab-system": GITLAB_SYSTEM,
    "bitbucket": BITBUCKET,
    "bitbucketserver": BITBUCKET_SERVER,
    "bitbucketserver-old": BITBUCKET_SERVER_OLD,
    "gitea": GITEA,
    "gogs": GOGS,
    "azuredevops": AZURE,
    "dockerhub": DOCKER_HUB,
    "harbor": HARBOR,
    "harbor-cloudevents": HARBOR_CLOUD,
    "distribution": DISTRIBUTION,
}
