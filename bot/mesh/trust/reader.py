"""Reads a cluster for the trust commands: one moment of it, as a TrustState."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from cryptography import x509

from bot.clients.connect import cluster
from bot.clients.https import Client
from bot.clients.kubernetes import (
    Manifest,
    alive,
    get_object,
    list_objects,
    moment,
    owners,
    secret_data,
)
from bot.clients.target import Target
from bot.mesh.trust.metrics import issuer_ttl
from bot.mesh.trust.model import (
    PROPAGATION,
    Bundle,
    IdentityPod,
    Issued,
    MeshedPod,
    PodOwner,
    TrustState,
)
from bot.mesh.trust.restart import KINDS, by_hand
from components.names import (
    IDENTITY_ISSUER,
    LINKERD,
    LINKERD_VIZ,
    TRUST_ROOTS_CONFIG_MAP,
)
from components.trust_bundle import CERTIFICATE_KEY, anchor_secret
from components.webhook_certificates import CONTROL_PLANE_WEBHOOKS, VIZ_WEBHOOKS, WEBHOOK_CA
from schema.certificates import certificates_in
from stack.config import StackConfig

BUNDLE_KEY = "ca-bundle.crt"
ANNOTATION = "linkerd.io/trust-root-sha256"
_PROXY = "linkerd-proxy"
_ADMIN_PORT = 9990
_NO_ANSWER_SECONDS = 10.0
# What kinds and objects can be called, with the colons of some.
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9]{0,250}")
_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]{0,252}")


def read(target: Target) -> TrustState:
    """The cluster of a stack as it is now; raises Unreadable when it does not tell.

    Only Secrets that the trust is made of are read, and of them only certificates are kept.
    """
    with cluster(target) as api:
        return observe(api, target)


def observe(api: Client, target: Target) -> TrustState:
    """The same by a client; raises Unreadable."""
    issuer = target.config.trust.issuer
    secrets = f"/api/v1/namespaces/{LINKERD}/secrets/{IDENTITY_ISSUER}"
    secret = get_object(api, secrets)
    pods = _pods(api)
    return TrustState(
        stack=target.stack,
        cluster=target.config.cluster.name if target.config.cluster else "",
        now=datetime.now(UTC),
        leaf=timedelta(seconds=(issuer.leaf_lifetime + issuer.clock_skew).seconds),
        bundle=_bundle(api),
        anchors=_anchors(api, target),
        issuer=tuple(_chain(secret)),
        issuer_changed=written(secret) if secret else None,
        requests=_requests(api),
        pods=pods,
        identities=_identities(api, pods),
        served=_served(api, target.config),
    )


def held(target: Target, pods: Sequence[MeshedPod]) -> dict[PodOwner, str]:
    """The workloads of these pods that no restart on command replaces; raises Unreadable."""
    owners_ = {pod.owner for pod in pods if pod.owner.kind in KINDS}
    if not owners_:
        return {}
    with cluster(target) as api:
        there = workloads(api, {each.kind for each in owners_})
    reasons = {each: by_hand(each.kind, there.get(each)) for each in owners_}
    return {each: why for each, why in reasons.items() if why}


def workloads(api: Client, kinds: Collection[str] = KINDS) -> dict[PodOwner, Manifest]:
    """Every workload of these kinds; raises Unreadable."""
    return {
        PodOwner(each["metadata"]["namespace"], kind, each["metadata"]["name"]): each
        for kind in kinds
        for each in list_objects(api, f"/apis/apps/v1/{kind.lower()}s")
    }


def _bundle(api: Client) -> Bundle | None:
    path = f"/api/v1/namespaces/{LINKERD}/configmaps/{TRUST_ROOTS_CONFIG_MAP}"
    found = get_object(api, path)
    text = (found or {}).get("data", {}).get(BUNDLE_KEY, "")
    return Bundle(text, written(found)) if found and text else None


def _anchors(api: Client, target: Target) -> dict[str, x509.Certificate]:
    names = [generation.name for generation in target.config.trust.generations]
    path = f"/api/v1/namespaces/{target.config.cert_manager.bundle_sources}/secrets"
    found = {
        name: _chain(get_object(api, f"{path}/{anchor_secret(name)}"), CERTIFICATE_KEY)
        for name in names
    }
    return {name: chain[0] for name, chain in found.items() if chain}


def _requests(api: Client) -> tuple[Issued, ...]:
    path = f"/apis/cert-manager.io/v1/namespaces/{LINKERD}/certificaterequests"
    found = []
    for each in list_objects(api, path):
        owner = each["metadata"].get("annotations", {}).get("cert-manager.io/certificate-name")
        pem = base64.b64decode(each.get("status", {}).get("certificate", ""))
        chain = certificates_in(pem)
        if owner == IDENTITY_ISSUER and chain:
            found.append(Issued(_ready_at(each), tuple(chain)))
    return tuple(sorted(found, key=lambda issued: issued.at))


def _ready_at(request: Manifest) -> datetime:
    for each in request["status"].get("conditions", ()):
        if each["type"] == "Ready" and each["status"] == "True":
            return moment(each["lastTransitionTime"])
    return moment(request["metadata"]["creationTimestamp"])


def _served(api: Client, config: StackConfig) -> dict[str, x509.Certificate]:
    places = [(config.cert_manager.issuer_secrets, WEBHOOK_CA)]
    places += [(LINKERD, name) for name in CONTROL_PLANE_WEBHOOKS]
    places += [(LINKERD_VIZ, name) for name in (VIZ_WEBHOOKS if config.viz.enabled else ())]
    found = {
        f"{namespace}/{name}": _chain(
            get_object(api, f"/api/v1/namespaces/{namespace}/secrets/{name}")
        )
        for namespace, name in places
    }
    return {name: chain[0] for name, chain in found.items() if chain}


def _pods(api: Client) -> tuple[MeshedPod, ...]:
    above = owners(api)
    return tuple(
        pod(each, above)
        for each in list_objects(api, "/api/v1/pods")
        if meshed(each) and alive(each)
    )


def pod(manifest: Manifest, owners: Mapping[tuple[str, str, str], Manifest]) -> MeshedPod:
    """A pod with the workload that restarts it: a ReplicaSet's Deployment, a Job's CronJob."""
    metadata = manifest["metadata"]
    namespace, owner = metadata["namespace"], _owner(metadata)
    above = owners.get((namespace, *owner)) if owner else None
    top = (_owner(above["metadata"]) if above else None) or owner or ("Pod", metadata["name"])
    return MeshedPod(
        namespace=namespace,
        name=metadata["name"],
        owner=PodOwner(namespace, *top),
        started=started(manifest),
        bundle=metadata.get("annotations", {}).get(ANNOTATION),
        control_plane=namespace == LINKERD,
    )


def _owner(metadata: Manifest) -> tuple[str, str] | None:
    """Kind and name of the pod's controller; none where no object can be called so.

    The API server takes any text for both from whoever may make a pod, line breaks included; they
    go into paths, and into a script that is piped to a shell. Such a pod counts as a bare one.
    """
    for each in metadata.get("ownerReferences", ()):
        if each.get("controller"):
            kind, name = str(each["kind"]), str(each["name"])
            return (kind, name) if _KIND.fullmatch(kind) and _OWNER.fullmatch(name) else None
    return None


def meshed(manifest: Manifest) -> bool:
    """True for a pod with a proxy, as a container or as a native sidecar."""
    spec = manifest["spec"]
    containers = [*spec.get("containers", ()), *spec.get("initContainers", ())]
    return any(each["name"] == _PROXY for each in containers)


def started(manifest: Manifest) -> datetime:
    """Since when a pod has what it reads at its start.

    Its creation, or the start of its oldest running container where all have restarted since. A
    container that restarts in an old pod may find a mounted file that is not up to date yet, so
    the time that a kubelet takes is taken off.
    """
    status = manifest.get("status", {})
    created = moment(manifest["metadata"]["creationTimestamp"])
    statuses = [*status.get("containerStatuses", ()), *status.get("initContainerStatuses", ())]
    runs = [each["state"]["running"] for each in statuses if "running" in each.get("state", {})]
    starts = [moment(each["startedAt"]) for each in runs if each.get("startedAt")]
    return max(created, min(starts) - PROPAGATION) if starts else created


def written(manifest: Manifest) -> datetime:
    """When the data of an object was last written, by `managedFields`; else its creation."""
    metadata = manifest["metadata"]
    times = [
        moment(each["time"])
        for each in metadata.get("managedFields", ())
        if "time" in each and "f:data" in each.get("fieldsV1", {})
    ]
    return max(times, default=moment(metadata["creationTimestamp"]))


def _identities(api: Client, pods: Sequence[MeshedPod]) -> tuple[IdentityPod, ...]:
    """The figure of each identity pod, all at once: one that hangs must not hold up the rest."""
    found = [each for each in pods if each.is_identity]
    if not found:
        return ()
    with ThreadPoolExecutor(max_workers=len(found)) as pool:
        return tuple(pool.map(lambda each: _identity(api, each), found))


def _identity(api: Client, pod: MeshedPod) -> IdentityPod:
    path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}:{_ADMIN_PORT}/proxy/metrics"
    answer = api.request("GET", path, seconds=_NO_ANSWER_SECONDS)
    if not answer.ok or not isinstance(answer.body, str):
        why = answer.why
        return IdentityPod(str(pod), None, why)
    ttl = issuer_ttl(answer.body)
    return IdentityPod(str(pod), ttl, "" if ttl is not None else "not among its metrics")


def _chain(secret: Manifest | None, key: str = "tls.crt") -> list[x509.Certificate]:
    return certificates_in(secret_data(secret, key))
