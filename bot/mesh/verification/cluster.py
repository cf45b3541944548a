"""Proofs of what runs: Deployments, their spread over nodes, the webhooks' certificates."""

from __future__ import annotations

import base64

from bot.mesh.trust.chain import dns_names
from bot.mesh.verification.data import Manifest, Proof, Seen, name_of, secret_data
from bot.mesh.verification.trust import signed_by
from components.names import LINKERD, LINKERD_VIZ
from components.webhook_certificates import CONTROL_PLANE_WEBHOOKS, PKCS8_ONLY, VIZ_WEBHOOKS
from schema.certificates import certificates_in
from stack.config import StackConfig

_PKCS8 = b"-----BEGIN PRIVATE KEY-----"
_NAMED = 3


def proofs(seen: Seen, config: StackConfig) -> list[Proof]:
    """All proofs of what runs."""
    with_linkerd = config.sandbox.linkerd
    found = [_available(seen)]
    if with_linkerd:
        found.append(_spread(seen, config.linkerd.replicas))
    places = [(LINKERD, CONTROL_PLANE_WEBHOOKS)]
    if config.viz.enabled:
        places.append((LINKERD_VIZ, VIZ_WEBHOOKS))
    for namespace, webhooks in places:
        for secret, service in webhooks.items():
            found.append(_serving(seen, namespace, secret, service, with_linkerd))
            if service in PKCS8_ONLY:
                found.append(_pkcs8(seen, namespace, secret, service))
    return found


def _available(seen: Seen) -> Proof:
    down = [name_of(each) for each in seen.deployments if not _is_available(each)]
    count = len(seen.deployments)
    shown = ", ".join(down[:_NAMED]) + (" …" if len(down) > _NAMED else "")
    return Proof(
        "Deployments",
        f"{count} of {count} available" if count else "some",
        f"{count - len(down)} of {count}{f', not {shown}' if down else ''}",
        bool(count) and not down,
    )


def _is_available(deployment: Manifest) -> bool:
    wanted = deployment["spec"].get("replicas", 1)
    status = deployment.get("status", {})
    current = status.get("observedGeneration") == deployment["metadata"].get("generation")
    return bool(current and wanted <= status.get("availableReplicas", 0))


def _spread(seen: Seen, replicas: int) -> Proof:
    """Each Deployment of the control plane has its replicas on as many nodes as there are."""
    nodes = min(replicas, len(seen.nodes))
    counts: dict[str, set[str]] = {
        each["metadata"]["name"]: set()
        for each in seen.deployments
        if each["metadata"]["namespace"] == LINKERD
    }
    for pod in seen.pods:
        metadata = pod["metadata"]
        if metadata["namespace"] != LINKERD or pod["status"].get("phase") != "Running":
            continue
        # <deployment>-<replica set>-<pod>
        name = metadata["name"].rsplit("-", 2)[0]
        if name in counts:
            counts[name].add(pod["spec"].get("nodeName", ""))
    return Proof(
        "control plane's replicas",
        f"each Deployment on {nodes} nodes",
        ", ".join(f"{name} {len(on)}" for name, on in sorted(counts.items())) or "none",
        len(counts) >= len(("destination", "identity", "proxy-injector"))
        and all(len(on) >= nodes for on in counts.values()),
    )


def _serving(seen: Seen, namespace: str, secret: str, service: str, called: bool) -> Proof:
    """The API server trusts exactly who signed the certificate that the webhook serves.

    called: False where nothing calls it yet; then by the CA that lies beside the certificate.
    """
    what = f"webhook {service}"
    expected = f"{'caBundle' if called else 'CA'} signed its certificate"
    pair = seen.secrets.get(f"{namespace}/{secret}")
    served = certificates_in(secret_data(pair, "tls.crt"))
    bundles = _bundles(seen, namespace, service) if called else [secret_data(pair, "ca.crt")]
    if not served or not bundles:
        missing = f"no certificate in Secret {secret}" if not served else "no webhook with caBundle"
        return Proof(what, expected, missing, False)
    for bundle in bundles:
        authorities = certificates_in(bundle)
        verdicts = [signed_by(served[0], each) for each in authorities]
        if not any(ok for ok, _ in verdicts):
            seen_instead = verdicts[0][1] if verdicts else "caBundle has no certificate"
            return Proof(what, expected, seen_instead, False)
    host = f"{service}.{namespace}.svc"
    if host not in dns_names(served[0]):
        return Proof(what, f"certificate for {host}", ", ".join(dns_names(served[0])), False)
    return Proof(what, expected, f"verified, for {host}", True)


def _bundles(seen: Seen, namespace: str, service: str) -> list[bytes]:
    """The caBundle of everything that calls a service."""
    configs = [
        hook["clientConfig"] for each in seen.webhooks for hook in each.get("webhooks", ())
    ] + [each["spec"] for each in seen.api_services if each["spec"].get("service")]
    return [
        base64.b64decode(config.get("caBundle") or "")
        for config in configs
        if (config.get("service") or {}).get("name") == service
        and config["service"].get("namespace") == namespace
    ]


def _pkcs8(seen: Seen, namespace: str, secret: str, service: str) -> Proof:
    key = secret_data(seen.secrets.get(f"{namespace}/{secret}"), "tls.key")
    ok = key.startswith(_PKCS8)
    header = key.split(b"\n", 1)[0].decode(errors="replace").strip("- ") or "no key"
    return Proof(f"key of {service}", "PKCS8", "PKCS8" if ok else header, ok)
