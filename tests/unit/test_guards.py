"""Every certificate fault of public Linkerd installations has a search here, over every program.

Each search is run over all real stack files and over every custody and step of a rotation, and then
over a program that has the fault, which it must find.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.unit import guards_certificates as certificates
from tests.unit import guards_objects as objects
from tests.unit.custody import VARIANTS, variant
from tests.unit.guard_facts import Facts, facts
from tests.unit.stack_files import STACKS
from tests.unit.whole_program import Evaluated, evaluated

Search = Callable[[Facts], Iterator[str]]
Spoil = Callable[[Facts], object]


def spec(kind: str, name: str, **values: Any) -> Spoil:
    """Sets keys of the spec of one object; `None` removes one."""

    def spoil(f: Facts) -> None:
        target = f.one(kind, name)["spec"]
        for key, value in values.items():
            if value is None:
                del target[key]
            else:
                target[key] = value

    return spoil


def key(name: str, **values: Any) -> Spoil:
    """Sets keys of a Certificate's `privateKey`; `None` removes one."""

    def spoil(f: Facts) -> None:
        target = f.one("Certificate", name)["spec"]["privateKey"]
        target |= values
        for gone in [k for k, v in values.items() if v is None]:
            del target[gone]

    return spoil


def value(section: str, **values: Any) -> Spoil:
    """Sets values of the control plane's chart."""
    return lambda f: (
        f.charts["linkerd-control-plane"]["values"].setdefault(section, {}).update(values)
    )


def vault(kind: str, **values: Any) -> Spoil:
    """Sets inputs of the resources of one kind in Vault."""
    return lambda f: [inputs.update(values) for k, inputs in f.vault if k == kind]


def labels(namespace: str, **changes: str) -> Spoil:
    """Takes the labels of a namespace away, and sets others."""
    return lambda f: f.one("Namespace", namespace)["metadata"].update({"labels": changes})


ROOT, ISSUER, CA = "-b-origin", "linkerd-identity-issuer", "linkerd-webhook-ca"
POLICY = "linkerd-policy-validator-k8s-tls"
PEM = "-----BEGIN EC PRIVATE " + "KEY-----"

# fault -> where it was seen, what finds it, and changes that each bring it in
GUARDS: dict[str, tuple[str, Search, list[Spoil]]] = {
    "anchor re-issued unattended, with a new key": (
        "bel-examples every 14 d, Linkerd-Flux on day 60; XenitAB, particuleio after a year",
        certificates.anchor_renewed,
        [
            spec("Certificate", ROOT, renewal=None),
            spec("Certificate", ROOT, renewBefore="87264h0m0s"),
            key(ROOT, rotationPolicy="Always"),
            spec("PushSecret", ROOT, updatePolicy="Replace"),
        ],
    ),
    "anchor that Vault or a default cuts": (
        "real-world-argo-linkerd: a root of 2160 h; Vault's mounts cut to 768 h",
        certificates.anchor_shorter_than_said,
        [
            vault("SecretBackendRootCert", ttl="7776000"),
            vault("Mount", type="pki", maxLeaseTtlSeconds=768 * 3600),
            spec("Certificate", ROOT, duration="2160h0m0s"),
        ],
    ),
    "renewBefore counted from the wrong end": (
        "Linkerd-Flux: 365 d with renewBefore 305 d, read as `60 days remaining`",
        certificates.renewal_reversed,
        [
            spec("Certificate", CA, renewBefore="7320h0m0s"),
            spec("Certificate", CA, renewBefore="8760h0m0s"),
        ],
    ),
    "issuer that ends before its leaves": (
        "linkerd.io: renewBefore must be longer than a proxy's certificate lives",
        certificates.leaf_cut_short,
        [spec("Certificate", ISSUER, renewBefore="24h0m20s")],
    ),
    "certificates for a year or for 21, never rotated": (
        "dasmeta (187 600 h), medwing, Azure-Terraform, giantswarm (1 year, by hand)",
        certificates.lives_for_years,
        [
            spec("Certificate", POLICY, duration="187600h0m0s"),
            spec("Certificate", ISSUER, renewBefore=None),
        ],
    ),
    "rotationPolicy left to a default that changed": (
        "cert-manager 1.18: Never became Always",
        certificates.policy_left_to_default,
        [key(CA, rotationPolicy=None), spec("Certificate", ISSUER, privateKey={"size": 256})],
    ),
    "issuer that linkerd-identity refuses": (
        "linkerd2#6428, #6453, #10391 (a leaf), dasmeta (root and issuer of one name)",
        certificates.issuer_not_a_ca,
        [
            spec("Certificate", ISSUER, isCA=False),
            key(ISSUER, size=384),
            spec("Certificate", ISSUER, usages=["cert sign"]),
            spec("Certificate", ISSUER, commonName="root.linkerd.cluster.local"),
            spec("ClusterIssuer", "issuer-b", vault={"path": "linkerd/pki/sign/linkerd"}),
            spec("ClusterIssuer", "issuer-b", vault={"path": "pki/root/sign-intermediate"}),
        ],
    ),
    "SEC1 key where the server in Rust reads PKCS8": (
        "linkerd2#7963; dasmeta#158: a failed rollout",
        certificates.wrong_encoding,
        [key(POLICY, encoding="PKCS1"), key(POLICY, encoding=None)],
    ),
    "webhook certificates made by Helm": (
        "medwing, dasmeta, rtlnl; Azure-Terraform left the policy validator out",
        objects.webhook_made_by_helm,
        [
            value("policyValidator", externalSecret=False),
            value("proxyInjector", injectCaFrom="linkerd/linkerd-proxy-injector"),
            value("profileValidator", caBundle="x"),
        ],
    ),
    "injector that may be away in silence": (
        "dasmeta#158: an expired certificate, and dozens of pods outside the mesh for months",
        objects.injector_may_be_away,
        [
            lambda f: f.charts["linkerd-control-plane"]["values"].update(
                webhookFailurePolicy="Ignore"
            )
        ],
    ),
    "label that is nearly right": (
        "GaruGaru `linkerd.io/admission-webhooks`, particuleio `.../admission-webhook`",
        objects.wrong_label,
        [
            labels("cert-manager", **{"config.linkerd.io/admission-webhook": "disabled"}),
            labels("linkerd-viz", **{"linkerd.io/admission-webhooks": "disabled"}),
            labels("external-secrets"),
        ],
    ),
    "two owners of one Secret or ConfigMap": (
        "GaruGaru: chart and cert-manager both own linkerd-identity-issuer",
        objects.two_owners,
        [
            spec("Certificate", ISSUER, secretName="linkerd-policy-validator-k8s-tls"),
            lambda f: f.objects.append(dict(f.one("ExternalSecret", "-anchor-b"))),
            value("identity", externalCA=False),
            value("identity", issuer={"scheme": "linkerd.io/tls"}),
        ],
    ),
    "CA issuer on a Secret that nobody makes": (
        "particuleio: with trust_anchor_pem given",
        objects.signs_with_nothing,
        [
            spec("ClusterIssuer", "issuer-b", ca={"secretName": "linkerd-trust-anchor"}),
            spec("ClusterIssuer", CA, ca={"secretName": "linkerd-webhook"}),
            lambda f: f.objects.remove(f.one("ExternalSecret", "-b-key")),
            lambda f: f.objects.remove(f.one("ClusterIssuer", "issuer-b")),
        ],
    ),
    "bundle that holds the newest anchor only": (
        "bel-examples, Linkerd-Flux; Vault blog of 2024: ca.crt of the issuer's own Secret",
        objects.bundle_of_the_newest,
        [
            lambda f: f.one("Bundle", "roots")["spec"]["sources"].pop(0),
            lambda f: f.one("Bundle", "roots")["spec"]["sources"].reverse(),
            spec("Bundle", "roots", sources=[{"secret": {"name": ISSUER, "key": "ca.crt"}}]),
            lambda f: f.one("ExternalSecret", "-anchor-a")["spec"]["data"][0].update(
                remoteRef={"key": "anchors/b", "property": "certificate"}
            ),
        ],
    ),
    "bundle for a namespace without the label": (
        "linkerd.io: pods hang; bel-examples makes the namespace without labels",
        objects.bundle_for_nobody,
        [labels("linkerd"), labels("linkerd-viz", **{"linkerd.io/is-control-plane": "true"})],
    ),
    "floating versions": (
        "medwing (no version at all), gitops-linkerd (`1.x`)",
        objects.floating_version,
        [
            lambda f: f.charts["linkerd-control-plane"].update(chart="linkerd/linkerd2"),
            lambda f: f.charts["linkerd-crds"].update(version="1.x"),
        ],
    ),
    "keys in values, plan or state": (
        "rtlnl, gitops-linkerd (committed), dasmeta#159 (in the plan), GaruGaru (state)",
        objects.key_in_the_open,
        [
            value("identity", issuer={"tls": {"keyPEM": PEM}}),
            lambda f: f.objects.append({"kind": "Secret", "stringData": {"tls.key": PEM}}),
            vault("SecretBackendRootCert", type="exported"),
            vault("SecretV2", dataJson=PEM),
        ],
    ),
    "a token that never ends, or Vault without TLS": (
        "real-world-argo-linkerd (767 h token, http), Linkerd-Flux (root token)",
        objects.static_login,
        [
            lambda f: f.one("ClusterSecretStore", "vault")["spec"]["provider"]["vault"].update(
                auth={"tokenSecretRef": {"name": "vault-token"}}
            ),
            lambda f: f.one("SecretStore", "anchor")["spec"]["provider"]["vault"].update(
                server="http://vault:8200"
            ),
        ],
    ),
    "what the operator wrote is ignored": (
        "GaruGaru (coalesce), Azure-Terraform (`renewbefore`), medwing (dead variables)",
        objects.config_ignored,
        [
            spec("Certificate", ISSUER, duration="96h0m0s"),
            spec("Certificate", POLICY, renewBefore="24h0m0s"),
            spec("Certificate", CA, duration="87600h0m0s"),
            value("identity", issuer={"issuanceLifetime": "48h0m0s"}),
            lambda f: f.charts["linkerd-control-plane"]["values"].update(controllerReplicas=1),
        ],
    ),
    "certificates before cert-manager": (
        "particuleio, bel-examples: no depends_on; rtlnl#4",
        objects.before_its_operator,
        [
            lambda f: f.after[ISSUER].clear(),
            lambda f: f.after["linkerd-trust-anchor-b-origin"].clear(),
        ],
    ),
}
PROGRAMS: dict[str, Callable[[], Evaluated]] = {
    **{stack: lambda stack=stack: evaluated(stack, False) for stack in STACKS},
    **{"-".join(v): lambda v=v: variant(*v) for v in VARIANTS},
}


@functools.cache
def pristine(program: str) -> Facts:
    """A program's facts, which the searches only read."""
    return facts(PROGRAMS[program]())


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("fault", GUARDS)
def test_no_program_has_a_fault_of_a_public_installation(fault: str, program: str) -> None:
    """They were all found by an outage or an issue; here a test finds them."""
    assert list(GUARDS[fault][1](pristine(program))) == [], GUARDS[fault][0]


@pytest.mark.parametrize(
    ("fault", "index"), [(f, i) for f, (_, _, spoils) in GUARDS.items() for i in range(len(spoils))]
)
def test_each_search_finds_its_fault(fault: str, index: int) -> None:
    """A search over the wrong key passes for ever."""
    _, search, spoils = GUARDS[fault]
    # In the middle of a rotation, both custodies are there.
    spoilt = facts(variant("standalone", "switched"))
    assert list(search(spoilt)) == []
    spoils[index](spoilt)
    assert list(search(spoilt))
