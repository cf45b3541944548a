"""Stack files with one fault each in the section `policy`, in the form of `one_fault`."""

from __future__ import annotations

import json
from typing import Any

from tests.unit.authorization_samples import Sections, service, stack
from tests.unit.stack_files import KeyPath, good

SHOP = "policy.namespaces.shop"
PORT = f"{SHOP}.services[0].ports[0]"
ANYBODY = {"networks": [{"cidr": "10.0.0.0/8"}]}
BAR = {"serviceAccounts": ["bar"]}


def sections(made: Sections) -> dict[KeyPath, Any]:
    """The whole sections of a stack file, as changes of the good one."""
    # Without the sharing of parts, which YAML would write as aliases.
    apart = json.loads(json.dumps(made))
    return {(key,): value for key, value in apart.items() if value != good().get(key)}


def one(port: Sections, **namespace: Any) -> dict[KeyPath, Any]:
    """Shop at `deny` with one port, which bar may call unless it says more."""
    inbound = {"defaultInboundPolicy": "deny"} | namespace
    return sections(stack(service(**({"allow": [BAR]} | port)), **inbound))


def whole(**policy: Any) -> dict[KeyPath, Any]:
    """Keys of the section itself."""
    return sections(stack(service(allow=[BAR]), whole=policy))


TWICE = {**service(allow=[BAR]), "name": "bar"}

FAULTS: dict[str, tuple[dict[KeyPath, Any], str, str]] = {
    # probes
    "policy-denies-probes-by-routes": (
        one({"routes": [{"name": "a", "path": "/a", "allow": [BAR]}]}),
        f"{PORT}.probes",
        "routes takes away the allowance that Linkerd gives probes by itself",
    ),
    "policy-denies-probes-by-metrics": (
        one({"metrics": "/metrics"}), f"{PORT}.probes", "list their paths, or []",
    ),
    "policy-denies-the-kubelet": (
        whole(kubeletNetworks=[]), "policy.kubeletNetworks", "would deny every probe",
    ),
    "policy-denies-webhooks": (
        whole(apiServerNetworks=[]), "policy.apiServerNetworks", "would deny every webhook",
    ),
    "policy-probes-of-opaque": (
        one({"protocol": "opaque", "probes": ["/a"]}), f"{PORT}.protocol", "has no paths",
    ),
    "policy-probes-of-grpc": (
        one({"protocol": "gRPC", "probes": ["/a"]}), f"{PORT}.protocol", "HTTP/2, which is right",
    ),
    # clients
    "policy-account-unmeshed": (
        one({"allow": [{"serviceAccounts": ["bar", "off/cart"]}]}),
        f"{PORT}.allow[0].serviceAccounts[1]",
        "pods of 'off' have no mesh identity (its wave 'later' is off)",
    ),
    "policy-account-unplanned": (
        one({"allow": [{"serviceAccounts": ["nowhere/cart"]}]}),
        f"{PORT}.allow[0].serviceAccounts[0]",
        "no wave of rollout has it",
    ),
    "policy-account-of-cert-manager": (
        one({"allow": [{"namespaces": ["cert-manager"]}]}),
        f"{PORT}.allow[0].namespaces[0]",
        "runs what the mesh itself needs",
    ),
    "policy-account-in-a-route": (
        one({"probes": [], "routes": [
            {"name": "a", "path": "/a", "allow": [{"serviceAccounts": ["off/cart"]}]}
        ]}),
        f"{PORT}.routes[0].allow[0].serviceAccounts[0]",
        "mesh the namespace first, or allow a network",
    ),
    "policy-nobody": (one({"allow": [{}]}), f"{PORT}.allow[0]", "names no client"),
    "policy-nobody-at-deny": (one({"allow": []}), PORT, "nobody could call 8080 of 'foo'"),
    "policy-nobody-at-a-route": (
        one({"probes": [], "routes": [{"name": "a", "path": "/a"}]}),
        f"{PORT}.routes[0].allow",
        "nobody could call /a",
    ),
    "policy-two-forms": (
        one({"allow": [{"serviceAccounts": ["bar"], "identities": ["*"]}]}),
        f"{PORT}.allow[0].identities",
        "an entry of their own",
    ),
    "policy-bad-account": (
        one({"allow": [{"serviceAccounts": ["a/b/c"]}]}),
        f"{PORT}.allow[0].serviceAccounts[0]",
        "write <name>, or <namespace>/<name>",
    ),
    "policy-bad-identity": (
        one({"allow": [{"identities": ["foo.*.bar"]}]}),
        f"{PORT}.allow[0].identities[0]",
        "is no mesh identity",
    ),
    "policy-bad-network": (
        one({"allow": [{"networks": [{"cidr": "10.0.0.1/8"}]}]}),
        f"{PORT}.allow[0].networks[0].cidr",
        "write '10.0.0.0/8'",
    ),
    "policy-except-outside": (
        one({"allow": [{"networks": [{"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}]}]}),
        f"{PORT}.allow[0].networks[0].except[0]",
        "is not inside 10.0.0.0/8",
    ),
    # default policies, strict mTLS and segmentation
    "policy-strict-audit": (
        one({}, strictMtls=True, defaultInboundPolicy="audit"),
        f"{SHOP}.defaultInboundPolicy",
        "which strictMtls forbids",
    ),
    "policy-strict-network": (
        one({"allow": [ANYBODY]}, strictMtls=True),
        f"{PORT}.allow[0].networks",
        "alone allow clients without mTLS",
    ),
    "policy-strict-webhook": (
        one({"apiServer": True}, strictMtls=True), f"{PORT}.apiServer", "has no mesh identity",
    ),
    "policy-strict-workload": (
        sections(
            stack(
                {**service(allow=[BAR]), "defaultInboundPolicy": "audit"},
                defaultInboundPolicy="deny",
                strictMtls=True,
            )
        ),
        f"{SHOP}.services[0].defaultInboundPolicy",
        "which strictMtls forbids",
    ),
    "policy-segment-open": (
        one({}, defaultInboundPolicy="all-authenticated", allowFrom=["web"]),
        f"{SHOP}.allowFrom",
        "write defaultInboundPolicy: audit, to see who would be denied, or deny",
    ),
    "policy-segment-unmeshed": (
        one({}, allowFrom=["off"]), f"{SHOP}.allowFrom[0]", "mesh it first, or remove it",
    ),
    "policy-outside-segment": (
        one({"allow": [{"serviceAccounts": ["web/cart"]}]}, allowFrom=["linkerd-viz"]),
        f"{PORT}.allow[0].serviceAccounts[0]",
        "'web' is not in allowFrom of 'shop'",
    ),
    # Servers
    "policy-port-twice": (
        sections(stack(service(allow=[BAR]), TWICE)),
        f"{SHOP}.services[1].ports[0].port",
        "Linkerd refuses the second Server of a port",
    ),
    "policy-server-twice": (
        sections(stack(service(allow=[BAR]), {**service(), "selector": {"app": "b"}})),
        f"{SHOP}.services[1].ports[0].port",
        "has a Server of the name 'foo-8080' already",
    ),
    "policy-name-of-the-namespaces-own": (
        sections(stack({
            "name": "proxy", "selector": {"app": "p"}, "ports": [{"port": "admin", "allow": [BAR]}]
        })),
        PORT,
        "the Server 'proxy-admin' would be made twice, here and by the namespace",
    ),
    "policy-two-rules-of-one-name": (
        one({"probes": [], "routes": [
            {"name": "a", "path": "/a", "allow": [{"serviceAccounts": ["b-c"]}]},
            {"name": "a-b", "path": "/b", "allow": [{"serviceAccounts": ["c"]}]},
        ]}),
        PORT,
        "the AuthorizationPolicy 'foo-8080-a-b-c' would be made twice, here and by port 8080",
    ),
    "policy-no-port": (
        sections(stack({**service(), "ports": []})), f"{SHOP}.services[0].ports", "lists none",
    ),
    "policy-every-pod": (
        sections(stack({**service(), "selector": {}})),
        f"{SHOP}.services[0].selector",
        "selects every pod",
    ),
    "policy-bad-port": (one({"port": 70000}), f"{PORT}.port", "is no port"),
    "policy-reserved-route": (
        one({"probes": [], "routes": [{"name": "rest", "path": "/a", "allow": [BAR]}]}),
        f"{PORT}.routes[0].name",
        "'rest' is taken",
    ),
    "policy-query": (one({"probes": ["/a?b=1"]}), f"{PORT}.probes[0]", "without a query"),
    # rate limits
    "policy-limits-nothing": (one({"rateLimit": {}}), f"{PORT}.rateLimit", "limits nothing: write"),
    "policy-limit-of-zero": (
        one({"rateLimit": {"total": 0}}), f"{PORT}.rateLimit.total", "but it is 0",
    ),
    "policy-limit-of-grpc": (
        one({"protocol": "gRPC", "rateLimit": {"total": 9}}),
        f"{PORT}.rateLimit",
        "limits no port of protocol 'gRPC': write HTTP/2",
    ),
    "policy-limit-of-opaque": (
        one({"protocol": "opaque", "rateLimit": {"total": 9}}), f"{PORT}.rateLimit", "remove it",
    ),
    "policy-limit-above-total": (
        one({"rateLimit": {"total": 9, "perClient": 10}}),
        f"{PORT}.rateLimit.perClient",
        "10 is more than total 9, and Linkerd refuses it",
    ),
    "policy-override-above-total": (
        one({"rateLimit": {"total": 9, "overrides": [{"serviceAccounts": ["bar"], "rate": 10}]}}),
        f"{PORT}.rateLimit.overrides[0].rate",
        "write at most that",
    ),
    "policy-override-of-nobody": (
        one({"rateLimit": {"overrides": [{"serviceAccounts": [], "rate": 10}]}}),
        f"{PORT}.rateLimit.overrides[0].serviceAccounts",
        "names no client",
    ),
    "policy-override-twice": (
        one({"rateLimit": {"overrides": [{"serviceAccounts": ["bar", "shop/bar"], "rate": 10}]}}),
        f"{PORT}.rateLimit.overrides[0].serviceAccounts[1]",
        "'shop/bar' has a rate already",
    ),
    "policy-override-unmeshed": (
        one({"rateLimit": {"overrides": [{"serviceAccounts": ["off/cart"], "rate": 10}]}}),
        f"{PORT}.rateLimit.overrides[0].serviceAccounts[0]",
        "have no mesh identity (its wave 'later' is off), so this rate would be nobody's",
    ),
    "policy-override-not-allowed": (
        one(
            {"rateLimit": {"overrides": [{"serviceAccounts": ["web/a"], "rate": 10}]}},
            allowFrom=["linkerd-viz"],
        ),
        f"{PORT}.rateLimit.overrides[0].serviceAccounts[0]",
        "'web' is not in allowFrom of 'shop', so this rate would be nobody's",
    ),
    # the section
    "policy-cluster-denies-metrics": (
        {**whole(), ("linkerd", "defaultInboundPolicy"): "deny"},
        "linkerd.defaultInboundPolicy",
        "'deny' would deny Prometheus the proxies' metrics in web: list them under",
    ),
    "policy-cluster-denies-networks": (
        {
            **whole(prometheus={"networks": [{"cidr": "10.0.0.0/8"}]}),
            ("linkerd", "defaultInboundPolicy"): "cluster-authenticated",
        },
        "linkerd.defaultInboundPolicy",
        "(`web: {}` is enough)",
    ),
    "policy-unplanned": (
        {("policy", "namespaces"): {"shop": {}}}, SHOP, "is in no wave of rollout",
    ),
    "policy-prometheus-off": (
        {**whole(), ("viz",): {"enabled": False}}, "policy.prometheus", "viz brings none",
    ),
    "policy-prometheus-unmeshed": (
        whole(prometheus={"serviceAccount": "off/prometheus"}),
        "policy.prometheus",
        "name a meshed account, or its networks",
    ),
    "policy-prometheus-nowhere": (
        whole(prometheus={"serviceAccount": "prometheus"}),
        "policy.prometheus.serviceAccount",
        "names no namespace",
    ),
    "policy-unknown-key": (one({"alow": [BAR]}), f"{PORT}.alow", "did you mean 'allow'?"),
    "policy-unknown-default": (
        one({}, defaultInboundPolicy="denied"),
        f"{SHOP}.defaultInboundPolicy",
        "deny",
    ),
    "policy-bad-namespace": (
        {("policy", "namespaces"): {"Shop": {}}}, "policy.namespaces.Shop", "write 'shop'",
    ),
}  # fmt: skip
