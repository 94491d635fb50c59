"""Why a repository cannot be read and what to do, in one wording whichever program or library found it out.

Each goes on after "NAME cannot be read: " and before a full stop.
"""

from __future__ import annotations

DENIED = (
    "it refuses the hub's credentials, or asks for some: correct them with `escadre repo add --upsert` or `escadre "
    "repocreds add --upsert`"
)
ABSENT = "there is no such repository, or it is hidden from the hub's credentials: check the URL"
TOO_OFTEN = "its server is asked too often; the hub asks again later"

HOST_KEY = (
    "its SSH host key is not known to the hub, or is another than the hub knows: check the key that `ssh-keyscan HOST` "
    "gives, then add that line with `escadre cert add-ssh --batch`"
)
SSH_DENIED = (
    "it refuses the hub's SSH key, or the hub has none for it: give one with `escadre repo add --ssh-private-key-path`"
)

EXPIRED = "its TLS certificate has expired: its operator has to renew it"
NOT_YET_VALID = "its TLS certificate is not valid yet: check the clocks of both machines"
OTHER_HOST = "its TLS certificate is for another host: use the address it is for"
UNKNOWN_AUTHORITY = (
    "its TLS certificate is signed by an authority that the hub does not know: give that with `escadre cert add-tls`"
)
NO_TLS = "it does not speak TLS as it should: check the URL's scheme and port"
CERTIFICATE_WANTED = (
    "it broke off the TLS handshake, as servers do that want a client certificate, or another one: give one with "
    "`--tls-client-cert-path`"
)

UNRESOLVED = "its host name cannot be resolved: check the URL and the hub's DNS"
NO_CONNECTION = "its server cannot be connected to; the hub keeps trying"
SILENT = "its server does not answer; the hub keeps trying"
BROKEN_OFF = "its server broke off its answer; the hub keeps trying"
REDIRECTED = "use the address it redirects to as the repository's URL"

PROXY_DENIED = "the proxy refuses the hub's credentials, or asks for some: correct --proxy"
PROXY_FAILED = "the proxy cannot be connected to, or does not let the hub through: check --proxy"
