from __future__ import annotations

import pytest

from hub.domain.application import CASCADE_FINALIZER, Application, ApplicationId, ApplicationSpec


@pytest.mark.parametrize(
    ("text", "identity", "display"),
    [
        ("shop", ApplicationId("argocd", "shop"), "shop"),
        ("argocd/shop", ApplicationId("argocd", "shop"), "shop"),
        ("team-a/shop", ApplicationId("team-a", "shop"), "team-a/shop"),
    ],
)
def test_identities(text: str, identity: ApplicationId, display: str) -> None:
    assert ApplicationId.parse(text) == identity
    assert identity.display == display
    assert ApplicationId.parse(str(identity)) == ApplicationId.parse(identity.display) == identity


@pytest.mark.parametrize(
    ("finalizers", "cascades"),
    [
        ((), False),
        ((CASCADE_FINALIZER,), True),
        (("a", f"{CASCADE_FINALIZER}/background"), True),
        ((f"{CASCADE_FINALIZER}.example.com",), False),
    ],
)
def test_what_cascades(finalizers: tuple[str, ...], cascades: bool) -> None:
    spec = ApplicationSpec("default", (), ())
    assert Application(ApplicationId("argocd", "a"), spec, finalizers=finalizers).cascades is cascades
