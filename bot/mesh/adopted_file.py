"""The stack file that says what a Linkerd that is there already is (`bot.mesh.adoption`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bot.mesh.adoption import FoundMesh, supported
from bot.mesh.existing import argument
from components.names import CERT_MANAGER, EXTERNAL_SECRETS

# Values of linkerd-control-plane, and the key of the stack file that says the same.
KEYS: Mapping[str, str] = {
    "controllerReplicas": "linkerd.replicas",
    "highAvailability": "linkerd.ha",
    "controllerLogLevel": "linkerd.logLevel",
    "webhookFailurePolicy": "linkerd.webhookFailurePolicy",
    "proxy.await": "linkerd.proxyAwait",
    "proxy.nativeSidecar": "linkerd.nativeSidecar",
    "proxy.defaultInboundPolicy": "linkerd.defaultInboundPolicy",
    "identityTrustDomain": "trust.domain",
    "identity.issuer.issuanceLifetime": "trust.issuer.leafLifetime",
    "identity.issuer.clockSkewAllowance": "trust.issuer.clockSkew",
    "clusterDomain": "cluster.domain",
    "cniEnabled": "cniPlugin.enabled",
}
# The same of linkerd2-cni, whose chart repairs nothing unless it is told to.
CNI_KEYS = {
    "destCNINetDir": "netFolder",
    "destCNIBinDir": "binFolder",
    "priorityClassName": "priorityClass",
}
_REPAIR = "repairController.enabled"
_PEM = ("keyPEM", "crtPEM")
# Who writes these is another: the anchors come from Vault, certificates from cert-manager.
OWNED = (
    *("identityTrustAnchorsPEM", "identity.issuer", "identity.externalCA"),
    *("heartbeatSchedule", "installGatewayAPI", "linkerdVersion", "cliVersion", "disableIPv6"),
    *(
        f"{webhook}.{key}"
        for webhook in (
            "proxyInjector",
            "profileValidator",
            "policyValidator",
            "tap",
            "tapInjector",
        )
        for key in ("externalSecret", "injectCaFrom", "injectCaFromSecret", "caBundle", *_PEM)
    ),
)


def sections(found: FoundMesh) -> dict[str, Any]:
    """The sections of the stack file that come from the cluster."""
    values = found.values
    made: dict[str, Any] = {
        "linkerd": {},
        "trust": {"generations": _generations(found), "signing": _name(found, found.signs or 0)},
        "cluster": {"adopted": True},
    }
    for path, key in KEYS.items():
        value = at(values, path)
        if value is not None:
            put(made, key, value)
    made["linkerd"].setdefault("ha", False)
    made["linkerd"]["heartbeat"] = not at(values, "disableHeartBeat")
    if at(values, "disableIPv6") is False:
        made["cluster"]["ipv6"] = True
    if image := at(values, "controllerImage"):
        made["linkerd"]["imageRegistry"] = str(image).rpartition("/")[0]
    if networks := at(values, "clusterNetworks"):
        made["cluster"]["networks"] = str(networks).split(",")
    viz = found.release("linkerd-viz")
    made["viz"] = {"enabled": viz is not None}
    if viz:
        made["viz"]["ha"] = bool(viz.values.get("enablePodAntiAffinity"))
        if url := viz.values.get("prometheusUrl"):
            made["viz"]["prometheusUrl"] = url
    if cni := found.release("linkerd2-cni"):
        made["cniPlugin"] = {"enabled": True, "repair": bool(at(cni.values, _REPAIR))}
        for path, key in CNI_KEYS.items():
            if value := at(cni.values, path):
                made["cniPlugin"][key] = value
    if supported(found.gateway):
        made["gatewayApi"] = {"install": False, "version": found.gateway}
    return made | _owners(found)


def _owners(found: FoundMesh) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if here := found.operators.get(CERT_MANAGER):
        namespace, spec = here["metadata"]["namespace"], here["spec"]["template"]["spec"]
        resources = argument(spec, "--cluster-resource-namespace", namespace)
        section = {"install": False, "namespace": namespace}
        if resources != namespace:
            section["clusterResourceNamespace"] = resources
        if (account := spec.get("serviceAccountName", CERT_MANAGER)) != CERT_MANAGER:
            section["serviceAccount"] = account
        made["certManager"] = section
    if here := found.operators.get("trust-manager"):
        namespace, spec = here["metadata"]["namespace"], here["spec"]["template"]["spec"]
        made.setdefault("certManager", {})
        made["certManager"] |= {
            "installTrustManager": False,
            "trustManagerNamespace": namespace,
            "trustNamespace": argument(spec, "--trust-namespace", namespace, CERT_MANAGER),
        }
    if here := found.operators.get(EXTERNAL_SECRETS):
        made["externalSecrets"] = {"install": False, "namespace": here["metadata"]["namespace"]}
    return made


def _name(found: FoundMesh, index: int) -> str:
    return "running" if len(found.anchors) == 1 else f"running-{index + 1}"


def _generations(found: FoundMesh) -> list[dict[str, Any]]:
    return [
        {
            "name": _name(found, index),
            "source": "imported",
            "lifetime": f"{(each.not_valid_after_utc - each.not_valid_before_utc).days}d",
        }
        for index, each in enumerate(found.anchors)
    ]


def unmapped(
    given: Mapping[str, Any], ours: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The values that somebody gave and that no key of the stack file says, with their paths."""
    for path, value in leaves(given):
        dotted = ".".join(path)
        if any(dotted == each or dotted.startswith(f"{each}.") for each in OWNED):
            continue
        if at(ours, path) != value:
            yield path, value


def leaves(
    values: Mapping[str, Any], before: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each value with its path, such as `proxy`, `image`, `name`."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*before, key))
        else:
            yield (*before, key), value


def at(values: Mapping[str, Any], path: str | tuple[str, ...]) -> Any:
    """The value at a path; None where there is none."""
    place: Any = values
    for part in path.split(".") if isinstance(path, str) else path:
        if not isinstance(place, Mapping) or part not in place:
            return None
        place = place[part]
    return place


def put(values: dict[str, Any], path: str | tuple[str, ...], value: Any) -> None:
    """Set the value at a path."""
    *parts, last = path.split(".") if isinstance(path, str) else path
    for part in parts:
        values = values.setdefault(part, {})
    values[last] = value
