"""Faults of owners, labels, values and logins in public installations, as searches."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.unit.guard_facts import Facts, name_of
from tests.unit.secrecy import secrets_in

EXCLUDED = "config.linkerd.io/admission-webhooks"
WEBHOOKS = {
    "linkerd-control-plane": ("proxyInjector", "profileValidator", "policyValidator"),
    "linkerd-viz": ("tap", "tapInjector"),
}


def webhook_made_by_helm(f: Facts) -> Iterator[str]:
    """A certificate that is made at each rendering, or once for a year."""
    named = {f"{c['metadata']['namespace']}/{c['metadata']['name']}" for c in f.certificates}
    for chart, keys in WEBHOOKS.items():
        for key in keys if chart in f.charts else ():
            section = f.charts[chart]["values"].get(key, {})
            if section.get("externalSecret") is not True:
                yield f"{chart}: {key} is made by Helm"
            elif section.get("injectCaFrom") not in named:
                yield f"{chart}: {key} has no Certificate"
            if {"crtPEM", "keyPEM", "caBundle"} & set(section):
                yield f"{chart}: {key} has a certificate in its values"


def injector_may_be_away(f: Facts) -> Iterator[str]:
    """Pods that start outside the mesh, unnoticed, while nobody said that they may."""
    for name, chart in f.charts.items():
        if name == "linkerd-control-plane":
            policy = chart["values"].get("webhookFailurePolicy")
            if policy != f.config.linkerd.webhook_failure_policy or policy != "Fail":
                yield f"{name}: failurePolicy {policy}"


def wrong_label(f: Facts) -> Iterator[str]:
    """A label that is nearly the one that the webhooks look at."""
    for namespace in f.of("Namespace"):
        labels = namespace["metadata"].get("labels", {})
        for label in labels:
            if "admission-webhook" in label and label != EXCLUDED:
                yield f"{name_of(namespace)}: {label}"
        apart = namespace["metadata"]["name"] in ("linkerd", "cert-manager", "external-secrets")
        if apart and labels.get(EXCLUDED) != "disabled":
            yield f"{name_of(namespace)}: the injector looks at it"


def two_owners(f: Facts) -> Iterator[str]:
    """A Secret or ConfigMap that two write: chart, cert-manager, External Secrets, Bundle."""
    made = f.made_secrets
    yield from sorted({f"{n}/{s} has two owners" for n, s in made if made.count((n, s)) > 1})
    if chart := f.charts.get("linkerd-control-plane"):
        identity = chart["values"]["identity"]
        if identity.get("externalCA") is not True:
            yield "the chart makes linkerd-identity-trust-roots as well"
        if identity["issuer"].get("scheme") != "kubernetes.io/tls" or "tls" in identity["issuer"]:
            yield "the chart makes linkerd-identity-issuer as well"


def signs_with_nothing(f: Facts) -> Iterator[str]:
    """An issuer on a Secret that nobody makes: it waits for ever."""
    made = f.made_secrets
    for issuer in (*f.of("ClusterIssuer"), *f.of("Issuer")):
        namespace = issuer["metadata"].get("namespace", "cert-manager")
        secret = issuer["spec"].get("ca", {}).get("secretName")
        if secret and (namespace, secret) not in made:
            yield f"{name_of(issuer)}: nobody makes {namespace}/{secret}"
    issuers = {
        (i["kind"], i["metadata"]["name"]) for k in ("ClusterIssuer", "Issuer") for i in f.of(k)
    }
    for certificate in f.certificates:
        ref = certificate["spec"]["issuerRef"]
        if (ref["kind"], ref["name"]) not in issuers:
            yield f"{name_of(certificate)}: no {ref['kind']} {ref['name']}"


def bundle_of_the_newest(f: Facts) -> Iterator[str]:
    """A bundle that swaps its roots: no overlap, and every pod that has not restarted is out."""
    trusted = [f"linkerd-trust-anchor-{g.name}" for g in f.config.trust.trusted]
    for bundle in f.of("Bundle"):
        sources = [s.get("secret", {}).get("name") for s in bundle["spec"]["sources"]]
        if sources != trusted:
            yield f"the bundle holds {sources}"
    for secret in f.of("ExternalSecret"):
        if secret["spec"]["target"]["name"] in trusted:
            keys = [d["remoteRef"]["key"] for d in secret["spec"]["data"]]
            if keys != [f"anchors/{secret['metadata']['name'].split('-anchor-')[1]}"]:
                yield f"{name_of(secret)} reads {keys}"


def bundle_for_nobody(f: Facts) -> Iterator[str]:
    """A selector that no namespace answers to: the ConfigMap never appears, the pods hang."""
    for bundle in f.of("Bundle"):
        wanted = bundle["spec"]["target"]["namespaceSelector"]["matchLabels"].items()
        found = [
            n["metadata"]["name"]
            for n in f.of("Namespace")
            if wanted <= n["metadata"].get("labels", {}).items()
        ]
        if found != ["linkerd"]:
            yield f"the bundle goes to {found}"


def floating_version(f: Facts) -> Iterator[str]:
    """A chart whose version is not one, so that an ordinary update upgrades the mesh."""
    exact = r"\./\.local/[a-z-]+-v?\d+\.\d+\.\d+\.tgz"
    for name, chart in f.charts.items():
        if not re.fullmatch(exact, chart["chart"]):
            yield f"{name}: {chart['chart']}"
        if "version" in chart and not re.fullmatch(r"v?\d+\.\d+\.\d+", chart["version"]):
            yield f"{name}: {chart['version']}"


def key_in_the_open(f: Facts) -> Iterator[str]:
    """A key or token in values, in a plan, in the state."""
    yield from secrets_in((f.objects, f.charts, f.vault))
    for kind, root in f.vault:
        if kind == "SecretBackendRootCert" and root["type"] != "internal":
            yield f"{root['issuerName']}: Vault gives the key out"


def static_login(f: Facts) -> Iterator[str]:
    """A token that never ends, in a Secret, or an address without TLS."""
    stores = [m["spec"]["provider"] for k in ("ClusterSecretStore", "SecretStore") for m in f.of(k)]
    for holder in (*stores, *(i["spec"] for i in f.of("ClusterIssuer"))):
        if vault := holder.get("vault"):
            if set(vault["auth"]) != {"kubernetes"} or "secretRef" in vault["auth"]["kubernetes"]:
                yield f"a login by {', '.join(vault['auth'])}"
            if not vault["server"].startswith("https://"):
                yield f"Vault at {vault['server']}"


def config_ignored(f: Facts) -> Iterator[str]:
    """What the operator wrote, and no object says."""
    trust = f.config.trust
    said = {
        "linkerd-identity-issuer": (trust.issuer.duration, trust.issuer.renew_before),
        "linkerd-webhook-ca": (trust.webhooks.ca_duration, trust.webhooks.ca_renew_before),
    }
    hooks = (trust.webhooks.duration, trust.webhooks.renew_before)
    for certificate in f.certificates:
        if certificate in f.roots:
            continue
        spec = certificate["spec"]
        lifetimes = said.get(certificate["metadata"]["name"], hooks)
        if (spec["duration"], spec["renewBefore"]) != tuple(d.go for d in lifetimes):
            yield f"{name_of(certificate)}: {spec['duration']}, {spec['renewBefore']}"
    if chart := f.charts.get("linkerd-control-plane"):
        issuer = chart["values"]["identity"]["issuer"]
        if issuer["issuanceLifetime"] != trust.issuer.leaf_lifetime.go:
            yield f"leaves live for {issuer['issuanceLifetime']}"
        if chart["values"]["controllerReplicas"] != f.config.linkerd.replicas:
            yield "replicas"


def before_its_operator(f: Facts) -> Iterator[str]:
    """A Certificate that is applied before cert-manager answers for it."""
    for name, after in f.after.items():
        if not {"cert-manager-cert-manager", "cert-manager-cert-manager-crds"} <= after:
            yield f"Certificate {name} does not wait for cert-manager"
