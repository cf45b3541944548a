"""How bad it is that an object is there which nobody declared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.changes.rules import Level
from bot.mesh.drift.fields import AddedFields
from bot.mesh.drift.severity import ROWS, makers, of_fields, severity
from components.names import Operators
from tests.unit.drift_samples import CREATED, declared, item

STATE = declared(certificates={("linkerd", "linkerd-identity-issuer"): "issuer"})


@pytest.mark.parametrize(
    ("title", "place", "level", "why"),
    [
        ("Secret", "linkerd/linkerd-identity-issuer", Level.CRITICAL, "has its key"),
        ("Certificate.cert-manager.io", "linkerd/second", Level.CRITICAL, "second owner"),
        ("Issuer.cert-manager.io", "cert-manager/x", Level.CRITICAL, "issue identities"),
        ("ClusterIssuer.cert-manager.io", "linkerd-old", Level.CRITICAL, "issue identities"),
        (
            "MutatingWebhookConfiguration.admissionregistration.k8s.io",
            "linkerd-x",
            Level.CRITICAL,
            "webhook",
        ),
        ("AuthorizationPolicy.policy.linkerd.io", "linkerd/x", Level.HIGH, "open or close"),
        ("Server.policy.linkerd.io", "linkerd/x", Level.HIGH, "open or close"),
        ("RoleBinding.rbac.authorization.k8s.io", "linkerd/x", Level.HIGH, "rights"),
        ("ServiceAccount", "linkerd/x", Level.HIGH, "rights"),
        ("Secret", "linkerd/x", Level.HIGH, "keys or credentials"),
        ("Certificate.cert-manager.io", "linkerd-viz/x", Level.HIGH, "from elsewhere"),
        ("ExternalSecret.external-secrets.io", "linkerd/x", Level.HIGH, "from elsewhere"),
        ("Deployment.apps", "linkerd/x", Level.HIGH, "runs among"),
        ("EndpointSlice.discovery.k8s.io", "linkerd/x", Level.HIGH, "traffic"),
        ("Namespace", "linkerd-jaeger", Level.HIGH, "not in the program"),
        ("ConfigMap", "linkerd/x", Level.MEDIUM, "nothing upgrades"),
        ("Widget.example.com", "linkerd/x", Level.MEDIUM, "nothing upgrades"),
    ],
)
def test_an_object_is_as_bad_as_what_it_can_do(
    title: str, place: str, level: Level, why: str
) -> None:
    """Who is on call decides by the first word of the line whether to get up."""
    assert severity(item(title, place), STATE)[0] is level
    assert why in severity(item(title, place), STATE)[1]


@pytest.mark.parametrize(
    ("namespace", "level"),
    [
        ("security", Level.CRITICAL),
        ("issuers", Level.CRITICAL),
        ("anchors", Level.CRITICAL),
        ("cert-manager", Level.HIGH),
        ("vault-sync", Level.HIGH),
    ],
)
def test_a_certificate_is_as_bad_as_what_reads_it_there(namespace: str, level: Level) -> None:
    """An operator that stays is in a namespace of its owner's, and so is what it reads."""
    where = Operators(
        cert_manager="security",
        trust_manager="trust-system",
        external_secrets="vault-sync",
        issuer_secrets="issuers",
        trust="anchors",
    )
    state = replace(STATE, operators=where)
    assert severity(item("Certificate.cert-manager.io", f"{namespace}/x"), state)[0] is level


def test_every_object_has_a_level() -> None:
    """The last row takes what is left."""
    assert ROWS[-1].applies(item("Widget.example.com", "linkerd/x"), STATE)


def test_who_filled_a_secret_comes_first() -> None:
    """Its labels may be anybody's."""
    edited = item("Secret", "linkerd/x", "kubectl-edit", data=True)
    labelled = item("Secret", "linkerd/x", "kubectl-label")
    both = item("Secret", "linkerd/x")
    object.__setattr__(both, "managed", (*labelled.managed, *edited.managed))
    assert makers(both) == ("kubectl-edit", "kubectl-label")
    assert makers(item("Secret", "linkerd/x")) == ("unknown",)


def test_a_field_of_a_workload_is_worse_than_one_of_a_config_map() -> None:
    """A container beside ours reads what ours read."""
    web, config = item("Deployment.apps", "linkerd/web"), item("ConfigMap", "linkerd/web")
    assert of_fields(AddedFields(web, "m", CREATED, ("spec.x",))) is Level.HIGH
    assert of_fields(AddedFields(config, "m", CREATED, ("data.x",))) is Level.MEDIUM
