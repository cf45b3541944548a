"""Each row of the risk table: a change that it is for, and one close to it that it is not for."""

from __future__ import annotations

from typing import Any

import pytest

from bot.changes import risk
from bot.changes.model import Change, FieldChange, Op
from bot.changes.rules import AT_CREATION, DEFAULTS, RULES
from tests.unit import changes_alert_cases, changes_gateway_cases, changes_traffic_cases
from tests.unit.changes_samples import dashboard, resource, settings, thing, workload

_ROOT = "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert"
_CHART = "linkerd-platform:mesh:Linkerd$kubernetes:helm.sh/v4:Chart$"
_ANNOTATION = "config.linkerd.io/default-inbound-policy"
_CRDS = {"name": "linkerd-crds", "version": "1.0.0"}


def _versions(*served: bool) -> dict[str, object]:
    return {"spec": {"versions": [{"name": f"v{n}", "served": s} for n, s in enumerate(served)]}}


def _bundle(*names: str) -> dict[str, object]:
    return {"spec": {"sources": [{"secret": {"name": name}} for name in names], "target": {"x": 1}}}


def _issuer(name: str, duration: str = "48h0m0s") -> dict[str, object]:
    return {"spec": {"issuerRef": {"name": name}, "duration": duration}}


def _hook(policy: str, rules: str = "pods") -> dict[str, object]:
    return {"webhooks": [{"name": "h", "failurePolicy": policy, "rules": [rules]}]}


def _rules(resource_: str, *verbs: str) -> dict[str, object]:
    return {"rules": [{"apiGroups": [""], "resources": [resource_], "verbs": list(verbs)}]}


def _binding(role: str, *subjects: str) -> dict[str, object]:
    return {"roleRef": {"name": role}, "subjects": [{"name": name} for name in subjects]}


def _mark(key: str, value: str) -> dict[str, object]:
    return {"metadata": {"annotations": {key: value}}}


def _spread(anti: object) -> dict[str, object]:
    return {"template": {"spec": {"affinity": {"podAntiAffinity": anti}}}}


def _identities(*names: str) -> dict[str, object]:
    return {"spec": {"identities": list(names)}}


def _account(*sides: Any) -> Change:
    return thing("ServiceAccount", "web/a", *sides)


def _outside(policy: str, *networks: str) -> dict[str, object]:
    return {"spec": {"trafficPolicy": policy, "networks": list(networks)}}


def _route(kind: str) -> dict[str, object]:
    return {"spec": {"parentRefs": [{"kind": kind, "name": "egress"}]}}


_OUT = {"parentRefs": [{"kind": "EgressNetwork", "name": "egress"}]}


def _provider(*versions: str) -> Change:
    sides = ({"version": version} for version in versions)
    return resource("pulumi:providers:kubernetes", "cluster", *sides)


def _alert(*names: str, expr: str = "a") -> dict[str, object]:
    return {"spec": {"groups": [{"rules": [{"alert": name, "expr": expr} for name in names]}]}}


def _patch(*sides: dict[str, Any] | None) -> Change:
    made = ({"kind": "Namespace", "metadata": {}, **s} if s is not None else None for s in sides)
    return resource("kubernetes:core/v1:NamespacePatch", "shop", *made)


def _lets_out(*networks: str) -> dict[str, object]:
    blocks = [{"ipBlock": {"cidr": network}} for network in networks]
    return {"spec": {"policyTypes": ["Egress"], "egress": [{"to": blocks}]}}


def _protect(*, after: bool) -> FieldChange:
    return FieldChange(path="protect", before=not after, after=after)


_BINDING = "ValidatingAdmissionPolicyBinding"
_ROLE = "vault:kubernetes/authBackendRole:AuthBackendRole"
_PDB = "PodDisruptionBudget"
_HOOK = "MutatingWebhookConfiguration"
_BUNDLE = "linkerd-identity-trust-roots"
_ISSUER = "linkerd/linkerd-identity-issuer"
_TEMPLATE = ({"template": {"x": 1}}, {"template": {"x": 2}})
# fmt: off
# Rule -> a change that it is for, and one that it is not for.
CASES: dict[str, tuple[Change, Change]] = {
    "protected-goes": (
        resource(_ROOT, "root", {"a": 1}, None, protected=True),
        resource(_ROOT, "root", {"a": 1}, None)),
    "protected-changes": (
        resource(_ROOT, "root", {"a": 1}, {"a": 2}, protected=True),
        thing("Secret", "x/y", {}, {"metadata": {"labels": {"a": "b"}}}, protected=True)),
    "anchor-goes": (
        resource(_ROOT, "root", {"a": 1}, {"a": 2}, Op.REPLACE),
        resource("vault:index/mount:Mount", "kv", {"type": "kv"}, None)),
    "trusted-root-goes": (
        thing("Bundle", _BUNDLE, _bundle("old", "new"), _bundle("new")),
        thing("Bundle", _BUNDLE, _bundle("old"), _bundle("old", "new"))),
    "issuer-goes": (
        thing("Certificate", _ISSUER, _issuer("a"), None),
        thing("Certificate", "linkerd-viz/tap-k8s-tls", _issuer("a"), None)),
    "signer-changes": (
        thing("Certificate", _ISSUER, _issuer("a"), _issuer("b")),
        thing("Certificate", _ISSUER, _issuer("a"), _issuer("a", "72h"))),
    "trust-domain-changes": (
        settings("identityTrustDomain: a", "identityTrustDomain: b"),
        settings("clusterNetworks: a", "clusterNetworks: b")),
    "vault-goes": (
        resource("vault:kubernetes/authBackendRole:AuthBackendRole", "r", {"a": 1}, None),
        resource("random:index/randomString:RandomString", "r", {"a": 1}, None)),
    "crd-goes": (
        resource("kubernetes:helm.sh/v3:Release", "x", _CRDS, None),
        resource("kubernetes:helm.sh/v3:Release", "x", {"name": "linkerd-buoyant"}, None)),
    "crd-stops-serving": (
        thing("CustomResourceDefinition", "a.b", _versions(True, True), _versions(False, True)),
        thing("CustomResourceDefinition", "a.b", _versions(True), _versions(True, True))),
    "namespace-goes": (
        thing("Namespace", "linkerd", {}, {"metadata": {"a": "b"}}, Op.REPLACE),
        thing("Namespace", "linkerd", None, {})),
    "webhook-goes": (
        thing(_HOOK, "w", _hook("Fail"), None),
        thing(_HOOK, "w", None, _hook("Fail"))),
    "provider-goes": (
        resource("pulumi:providers:kubernetes", "cluster", {"a": 1}, {"a": 2}, Op.REPLACE),
        resource("pulumi:providers:kubernetes", "cluster", {"a": 1}, {"a": 2})),
    "provider-target": (
        resource("pulumi:providers:kubernetes", "c", {"context": "a"}, {"context": "b"}),
        resource("pulumi:providers:kubernetes", "c", {"version": "1"}, {"version": "2"})),
    "control-plane-goes": (
        thing("Service", "linkerd/linkerd-dst", {"spec": {}}, None),
        thing("Service", "linkerd-viz/web", {"spec": {}}, None)),
    "no-replicas": (
        workload("linkerd/linkerd-identity", {"replicas": 3}, {"replicas": 0}),
        workload("linkerd/linkerd-identity", {"replicas": 3}, {"replicas": 1})),
    "default-policy-denies": (
        settings("proxy: {defaultInboundPolicy: all-unauthenticated}",
                 "proxy: {defaultInboundPolicy: deny}"),
        settings("proxy: {defaultInboundPolicy: deny}", "proxy: {defaultInboundPolicy: audit}")),
    "config-goes": (
        thing("ConfigMap", "linkerd/linkerd-config", {"data": {}}, None),
        thing("ConfigMap", "emojivoto/config", {"data": {}}, None)),
    "anchor-changes": (
        resource(_ROOT, "root", {"ttl": "2"}, {"ttl": "3"}),
        thing("Issuer", "x/y", {}, _mark("a", "b"), chain="trust:ClusterAnchor$")),
    "trusted-root-comes": (
        thing("Bundle", _BUNDLE, _bundle("old"), _bundle("old", "new")),
        thing("Bundle", "other", _bundle("old"), _bundle("old", "new"))),
    "bundle-moves": (
        thing("Bundle", _BUNDLE, {"spec": {"target": {"a": 1}}}, {"spec": {"target": {"a": 2}}}),
        thing("Bundle", _BUNDLE, _bundle("a"), _bundle("b"))),
    "issuer-changes": (
        thing("ClusterIssuer", "linkerd-identity-issuer-1", {"spec": {"vault": 1}}, {"spec": {}}),
        thing("ClusterIssuer", "linkerd-webhook-ca", {"spec": {"vault": 1}}, {"spec": {}})),
    "lifetime-shortens": (
        thing("Certificate", "a/b", _issuer("a", "48h0m0s"), _issuer("a", "24h0m0s")),
        thing("Certificate", "a/b", _issuer("a", "9h0m0s"), _issuer("a", "24h0m0s"))),
    "vault-rights-change": (
        resource("vault:index/policy:Policy", "p", {"policy": "a"}, {"policy": "b"}),
        resource("vault:index/mount:Mount", "p", {"description": "a"}, {"description": "b"})),
    "vault-changes": (
        resource("vault:index/mount:Mount", "p", {"options": "a"}, {"options": "b"}),
        resource("random:index/randomString:RandomString", "p", {"length": 1}, {"length": 2})),
    "secret-store-changes": (
        thing("ClusterSecretStore", "s", {"spec": {"a": 1}}, {"spec": {"a": 2}}),
        thing("ExternalSecret", "a/s", {"spec": {"a": 1}}, {"spec": {"a": 2}})),
    "synced-secret-changes": (
        thing("ExternalSecret", "a/s", {"spec": {"a": 1}}, {"spec": {"a": 2}}),
        thing("ExternalSecret", "a/s", {}, {"metadata": {"labels": {"a": "b"}}})),
    "synced-secret-goes": (
        thing("ExternalSecret", "a/s", {"spec": {"target": {"name": "x"}}}, None),
        thing("ExternalSecret", "a/s", {"spec": {"target": {"creationPolicy": "Orphan"}}}, None)),
    "secret-changes": (
        thing("Secret", "linkerd/s", {"data": {"a": "b"}}, {"data": {"a": "c"}}),
        thing("Secret", "emojivoto/s", {"data": {"a": "b"}}, {"data": {"a": "c"}})),
    "crd-changes": (
        resource("kubernetes:helm.sh/v3:Release", "x", _CRDS, {**_CRDS, "version": "2.0.0"}),
        resource("kubernetes:helm.sh/v3:Release", "x", _CRDS, {**_CRDS, "timeout": 2})),
    "namespace-marks": (
        thing("Namespace", "web", {}, _mark("linkerd.io/inject", "enabled")),
        thing("Namespace", "web", {}, _mark("owner", "team"))),
    "webhook-failure-policy": (
        thing(_HOOK, "w", _hook("Fail"), _hook("Ignore")),
        thing(_HOOK, "w", _hook("Fail"), _hook("Fail", "services"))),
    "webhook-scope": (
        thing(_HOOK, "w", _hook("Fail"), _hook("Fail", "services")),
        thing(_HOOK, "w", _hook("Fail"), _hook("Ignore"))),
    "control-plane-restarts": (
        workload("linkerd/linkerd-identity", *({"replicas": 3, **side} for side in _TEMPLATE)),
        workload("linkerd/linkerd-identity", {"replicas": 2}, {"replicas": 3})),
    "control-plane-restarts-alone": (
        workload("linkerd/linkerd-identity", *_TEMPLATE),
        workload("linkerd/linkerd-identity", *({"replicas": 3, **side} for side in _TEMPLATE))),
    "control-plane-service": (
        thing("Service", "linkerd/linkerd-dst", {"spec": {"a": 1}}, {"spec": {"a": 2}}),
        thing("Service", "linkerd-viz/web", {"spec": {"a": 1}}, {"spec": {"a": 2}})),
    "fewer-replicas": (
        workload("linkerd/linkerd-identity", {"replicas": 3}, {"replicas": 2}),
        workload("linkerd/linkerd-identity", {"replicas": 3}, {"replicas": 5})),
    "budget-loosens": (
        thing(_PDB, "linkerd/a", {"spec": {"maxUnavailable": 1}}, {"spec": {"maxUnavailable": 2}}),
        thing(_PDB, "linkerd/a", {"spec": {"minAvailable": 1}}, {"spec": {"minAvailable": 2}})),
    "spread-goes": (
        workload("linkerd/linkerd-identity", _spread({"a": 1}), _spread(None)),
        workload("linkerd/linkerd-identity", _spread(None), _spread({"a": 1}))),
    "proxy-version": (
        settings("proxy: {image: {version: a}}", "proxy: {image: {version: b}}"),
        settings("proxy: {logLevel: warn}", "proxy: {logLevel: debug}")),
    "mesh-network": (
        settings("clusterNetworks: 10.0.0.0/8", "clusterNetworks: 10.0.0.0/9"),
        settings("controllerLogLevel: info", "controllerLogLevel: debug")),
    "default-policy-tightens": (
        thing("Namespace", "web", {}, _mark(_ANNOTATION, "all-authenticated")),
        thing("Namespace", "web", {}, _mark(_ANNOTATION, "deny"))),
    "default-policy-loosens": (
        thing("Namespace", "web", _mark(_ANNOTATION, "deny"), _mark(_ANNOTATION, "audit")),
        thing("Namespace", "web", _mark(_ANNOTATION, "audit"), _mark(_ANNOTATION, "deny"))),
    "authorization-goes": (
        thing("AuthorizationPolicy", "web/a", {"spec": {}}, None),
        thing("AuthorizationPolicy", "web/a", None, {"spec": {}})),
    "authorization-changes": (
        thing("MeshTLSAuthentication", "web/a", _identities("a", "b"), _identities("b")),
        thing("MeshTLSAuthentication", "web/a", _identities("a"), _identities("a", "b"))),
    "server-goes": (
        thing("Server", "web/s", {"spec": {}}, None),
        thing("Service", "web/s", {"spec": {}}, None)),
    "server-selects": (
        thing("Server", "web/s", None, {"spec": {"port": 80}}),
        thing("Server", "linkerd-viz/s", None, {"spec": {"port": 80}}, chain=_CHART)),
    "egress-denied": (
        thing("EgressNetwork", "web/e", None, {"spec": {"trafficPolicy": "Deny"}}),
        thing("EgressNetwork", "web/e", None, {"spec": {"trafficPolicy": "Allow"}})),
    "route-changes": (
        thing("HTTPRoute", "web/r", {"spec": {"rules": [1]}}, {"spec": {"rules": [2]}}),
        thing("TLSRoute", "web/r", *({"spec": {**_OUT, "rules": [n]}} for n in (1, 2)))),
    "egress-changes": (
        thing("EgressNetwork", "web/e", _outside("Deny", "a"), _outside("Deny", "b")),
        thing("EgressNetwork", "web/e", _outside("Allow", "a"), _outside("Allow", "b"))),
    "egress-opens": (
        thing("EgressNetwork", "web/e", _outside("Deny"), _outside("Allow")),
        thing("EgressNetwork", "web/e", None, _outside("Allow"))),
    "egress-route-goes": (
        thing("TLSRoute", "web/r", _route("EgressNetwork"), None),
        thing("TLSRoute", "web/r", _route("Service"), None)),
    "server-denies": (
        thing("Server", "web/s", *({"spec": {"accessPolicy": p}} for p in ("audit", "deny"))),
        thing("Server", "web/s", None, {"spec": {"accessPolicy": "deny"}})),
    "server-loosens": (
        thing("Server", "web/s", *({"spec": {"accessPolicy": p}} for p in ("deny", "audit"))),
        thing("Server", "web/s", *({"spec": {"accessPolicy": p}} for p in ("audit", "deny")))),
    "guard-denies": (
        thing(_BINDING, "g", *({"spec": {"validationActions": [a]}} for a in ("Audit", "Deny"))),
        thing(_BINDING, "g", None, {"spec": {"validationActions": ["Audit", "Warn"]}})),
    "provider-major": (_provider("4.34.2", "5.0.0"), _provider("4.34.2", "4.35.0")),
    "provider-minor": (_provider("4.34.2", "4.35.0"), _provider("4.34.2", "4.34.3")),
    "provider-patch": (_provider("4.34.2", "4.34.3"), _provider("4.34.2", "4.34.1")),
    "alerts-end": (
        thing("PrometheusRule", "linkerd/r", _alert("A", "B"), _alert("A")),
        thing("PrometheusRule", "linkerd/r", _alert("A"), _alert("A", "B"))),
    "issuer-reissued": (
        thing("Certificate", _ISSUER, _issuer("a"), _issuer("a", "72h")),
        thing("Certificate", _ISSUER, _issuer("a"), _issuer("b"))),
    "spare-replicas": (
        workload("linkerd/linkerd-identity", {"replicas": 5}, {"replicas": 3}),
        workload("linkerd/linkerd-identity", {"replicas": 5}, {"replicas": 2})),
    "labels-removed": (
        _patch(_mark("linkerd.io/inject", "enabled"), None),
        _patch(None, _mark("linkerd.io/inject", "enabled"))),
    "proxy-marks": (
        _patch({}, _mark("config.linkerd.io/proxy-cpu-request", "1")),
        _patch({}, _mark("config.linkerd.io/skip-inbound-ports", "1"))),
    "dashboard-goes": (
        dashboard({}).model_copy(update={"op": Op.DELETE, "after": None}),
        thing("ConfigMap", "linkerd/d", {}, None)),
    "renamed": (
        _account({}, {}).model_copy(update={"fields": (FieldChange(path="urn"),)}),
        _account({}, {}).model_copy(
            update={"fields": (FieldChange(path="urn"), FieldChange(path="data"))})),
    "renewal-time": (
        thing("Certificate", "a/b", *({"spec": {"renewBefore": t}} for t in ("1h", "2h"))),
        thing("Certificate", "a/b", *({"spec": {"duration": t}} for t in ("1h", "2h")))),
    "heartbeat-settings": (
        settings("disableHeartBeat: true", "disableHeartBeat: false"),
        settings("disableHeartBeat: true", "disableHeartBeat: false\nx: 1")),
    "more-replicas": (
        workload("linkerd/linkerd-identity", {"replicas": 3}, {"replicas": 5}),
        workload("linkerd/linkerd-identity", {"replicas": 5}, {"replicas": 3})),
    "read-again": (
        thing("ExternalSecret", "a/s", *({"spec": {"refreshInterval": t}} for t in "12")),
        thing("ExternalSecret", "a/s", *({"spec": {"refreshInterval": t, "b": t}} for t in "12"))),
    "alert-rules": (
        thing("PrometheusRule", "linkerd/r", _alert("A", expr="a > 1"), _alert("A", expr="a > 2")),
        thing("PrometheusRule", "linkerd/r", {"spec": {"a": 1}}, {"spec": {"a": 2}})),
    "monitor-changes": (
        thing("PodMonitor", "a/m", *({"spec": {"interval": t}} for t in "12")),
        thing("PodMonitor", "a/m", *({"spec": {"selector": t}} for t in "12"))),
    "network-opens": (
        thing("NetworkPolicy", "web/n", _lets_out("10.0.0.1/32"), _lets_out("10.0.0.1/32", "::/0")),
        thing("NetworkPolicy", "web/n", _lets_out("10.0.0.1/32"), _lets_out("10.0.0.2/32"))),
    "mount-lifetimes": (
        resource("vault:index/mount:Mount", "p", *({"maxLeaseTtlSeconds": t} for t in (1, 2))),
        resource("vault:index/mount:Mount", "p", *({"maxLeaseTtlSeconds": t} for t in (2, 1)))),
    "protection-set": (
        _account({}, {}).model_copy(update={"fields": (_protect(after=True),)}),
        _account({}, {}).model_copy(update={"fields": (_protect(after=False),)})),
    "token-lifetimes": (
        resource(_ROLE, "r", {"tokenTtl": 600}, {"tokenTtl": 1200}),
        resource(_ROLE, "r", {"tokenTtl": 600}, {"tokenTtl": 1200, "audience": "x"})),
    "egress-goes": (
        thing("EgressNetwork", "web/e", {"spec": {}}, None),
        thing("EgressNetwork", "web/e", None, {"spec": {}})),
    "network-policy": (
        thing("NetworkPolicy", "web/n", None, {"spec": {}}),
        thing("NetworkPolicy", "web/n", {}, {"metadata": {"labels": {"a": "b"}}})),
    "strong-rights": (
        thing("ClusterRole", "r", _rules("pods", "get"), _rules("secrets", "get")),
        thing("ClusterRole", "r", _rules("pods", "get"), _rules("pods", "get", "list"))),
    "cluster-admin": (
        thing("ClusterRoleBinding", "b", None, _binding("cluster-admin", "a")),
        thing("ClusterRoleBinding", "b", None, _binding("view", "a"))),
    "bound-to-more": (
        thing("RoleBinding", "a/b", _binding("x", "one"), _binding("x", "one", "two")),
        thing("RoleBinding", "a/b", _binding("x", "one", "two"), _binding("x", "one"))),
    "authorization-widens": (
        thing("MeshTLSAuthentication", "web/a", _identities("a"), _identities("a", "b")),
        thing("MeshTLSAuthentication", "web/a", _identities("a"), _identities("b"))),
    "more-rights": (
        thing("Role", "a/r", _rules("pods", "get"), _rules("pods", "get", "list")),
        thing("Role", "a/r", _rules("*", "get"), _rules("pods", "get"))),
    "fewer-rights": (
        thing("Role", "a/r", _rules("pods", "get", "list"), _rules("pods", "get")),
        thing("Role", "a/r", _rules("pods", "get"), _rules("pods", "*"))),
    "extension-restarts": (
        workload("linkerd-viz/tap", *_TEMPLATE),
        workload("emojivoto/web", *_TEMPLATE)),
    "certificate-changes": (
        thing("Certificate", "linkerd-viz/tap", _issuer("a"), _issuer("b")),
        thing("Certificate", "linkerd-viz/tap", {}, {"metadata": {"labels": {"a": "b"}}})),
    "proxy-settings": (
        settings("proxy: {logLevel: warn}", "proxy: {logLevel: debug}"),
        settings("controllerLogLevel: warn", "controllerLogLevel: debug")),
    "mesh-config": (
        settings("controllerLogLevel: warn", "controllerLogLevel: debug"),
        thing("ConfigMap", "web/c", {"data": {"values": "a: 1"}}, {"data": {"values": "a: 2"}})),
    "release-changes": (
        resource("kubernetes:helm.sh/v3:Release", "x", {"values": 1}, {"values": 2}),
        resource("kubernetes:helm.sh/v3:Release", "x", None, {"values": 2})),
    "deletion": (_account({}, None), _account(None, {})),
    "replacement": (_account({}, {"x": 1}, Op.REPLACE), _account({}, {"x": 1})),
    "labels-alone": (_account({}, {"metadata": {"labels": {"a": "b"}}}), _account({}, {"x": 1})),
    "dashboard-changes": (dashboard({"d.json": "[]"}), dashboard({"d.json": "[]", "e.json": ""})),
    "update": (_account({}, {"x": 1}), _account({}, {"metadata": {"labels": {"a": "b"}}})),
    "import": (_account(None, {}, Op.IMPORT), _account(None, {})),
    "creation": (_account(None, {}), _account(None, {}, Op.IMPORT)),
    "unknown-operation": (_account({}, {}, Op.UNKNOWN), _account({}, {"x": 1}, Op.REPLACE)),
}
# fmt: on
CASES |= changes_alert_cases.CASES | changes_gateway_cases.CASES | changes_traffic_cases.CASES
_SAID = changes_gateway_cases.SAID | changes_traffic_cases.SAID
_ROWS = {rule.name: rule for rule in (*RULES, *DEFAULTS)}


def _said(change: Change) -> dict[str, object]:
    return {finding.rule: finding for finding in risk.findings(change)}


@pytest.mark.parametrize("name", _ROWS)
def test_row_is_for_what_it_says(name: str) -> None:
    """A row that fires on everything, or on nothing, is worse than none: people stop reading."""
    firing, other = CASES[name]
    assert name in _said(firing)
    assert name not in _said(other)


@pytest.mark.parametrize("name", _SAID)
def test_each_cause_is_one_line(name: str) -> None:
    """With what moves from where to where, and nothing said twice."""
    change, wanted = _SAID[name]
    found = {finding.rule: finding.detail for finding in risk.findings(change)}
    assert found == wanted


@pytest.mark.parametrize("name", [name for name, rule in _ROWS.items() if rule in RULES])
def test_what_can_be_said_of_a_new_object_is(name: str) -> None:
    """Other rules are not asked about one, because a stack from nothing has a thousand."""
    change = CASES[name][0].model_copy(update={"op": Op.CREATE, "before": None, "fields": ()})
    assert not _ROWS[name].when(change) or _ROWS[name] in AT_CREATION


def test_levels_are_those_of_the_table() -> None:
    """The level that a reader sees is the one that was reviewed."""
    for name, (firing, _) in CASES.items():
        found = next(f for f in risk.findings(firing) if f.rule == name)
        assert found.level is _ROWS[name].level
        assert found.reason.startswith(_ROWS[name].reason)
        assert found.urn == firing.urn


def test_every_row_has_a_name_of_its_own() -> None:
    """Names are what people search for and what a report counts by."""
    names = [rule.name for rule in (*RULES, *DEFAULTS)]
    assert len(names) == len(set(names)) == len(CASES)
