"""Checks of what runs: Deployments, their spread over nodes, the webhooks' certificates."""

from __future__ import annotations

import base64

from bot.clients.kubernetes import Manifest, place, secret_data
from bot.mesh.status.evidence import Evidence, Verification
from bot.mesh.status.objects import available
from bot.mesh.status.verification_trust import signed_by
from bot.mesh.trust.chain import dns_names
from components.names import LINKERD, LINKERD_VIZ
from components.webhook_certificates import CONTROL_PLANE_WEBHOOKS, PKCS8_ONLY, VIZ_WEBHOOKS
from schema.certificates import certificates_in
from stack.config import StackConfig

_PKCS8 = b"-----BEGIN PRIVATE KEY-----"
_NAMED = 3


def verify(seen: Evidence, config: StackConfig) -> list[Verification]:
    """Every check of what runs."""
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


def _available(seen: Evidence) -> Verification:
    down = [place(each) for each in seen.deployments if not _is_available(each)]
    count = len(seen.deployments)
    shown = ", ".join(down[:_NAMED]) + (" …" if len(down) > _NAMED else "")
    return Verification(
        "Deployments",
        f"{count} of {count} available" if count else "some",
        f"{count - len(down)} of {count}{f', not {shown}' if down else ''}",
        bool(count) and not down,
    )


def _is_available(deployment: Manifest) -> bool:
    ready, wanted, current = available(deployment)
    return current and wanted <= ready


def _spread(seen: Evidence, replicas: int) -> Verification:
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
    return Verification(
        "control plane's replicas",
        f"each Deployment on {nodes} nodes",
        ", ".join(f"{name} {len(on)}" for name, on in sorted(counts.items())) or "none",
        len(counts) >= len(("destination", "identity", "proxy-injector"))
        and all(len(on) >= nodes for on in counts.values()),
    )


def _serving(
    seen: Evidence, namespace: str, secret: str, service: str, called: bool
) -> Verification:
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
        return Verification(what, expected, missing, False)
    for bundle in bundles:
        authorities = certificates_in(bundle)
        verdicts = [signed_by(served[0], each) for each in authorities]
        if not any(ok for ok, _ in verdicts):
            seen_instead = verdicts[0][1] if verdicts else "caBundle has no certificate"
            return Verification(what, expected, seen_instead, False)
    host = f"{service}.{namespace}.svc"
    if host not in dns_names(served[0]):
        return Verification(what, f"certificate for {host}", ", ".join(dns_names(served[0])), False)
    return Verification(what, expected, f"verified, for {host}", True)


def _bundles(seen: Evidence, namespace: str, service: str) -> list[bytes]:
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


def _pkcs8(seen: Evidence, namespace: str, secret: str, service: str) -> Verification:
    key = secret_data(seen.secrets.get(f"{namespace}/{secret}"), "tls.key")
    ok = key.startswith(_PKCS8)
    header = key.split(b"\n", 1)[0].decode(errors="replace").strip("- ") or "no key"
    return Verification(f"key of {service}", "PKCS8", "PKCS8" if ok else header, ok)
