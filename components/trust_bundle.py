"""The trust anchors in the cluster: from Vault, through a Secret each, to Linkerd's ConfigMap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import pulumi

from components.base import Args, Component, KubernetesObject, Manifest
from components.external_secrets import HasOperators, external_secret
from components.names import (
    CERT_MANAGER,
    CONTROL_PLANE_LABEL,
    TRUST_ROOTS_CONFIG_MAP,
    anchor_path,
)
from components.trust import HasTrust

CERTIFICATE_KEY = "ca.crt"


class TrustBundleArgs(Args):
    """Names of the trusted generations, oldest first, and how often Vault is read.

    namespace: where trust-manager reads the sources of Bundles.
    """

    generations: tuple[str, ...]
    refresh_interval: str = "10m0s"
    namespace: str = CERT_MANAGER


class TrustBundle(Component, area="trust"):
    """One ExternalSecret per generation and the Bundle of all.

    `bundle` is ready when the ConfigMap `linkerd-identity-trust-roots` holds every anchor.
    """

    bundle: KubernetesObject

    def __init__(
        self,
        name: str,
        args: TrustBundleArgs,
        published: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, opts)
        secrets = [
            self.apply(
                external_secret(
                    anchor_secret(generation),
                    args.namespace,
                    anchor_path(generation),
                    {CERTIFICATE_KEY: "certificate"},
                    args.refresh_interval,
                ),
                *published,
                wait_for="condition=Ready",
            )
            for generation in args.generations
        ]
        self.bundle = self.apply(bundle(args.generations), *secrets, wait_for="condition=Synced")
        self.done(configMap=TRUST_ROOTS_CONFIG_MAP, generations=list(args.generations))


def anchor_secret(generation: str) -> str:
    """Name of the Secret with the public certificate of a generation."""
    return f"linkerd-trust-anchor-{generation}"


def bundle(generations: Sequence[str]) -> Manifest:
    """The Bundle of the generations that come from Vault."""
    return bundle_of([anchor_secret(generation) for generation in generations], CERTIFICATE_KEY)


def bundle_of(secrets: Sequence[str], key: str) -> Manifest:
    """The Bundle that writes the ConfigMap, which is called after it.

    trust-manager orders the certificates itself, so that the same anchors are the same text, which
    `linkerd check --proxy` compares (linkerd2 pkg/healthcheck/healthcheck.go).
    Follows https://cert-manager.io/docs/trust/trust-manager/
    """
    return {
        "apiVersion": "trust.cert-manager.io/v1alpha1",
        "kind": "Bundle",
        "metadata": {"name": TRUST_ROOTS_CONFIG_MAP},
        "spec": {
            "sources": [{"secret": {"name": secret, "key": key}} for secret in secrets],
            "target": {
                "configMap": {"key": "ca-bundle.crt"},
                "namespaceSelector": {"matchLabels": {CONTROL_PLANE_LABEL: "true"}},
            },
        },
    }


class _Config(HasTrust, HasOperators, Protocol):
    """The sections that the bundle is made from."""


def arguments(config: _Config) -> TrustBundleArgs:
    """Arguments of `TrustBundle`."""
    return TrustBundleArgs(
        generations=tuple(g.name for g in config.trust.trusted),
        refresh_interval=config.external_secrets.refresh_interval.go,
        namespace=config.cert_manager.bundle_sources,
    )
