"""Resources as small as a policy needs them, and what is known of their stack."""

from __future__ import annotations

import functools
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from policies.catalog import POLICIES, breaches_of
from policies.model import OWNER_LABEL, CheckedResource, Context, Options

PRODUCTION = Context("production", production=True, expendable=False, failure_policy="Fail")
STAGING = Context("staging", production=False, expendable=False, failure_policy="Fail")
SANDBOX = Context("sandbox", production=False, expendable=True, failure_policy="Fail")
COMPONENT = "linkerd.io/control-plane-component"


def texts(policy: str, *subjects: CheckedResource, context: Context = PRODUCTION) -> list[str]:
    """What one policy says about these resources, one text per breach."""
    (found,) = [each for each in POLICIES if each.id == policy]
    return [breach.text for breach in breaches_of(found, subjects, context)]


def subject(
    type_: str, name: str = "it", options: Options | None = None, **props: Any
) -> CheckedResource:
    """A resource that is no Kubernetes object."""
    urn = f"urn:pulumi:production::linkerd-platform::{type_}::{name}"
    return CheckedResource(urn, type_, name, props, options or Options())


def thing(
    kind: str,
    name: str = "it",
    namespace: str = "linkerd",
    *,
    group: str = "core/v1",
    options: Options | None = None,
    labels: Any = None,
    **parts: Any,
) -> CheckedResource:
    """A Kubernetes object."""
    metadata = {"name": name, "namespace": namespace}
    if labels is not None:
        metadata["labels"] = labels
    version = group.removeprefix("core/")
    props = {"apiVersion": version, "kind": kind, "metadata": metadata, **parts}
    return subject(f"kubernetes:{group}:{kind}", name, options, **props)


def deployment(name: str = "identity", **spec: Any) -> CheckedResource:
    """A Deployment of the control plane that production takes as it is."""
    labels = {COMPONENT: name}
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": labels}}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    pod = {"affinity": affinity, "containers": [{"name": "c", "image": "registry/image:v1"}]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return thing(
        "Deployment",
        f"linkerd-{name}",
        group="apps/v1",
        labels={OWNER_LABEL: "production"},
        spec={"replicas": 3, "template": template, **spec},
    )


def budget(name: str = "identity", **spec: Any) -> CheckedResource:
    """The PodDisruptionBudget of `deployment`."""
    return thing(
        "PodDisruptionBudget",
        f"linkerd-{name}",
        group="policy/v1",
        spec={"selector": {"matchLabels": {COMPONENT: name}}, **(spec or {"maxUnavailable": 1})},
    )


@functools.cache
def private_key(form: str = "PKCS8") -> str:
    """A private key as PEM, made for this run."""
    forms = {
        "PKCS8": serialization.PrivateFormat.PKCS8,
        "SEC1": serialization.PrivateFormat.TraditionalOpenSSL,
        "OpenSSH": serialization.PrivateFormat.OpenSSH,
    }
    key = ec.generate_private_key(ec.SECP256R1())
    none = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, forms[form], none).decode()
