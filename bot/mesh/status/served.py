"""The certificates that webhooks and the tap API serve, against what the API server trusts."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import timedelta

from cryptography import x509

from bot.clients.kubernetes import Manifest
from bot.mesh.status.certificates import RUNBOOK, SUBJECT
from bot.mesh.status.extensions import no_viz
from bot.mesh.status.facts import Facts
from bot.mesh.status.model import CheckResult, fail, ok, warn
from bot.mesh.trust.chain import dns_names, signed
from bot.mesh.trust.text import left_text
from components.names import LINKERD, LINKERD_VIZ
from components.webhook_certificates import CONTROL_PLANE_WEBHOOKS, PKCS8_ONLY, VIZ_WEBHOOKS
from schema.certificates import certificates_in


def judge(facts: Facts, namespace: str, secret: str, service: str) -> CheckResult:
    """Who calls the service trusts exactly who signed its certificate; it is for it, and lives.

    The same as CheckCertAndAnchors of linkerd2 pkg/healthcheck, for every caller.
    """
    found = facts.secret(namespace, secret)
    if found is None or not found.chain:
        return fail(f"no certificate in Secret {namespace}/{secret}", RUNBOOK)
    bundles = list(_bundles(facts, namespace, service))
    if not bundles:
        return fail(f"no webhook or API service calls {service}", RUNBOOK)
    leaf = found.chain[0]
    if not found.fits:
        return fail("the key is not that of the certificate", RUNBOOK)
    if service in PKCS8_ONLY and not found.pkcs8:
        return fail("the key is not PKCS8, the only form that its server reads", RUNBOOK)
    host = f"{service}.{namespace}.svc"
    if host not in dns_names(leaf):
        return fail(f"the certificate is not for {host}", RUNBOOK)
    for bundle in bundles:
        authorities = certificates_in(bundle)
        if not any(signed(leaf, each) for each in authorities):
            return fail("the caBundle did not sign the certificate", RUNBOOK)
        if any(not _lives(each, facts) for each in authorities):
            return fail("a certificate of the caBundle has ended", RUNBOOK)
    left = leaf.not_valid_after_utc - facts.now
    least = facts.config.observability.alerts.thresholds.webhook_left
    if not _lives(leaf, facts):
        return fail("the certificate is not valid now", RUNBOOK)
    if left < timedelta(seconds=least.seconds):
        return warn(f"{left_text(left)} left, at least {least} are due", RUNBOOK)
    return ok(f"{service}: {left_text(left)} left")


def _add(namespace: str, secret: str, service: str) -> None:
    @SUBJECT.check(f"served-{service}", off=no_viz if namespace == LINKERD_VIZ else None)
    def served(facts: Facts) -> CheckResult:
        return judge(facts, namespace, secret, service)

    served.__doc__ = f"{service} serves a certificate that lives, signed by who its callers trust."


for _secret, _service in CONTROL_PLANE_WEBHOOKS.items():
    _add(LINKERD, _secret, _service)
for _secret, _service in VIZ_WEBHOOKS.items():
    _add(LINKERD_VIZ, _secret, _service)


def _bundles(facts: Facts, namespace: str, service: str) -> Iterator[bytes]:
    """The caBundle of everything that calls a service."""
    hooks = [
        hook["clientConfig"]
        for kind in ("mutating webhooks", "validating webhooks")
        for each in facts.objects(kind)
        for hook in each.get("webhooks") or ()
    ]
    apis: list[Manifest] = [each["spec"] for each in facts.objects("api services")]
    for client in [*hooks, *apis]:
        called = client.get("service") or {}
        if (called.get("namespace"), called.get("name")) == (namespace, service):
            yield base64.b64decode(client.get("caBundle") or "")


def _lives(certificate: x509.Certificate, facts: Facts) -> bool:
    return certificate.not_valid_before_utc <= facts.now < certificate.not_valid_after_utc
