"""Stack files with one fault each: what is changed in a good one, and what must be said of it."""

from __future__ import annotations

from typing import Any

from schema.faults import PROJECT
from tests.unit import (
    one_fault_egress,
    one_fault_egress_gateway,
    one_fault_ingress,
    one_fault_no_effect,
    one_fault_observability,
    one_fault_policy,
    one_fault_rollout,
    one_fault_routing,
    one_fault_tracing,
    one_fault_traffic,
)
from tests.unit.stack_files import REMOVE, KeyPath, certificate

ISSUER: KeyPath = ("trust", "issuer")
HOOKS: KeyPath = ("trust", "webhooks")
CREDENTIALS: KeyPath = ("buoyantCloud", "credentials")
NETWORKS: KeyPath = ("cluster", "networks")

# name -> changes, key that the line names, part of the line
ONE_FAULT: dict[str, tuple[dict[KeyPath, Any], str, str]] = {
    # unknown keys
    "misspelt": ({("linkerd", "replcas"): 3}, "linkerd.replcas", "did you mean 'replicas'?"),
    "snake-case": ({("vault", "pki_mount"): "a"}, "vault.pki_mount", "did you mean 'pkiMount'?"),
    "kebab-case": ({("vault", "kv-mount"): "a"}, "vault.kv-mount", "did you mean 'kvMount'?"),
    "wrong-section": (
        {("leafLifetime",): "24h"},
        "leafLifetime",
        f"did you mean {PROJECT}:trust.issuer.leafLifetime?",
    ),
    "wrong-level": (
        {("linkerd", "renewBefore"): "24h"},
        "linkerd.renewBefore",
        f"did you mean {PROJECT}:trust.issuer.renewBefore?",
    ),
    "nothing-near": ({("protection", "zzz"): 1}, "protection.zzz", "valid here: protect"),
    "dotted": ({("trust.signing",): "a"}, "trust.signing", "one level per line, without dots"),
    "in-a-list": (
        {("trust", "generations", 0, "lifetme"): "1d"},
        "trust.generations[0].lifetme",
        "did you mean 'lifetime'?",
    ),
    "not-yet-a-section": ({("quantum",): {"a": 1}}, "quantum", "valid here: role, cluster"),
    # missing keys
    "role-missing": ({("role",): REMOVE}, "role", "missing: `owner`: keeper"),
    "vault-missing": ({("vault",): REMOVE}, "vault", "missing: The Vault that keeps"),
    "signing-missing": ({("trust", "signing"): REMOVE}, "trust.signing", "missing: Name"),
    "generations-missing": (
        {("trust", "generations"): REMOVE},
        "trust.generations",
        "missing: The trust anchors",
    ),
    "api-server-missing": ({("cluster", "apiServer"): REMOVE}, "cluster.apiServer", "missing"),
    # wrong types
    "text-for-number": ({("linkerd", "replicas"): "3"}, "linkerd.replicas", "but it is '3'"),
    "text-for-bool": ({("linkerd", "ha"): "true"}, "linkerd.ha", "true or false, without quotes"),
    "number-for-bool": ({("viz", "enabled"): 1}, "viz.enabled", "true or false"),
    "bool-for-number": ({("linkerd", "replicas"): True}, "linkerd.replicas", "a whole number"),
    "fraction": ({("linkerd", "replicas"): 3.5}, "linkerd.replicas", "a whole number"),
    "number-for-text": ({("cluster", "context"): 7}, "cluster.context", "text, in quotes"),
    "text-for-section": ({("linkerd",): "ha"}, "linkerd", "a section with keys of its own"),
    "list-for-section": ({("linkerd",): ["ha"]}, "linkerd", "a section with keys of its own"),
    "section-for-text": ({("cluster", "context"): {"a": 1}}, "cluster.context", "should be text"),
    "section-for-list": ({NETWORKS: {"a": "b"}}, "cluster.networks", "should be a list"),
    "text-for-list": ({NETWORKS: "10.0.0.0/8"}, "cluster.networks", "should be a list"),
    "text-for-item": (
        {("trust", "generations", 0): "anchor-1"},
        "trust.generations[0]",
        "a section with keys of its own, but it is 'anchor-1'",
    ),
    "null-section": ({("linkerd",): None}, "linkerd", "a section with keys of its own"),
    "null-value": ({("linkerd", "replicas"): None}, "linkerd.replicas", "but it is empty"),
    "unknown-choice": ({("role",): "clutser"}, "role", "'owner', 'cluster' or 'standalone'"),
    "unknown-policy": (
        {("linkerd", "defaultInboundPolicy"): "all-autenticated"},
        "linkerd.defaultInboundPolicy",
        "'all-authenticated'",
    ),
    "too-few": ({("certManager", "replicas"): 0}, "certManager.replicas", "but it is 0"),
    "too-many": ({("certManager", "replicas"): 51}, "certManager.replicas", "but it is 51"),
    # durations
    "duration-as-number": ({(*ISSUER, "duration"): 48}, "trust.issuer.duration", "'48h'"),
    "duration-without-unit": ({(*ISSUER, "duration"): "48"}, "trust.issuer.duration", "like 48h"),
    "duration-of-nothing": (
        {("vault", "tokenTtl"): "0s"},
        "vault.tokenTtl",
        "is zero",
    ),
    "duration-negative": ({("vault", "tokenTtl"): "-1h"}, "vault.tokenTtl", "not a duration"),
    "duration-beyond-go": ({("vault", "tokenTtl"): "999999d"}, "vault.tokenTtl", "too long"),
    "renewal-after-end": (
        {(*ISSUER, "renewBefore"): "48h"},
        "trust.issuer.renewBefore",
        "48h must be shorter than duration 48h",
    ),
    "renewal-below-leaf": (
        {(*ISSUER, "renewBefore"): "24h"},
        "trust.issuer.renewBefore",
        "24h must be longer than a leaf's lifetime with clock skew (24h20s)",
    ),
    "issuer-outlives-root": (
        {("trust", "generations", 0, "lifetime"): "48h"},
        "trust.generations[0].lifetime",
        "48h must be longer than the issuer it signs (48h)",
    ),
    "webhook-outlives-its-ca": (
        {(*HOOKS, "caRenewBefore"): "6d"},
        "trust.webhooks.duration",
        "168h must not be longer than caRenewBefore (144h)",
    ),
    "webhook-below-least": (
        {(*HOOKS, "duration"): "59m", (*HOOKS, "renewBefore"): "10m"},
        "trust.webhooks.duration",
        "59m is below cert-manager's least duration of 1h",
    ),
    "renewal-below-least": (
        {(*HOOKS, "renewBefore"): "299s"},
        "trust.webhooks.renewBefore",
        "4m59s is below cert-manager's least of 5m",
    ),
    "webhook-ca-renewal": (
        {(*HOOKS, "caDuration"): "30d"},
        "trust.webhooks.caRenewBefore",
        "1440h must be shorter than caDuration 720h",
    ),
    # generations
    "no-generation": ({("trust", "generations"): []}, "trust.generations", "at least one"),
    "signing-not-listed": (
        {("trust", "signing"): "anchor-2"},
        "trust.signing",
        "'anchor-2' is not one of the generations: name one of anchor-1",
    ),
    "listed-twice": (
        {("trust", "generations"): [{"name": "anchor-1"}, {"name": "anchor-1"}]},
        "trust.generations[1].name",
        "'anchor-1' is listed twice",
    ),
    # names and addresses
    "cluster-name": ({("cluster", "name"): "My_Cluster"}, "cluster.name", "write 'my-cluster'"),
    "cluster-name-long": ({("cluster", "name"): "a" * 64}, "cluster.name", "at most 63"),
    "cluster-name-unicode": ({("cluster", "name"): "stäging"}, "cluster.name", "write 'st-ging'"),
    "agent-name": (
        {("buoyantCloud", "agentName"): "-"},
        "buoyantCloud.agentName",
        "is not a Kubernetes name",
    ),
    "public_reports-trust-domain-too-long": (
        {("trust", "domain"): f"{'a' * 44}.com"},
        "trust.domain",
        "write a domain of at most 47",
    ),
    "trust-domain": ({("trust", "domain"): "cluster..local"}, "trust.domain", "cluster.local"),
    "http-vault": (
        {("vault", "address"): "http://vault.example.com:8200"},
        "vault.address",
        "not an https address",
    ),
    "vault-with-path": (
        {("vault", "address"): "https://vault/v1"},
        "vault.address",
        "not an https",
    ),
    "vault-port": ({("vault", "address"): "https://vault:99999"}, "vault.address", "not an https"),
    "vault-brackets": ({("vault", "address"): "https://[::"}, "vault.address", "not an https"),
    "mount-slashes": ({("vault", "pkiMount"): "/pki/"}, "vault.pkiMount", "without outer slashes"),
    "mount-reserved": ({("vault", "pkiMount"): "sys/pki"}, "vault.pkiMount", "is Vault's own"),
    "mounts-equal": ({("vault", "kvMount"): "linkerd/pki"}, "vault.kvMount", "one in the other"),
    "mounts-nested": ({("vault", "kvMount"): "linkerd"}, "vault.kvMount", "one in the other"),
    "transit-nested": (
        {("vault", "transitMount"): "linkerd/kv/t"},
        "vault.transitMount",
        "one in the other",
    ),
    "environment-near": ({("environment",): "prod"}, "environment", "did you mean 'production'?"),
    "blank-context": ({("cluster", "context"): " "}, "cluster.context", "not a plain text"),
    "empty-audience": ({("vault", "audience"): ""}, "vault.audience", "not a plain text"),
    "nul-in-path": ({("vault", "caFile"): "a\0b"}, "vault.caFile", "not a plain text"),
    "auth-mount-of-a-request": (
        {("vault", "authMount"): "auth/kubernetes"},
        "vault.authMount",
        "which Vault adds itself: write kubernetes",
    ),
    "vault-namespace-with-a-blank": (
        {("vault", "namespace"): "admin/team a"},
        "vault.namespace",
        "is not a namespace of Vault: write it like admin/team",
    ),
    "vault-namespace-with-a-gap": (
        {("vault", "namespace"): "admin//team"},
        "vault.namespace",
        "is not a namespace of Vault",
    ),
    "network": ({NETWORKS: ["10.0.0.0/8", "ten"]}, "cluster.networks[1]", "like 10.0.0.0/8"),
    "network-host-bits": ({NETWORKS: ["10.1.0.0/8"]}, "cluster.networks[0]", "is no network"),
    "network-no-slash": ({NETWORKS: ["10.0.0.0"]}, "cluster.networks[0]", "write '10.0.0.0/32'"),
    "no-networks": ({NETWORKS: []}, "cluster.networks", "lists none"),
    "prometheus": (
        {("viz", "prometheusUrl"): "prometheus:9090"},
        "viz.prometheusUrl",
        "write it like http://prometheus.monitoring:9090",
    ),
    # authorities
    "two-authorities": ({("cluster", "caFile"): "ca.crt"}, "cluster.caFile", "not both"),
    "no-authority": ({("cluster", "caPem"): REMOVE}, "cluster.caFile", "missing: Vault needs"),
    "no-certificate": ({("cluster", "caPem"): "x"}, "cluster.caPem", "is not a PEM certificate"),
    "certificate-cut": (
        {("cluster", "caPem"): certificate()[:120]},
        "cluster.caPem",
        "is not a PEM certificate",
    ),
    "key-for-certificate": (
        {("vault", "caPem"): "-----BEGIN EC PRIVATE " + "KEY-----"},
        "vault.caPem",
        "holds a private key",
    ),
    "authority-not-there": (
        {("vault", "caFile"): "none.crt"},
        "vault.caFile",
        "none.crt: No such file or directory",
    ),
    "authority-a-folder": ({("vault", "caFile"): "."}, "vault.caFile", "Is a directory"),
    # role and cluster
    "cluster-missing": ({("cluster",): REMOVE}, "cluster", "role 'cluster' needs a cluster"),
    "owner-with-cluster": ({("role",): "owner"}, "cluster", "role 'owner' has no cluster"),
    "webhooks-opened-elsewhere": (
        {("sandbox", "openWebhooks"): True},
        "sandbox.openWebhooks",
        "only for role 'standalone'",
    ),
    "open-webhooks-of-a-cluster-with-a-vault-elsewhere": (
        {("sandbox", "openWebhooks"): True, ("cluster", "apiServer"): "https://127.0.0.1:16443"},
        "sandbox.openWebhooks",
        "both the API server and Vault are on this",
    ),
    "open-webhooks-of-a-cluster-elsewhere": (
        {("sandbox", "openWebhooks"): True, ("vault", "address"): "https://[::1]:8200"},
        "sandbox.openWebhooks",
        "both the API server and Vault are on this",
    ),
    "mesh-without-linkerd": (
        {("sandbox", "linkerd"): False},
        "sandbox.linkerd",
        "only for role 'standalone'",
    ),
    "charts-that-nobody-vouches-for": (
        {("sandbox", "charts"): {"cert-manager": "v1.21.1"}},
        "sandbox.charts",
        "only for role 'standalone'",
    ),
    "chart-version-with-a-path": (
        {("sandbox", "charts"): {"cert-manager": "../1.21.1"}},
        "sandbox.charts.cert-manager",
        "'../1.21.1'",
    ),
    # the control plane
    "ha-with-two": ({("linkerd", "replicas"): 2}, "linkerd.replicas", "write 3, or ha: false"),
    "gateway-api-old": ({("gatewayApi", "version"): "1.1.0"}, "gatewayApi.version", "1.2.1 to"),
    "gateway-api-new": ({("gatewayApi", "version"): "1.5.2"}, "gatewayApi.version", "to 1.5.1"),
    "gateway-api-word": ({("gatewayApi", "version"): "v1.2.1"}, "gatewayApi.version", "'v1.2.1'"),
    "gateway-api-digits": (
        {("gatewayApi", "version"): "1.2.\uff11"},
        "gatewayApi.version",
        "is not one that Linkerd reads",
    ),
    # credentials
    "credentials-in-vault": (
        {(*CREDENTIALS, "clientId"): "a"},
        "buoyantCloud.credentials.clientId",
        "for source 'config': remove it",
    ),
    "credentials-below-anchors": (
        {(*CREDENTIALS, "vaultPath"): "anchors/buoyant"},
        "buoyantCloud.credentials.vaultPath",
        "every cluster may read",
    ),
    # keys of others
    "other-namespace": ({("kubernetes:context",): "a"}, "kubernetes:context", "remove it"),
    "misspelt-namespace": (
        {("linkerd-platfrom:viz",): {}},
        "linkerd-platfrom:viz",
        f"did you mean {PROJECT}:viz?",
    ),
}
ONE_FAULT |= one_fault_rollout.FAULTS
ONE_FAULT |= one_fault_egress.FAULTS
ONE_FAULT |= one_fault_egress_gateway.FAULTS
ONE_FAULT |= one_fault_ingress.FAULTS
ONE_FAULT |= one_fault_observability.FAULTS
ONE_FAULT |= one_fault_policy.FAULTS
ONE_FAULT |= one_fault_tracing.FAULTS
ONE_FAULT |= one_fault_routing.FAULTS
ONE_FAULT |= one_fault_traffic.FAULTS
ONE_FAULT |= one_fault_no_effect.FAULTS
