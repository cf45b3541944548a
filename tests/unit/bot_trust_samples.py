"""Certificates and a cluster in the middle of a rotation, for the tests of the trust commands."""

from __future__ import annotations

import functools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cryptography import x509

from bot.mesh.trust.model import (
    IDENTITY,
    INJECTOR,
    Bundle,
    IdentityPod,
    Issued,
    Kept,
    MeshedPod,
    PodOwner,
    TrustState,
)
from components.names import LINKERD
from tests import certificates
from tests.certificates import Authority

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# A CA of the days before NOW.
authority = functools.partial(certificates.authority, starts=NOW - DAY)


@functools.cache
def root(name: str) -> Authority:
    """A root of this name; one per test run, since keys take time."""
    return authority(name)


def chain(anchor: str, issued: datetime = NOW - HOUR) -> tuple[x509.Certificate, ...]:
    """The identity issuer below a root, 48 h long."""
    below = x509.BasicConstraints(True, 0)
    made = authority("identity", root(anchor), starts=issued, lifetime=48 * HOUR, constraints=below)
    return (made.certificate,)


def bundle(*names: str, changed: datetime = NOW - 10 * DAY) -> Bundle:
    """The ConfigMap with these roots."""
    return Bundle("".join(root(name).pem for name in names), changed)


def pod(
    name: str,
    kind: str = "Deployment",
    *,
    started: datetime = NOW - HOUR,
    mark: str | None = None,
    namespace: str = "shop",
) -> MeshedPod:
    """A meshed pod; `mark` is the bundle's hash that the injector wrote."""
    return MeshedPod(namespace, name, PodOwner(namespace, kind, name), started, mark)


def control(name: str, *, started: datetime = NOW - HOUR) -> MeshedPod:
    """A control plane pod of a Deployment of this name."""
    owner = PodOwner(LINKERD, "Deployment", name)
    return MeshedPod(LINKERD, f"{name}-0", owner, started, control_plane=True)


def control_plane(started: datetime = NOW - HOUR) -> tuple[MeshedPod, ...]:
    return tuple(
        control(name, started=started) for name in (IDENTITY, "linkerd-destination", INJECTOR)
    )


def seen(
    *held: str,
    signer: str = "a",
    stack: str = "staging",
    anchors: tuple[str, ...] = ("a", "b", "c"),
    changed: datetime = NOW - 10 * DAY,
    switched: datetime = NOW - 5 * HOUR,
    pods: tuple[MeshedPod, ...] | None = None,
    ttls: tuple[float | None, ...] | None = None,
) -> TrustState:
    """A cluster whose bundle holds these roots and whose issuer is below `signer`.

    It was switched at `switched`, and its issuer is from then.
    """
    own = control_plane() if pods is None else pods
    names = [each for each in own if each.is_identity]
    values = ttls or tuple(None for _ in names)
    issuer = chain(signer, switched)
    return TrustState(
        stack=stack,
        cluster=stack,
        now=NOW,
        leaf=24 * HOUR,
        bundle=bundle(*held, changed=changed) if held else None,
        anchors={name: root(name).certificate for name in anchors},
        issuer=issuer,
        issuer_changed=switched,
        requests=(Issued(switched, issuer),),
        pods=own,
        identities=tuple(
            IdentityPod(str(each), ttl, "status 503" if ttl is None else "")
            for each, ttl in zip(names, values, strict=True)
        ),
    )


def marked(cluster: TrustState, *names: str, **changes: object) -> TrustState:
    """The cluster with pods that hold its bundle."""
    assert cluster.bundle
    more = tuple(pod(name, mark=cluster.bundle.sha256, **changes) for name in names)  # type: ignore[arg-type]
    return replace(cluster, pods=(*cluster.pods, *more))


def with_pods(cluster: TrustState, *more: object) -> TrustState:
    return replace(cluster, pods=(*cluster.pods, *more))  # type: ignore[arg-type]


def kept(name: str, *, key: bool | None = True, other: str | None = None) -> Kept:
    """A generation in Vault; `other` is the root that the PKI engine has under its name."""
    made = root(other or name).certificate
    return Kept(name, root(name).certificate, made, key)
