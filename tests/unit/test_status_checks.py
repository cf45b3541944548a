"""Every check of `bot status` holds on a healthy mesh, and fails by the fault it is there for."""

from __future__ import annotations

import pytest

from bot.mesh.status import control_plane, judge
from tests.unit import status_faults as f
from tests.unit.status_faults import Spoil
from tests.unit.status_samples import Mesh, Read, good, lines, reader

# What the tests of other modules are about: it needs an answer of a program or a Prometheus.
ELSEWHERE = {"alerts", "linkerd-check", "drift"}
_IDENTITY_METRICS = f"{f.LINKERD}/pods/{f.IDENTITY_POD}:9990/proxy/metrics"
_CSS = "/apis/external-secrets.io/v1/clustersecretstores"
_AGENT_SECRETS = "/apis/external-secrets.io/v1/namespaces/linkerd-buoyant/externalsecrets"
_AGENTS = "/apis/apps/v1/namespaces/linkerd-buoyant/deployments"
_METRICS = "/apis/apps/v1/namespaces/linkerd-buoyant/daemonsets"
_BUDGETS = "/apis/policy/v1/namespaces/linkerd/poddisruptionbudgets"
_ISSUERS = "/apis/cert-manager.io/v1/clusterissuers"
_BUNDLES = "/apis/trust.cert-manager.io/v1alpha1/bundles"
_OPERATORS = "/apis/apps/v1/namespaces/cert-manager/deployments"
_STORES = "/apis/apps/v1/namespaces/external-secrets/deployments"
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_GATEWAY_API = "/apis/gateway.networking.k8s.io/v1/namespaces/linkerd-ingress"
_GATEWAYS, _INGRESS_ROUTES = f"{_GATEWAY_API}/gateways", f"{_GATEWAY_API}/httproutes"
_SECURITY = "/apis/gateway.envoyproxy.io/v1alpha1/namespaces/linkerd-ingress/securitypolicies"
_CLIENTS = "/apis/gateway.envoyproxy.io/v1alpha1/namespaces/linkerd-ingress/clienttrafficpolicies"
_OUT = "namespaces/linkerd-egress-gateway"
_EGRESS_GATEWAYS = f"/apis/gateway.networking.k8s.io/v1/{_OUT}/gateways"
_PARTNER_ROUTES = f"/apis/gateway.networking.k8s.io/v1/{_OUT}/httproutes"
_PARTNER_SECURITY = f"/apis/gateway.envoyproxy.io/v1alpha1/{_OUT}/securitypolicies"
_PARTNER_BACKENDS = f"/apis/gateway.envoyproxy.io/v1alpha1/{_OUT}/backends"
_PARTNER_SECRETS = f"/apis/external-secrets.io/v1/{_OUT}/externalsecrets"
_EGRESS_NETWORKS = "/apis/policy.linkerd.io/v1alpha1/egressnetworks"
_PACKETS = "/apis/networking.k8s.io/v1/networkpolicies"
_INGRESSES = "/apis/networking.k8s.io/v1/ingresses"
_SHOP = {
    "defaultInboundPolicy": "audit",
    "services": [
        {"name": name, "selector": {"app": app}, "ports": [{"port": 8080}]}
        for name, app in (("web", "nobody"), ("cart", "cart"))
    ],
}


def _short_issuer(left: f.timedelta) -> Spoil:
    """An issuer of an hour, which is renewed below the threshold of alerts that are off."""

    def spoil(mesh: Mesh) -> None:
        f.file(
            "trust", "issuer", value={"duration": "1h", "renewBefore": "10m", "leafLifetime": "1m"}
        )(mesh)
        f.file("observability", "alerts", value={"form": "off"})(mesh)
        f.issued(lifetime=left)(mesh)

    return spoil


FAULTS: list[tuple[str, Spoil, str, str]] = [
    ("kubernetes/version", lambda m: m.objects.update({"/version": {"gitVersion": "v1.30.2"}}),
     "fail", "needs 1.31 to 1.35"),
    ("kubernetes/version", lambda m: m.objects.update({"/version": {"gitVersion": "v1.36.0"}}),
     "warn", "is tested with"),
    ("kubernetes/nodes", f.set_(f.NODES, "b", "status", value=f.not_true()), "warn", "1 of 3"),
    ("kubernetes/clocks", f.set_(f.LEASES, "b", "spec", "renewTime", value=f.made.later(-1)),
     "warn", "last sign of b"),
    ("kubernetes/runtime", f.set_(f.NODES, "c", "status", "nodeInfo", "containerRuntimeVersion",
                                  value="docker://27.1"), "fail", "c: Docker"),
    ("versions/control-plane", f.config(linkerdVersion="edge-26.1.1"), "warn", "pins edge-26.6.3"),
    ("versions/control-plane-images",
     f.set_(f.DEPLOYMENTS, "linkerd-identity", "spec", "template", "spec", "containers",
            value=[{"name": "identity", "image": "l5d/controller:edge-26.1.1"}]),
     "fail", "linkerd-identity (edge-26.1.1)"),
    ("versions/control-plane-proxies", f.proxies("linkerd-identity-", image=f.OLD),
     "warn", "3 of edge-26.1.1"),
    ("versions/proxies", f.proxies("cart-5d4f-a", image=f.OLD), "warn", "1 of edge-26.1.1"),
    ("versions/gateway-api", f.set_(_CRDS, "httproutes.gateway.networking.k8s.io", "metadata",
        "annotations", "gateway.networking.k8s.io/bundle-version", value="v1.0.0"),
     "fail", "CRDs of 1.0.0, 1.5.1"),
    ("versions/gateway-api", f.gone(_CRDS), "fail", "are not there"),
    ("versions/gateway-api", f.file("gatewayApi", value={"version": "1.5.0"}),
     "warn", "the stack file says 1.5.0"),
    ("versions/operators", f.drop(_OPERATORS, "trust-manager"), "warn", "trust-manager is not"),
    ("control-plane/namespace", f.drop(f.NAMESPACES, "linkerd"), "fail", "no namespace linkerd"),
    ("control-plane/namespace", f.set_(f.NAMESPACES, "linkerd", "metadata", "labels", value={}),
     "fail", "lacks the label"),
    ("control-plane/config", f.gone(f.CONFIG), "fail", "no ConfigMap"),
    ("control-plane/crds", lambda m: m.objects.update(
        {"/apis": f.made.discovery(control_plane.CRDS[1:])}), "fail", "authorizationpolicies"),
    ("control-plane/cluster-roles", f.drop(f.ROLES, "linkerd-linkerd-identity"),
     "fail", "linkerd-linkerd-identity"),
    ("control-plane/cluster-role-bindings", f.drop(f.BINDINGS, "linkerd-linkerd-identity"),
     "fail", "linkerd-linkerd-identity"),
    ("control-plane/service-accounts",
     f.drop(f"{f.LINKERD}/serviceaccounts", "linkerd-destination"), "fail", "linkerd-destination"),
    ("control-plane/service-accounts", f.file("linkerd", value={"heartbeat": True}),
     "fail", "linkerd-heartbeat"),
    ("control-plane/webhooks", f.drop(f.MUTATING, control_plane.INJECTOR), "fail", "not there"),
    ("control-plane/webhooks", f.file("linkerd", value={"webhookFailurePolicy": "Ignore"}),
     "fail", "failurePolicy is not Ignore"),
    ("control-plane/replica-sets",
     f.set_(f.SETS, "linkerd-identity-5d4f", "status", value={"conditions": f.FAILURE}),
     "fail", "quota"),
    ("control-plane/scheduling",
     f.set_(f.PODS, f.IDENTITY_POD, "status", "conditions", value=f.SCHEDULING),
     "warn", f.IDENTITY_POD),
    ("control-plane/deployments",
     f.set_(f.DEPLOYMENTS, "linkerd-identity", "status", "availableReplicas", value=0),
     "fail", "no replica available: linkerd-identity"),
    ("control-plane/deployments", f.set_(f.DEPLOYMENTS, "linkerd-identity", "spec", "replicas",
                                         value=0), "ok", "linkerd-identity 3"),
    ("control-plane/deployments",
     f.both(f.set_(f.DEPLOYMENTS, "linkerd-identity", "spec", "replicas", value=1),
            f.set_(f.DEPLOYMENTS, "linkerd-identity", "status", "availableReplicas", value=1)),
     "warn", "linkerd-identity 1 of 3"),
    ("control-plane/deployments", f.drop(f.DEPLOYMENTS, "linkerd-destination"),
     "fail", "not there: linkerd-destination"),
    ("control-plane/pods", f.set_(f.PODS, f.IDENTITY_POD, "status", "containerStatuses",
                                  value=[{"name": "identity", "ready": False}]),
     "warn", f"{f.IDENTITY_POD} (identity)"),
    ("control-plane/proxies", f.proxies(f.IDENTITY_POD, ready=False), "fail", f.IDENTITY_POD),
    ("control-plane/proxies", f.unmeshed(f.IDENTITY_POD), "fail", f.IDENTITY_POD),
    ("control-plane/replicas",
     f.set_(f.DEPLOYMENTS, "linkerd-identity", "status", "availableReplicas", value=1),
     "fail", "fewer than 2 replicas"),
    ("control-plane/replicas", f.set_(f.PODS, "linkerd-identity-5d4f-b", "spec", "nodeName",
                                      value="a"), "warn", "linkerd-identity on 2"),
    ("control-plane/disruption-budgets", f.drop(_BUDGETS, "linkerd-dst"), "fail", "linkerd-dst"),
    ("control-plane/networks-nodes", f.config(clusterNetworks="10.244.0.0/24"),
     "fail", "b (10.244.1.0/24)"),
    ("control-plane/networks-pods", f.set_(f.PODS, f.CART_POD, "status", "podIP", value="9.9.9.9"),
     "fail", "shop/cart-5d4f-a (9.9.9.9)"),
    ("control-plane/address-family", f.set_(f.PODS, f.CART_POD, "status", "podIPs",
        value=[{"ip": "10.244.1.7"}, {"ip": "fd00::7"}]), "warn", "shop/cart-5d4f-a"),
    ("control-plane/networks-services",
     f.set_(f.SERVICES, "cart", "spec", "clusterIP", value="9.9.9.9"),
     "fail", "shop/cart (9.9.9.9)"),
    ("certificates/bundle", f.gone(f.ROOTS), "fail", "holds no anchor"),
    ("certificates/bundle", f.roots(f.OTHER), "fail", "not in the bundle"),
    ("certificates/bundle", lambda m: m.objects[f.ROOTS]["data"].update(
        {"ca-bundle.crt": m.objects[f.ROOTS]["data"]["ca-bundle.crt"] + f.OTHER.pem}),
     "warn", "a rotation is under way"),
    ("certificates/anchors-algorithm", f.roots(f.P384), "fail", "secp384r1"),
    ("certificates/anchors-validity", f.roots(f.EXPIRED_ANCHOR), "fail", "ended"),
    ("certificates/anchors-left", f.roots(f.SHORT), "fail", "left of an anchor"),
    ("certificates/issuer-secret", f.secret(f.ISSUER, ca_crt=None), "fail", "lacks ca.crt"),
    ("certificates/issuer-secret", f.secret(f.ISSUER, tls_key=f.OTHER.key_pem.encode()),
     "fail", "is not that of its certificate"),
    ("certificates/issuer-algorithm", f.issued(curve="P-384"), "fail", "secp384r1"),
    ("certificates/issuer-validity", f.issuer(f.EXPIRED_ISSUER), "fail", "ended"),
    ("certificates/issuer-left", f.issued(lifetime=f.timedelta(hours=1)), "fail", "at least 12h"),
    ("certificates/issuer-left", _short_issuer(f.timedelta(hours=1)), "ok", "cluster may be off"),
    ("certificates/issuer-left", _short_issuer(f.timedelta(minutes=3)), "fail", "at least 5m"),
    ("certificates/issuer-chain", f.issued(), "fail", "leads to no anchor"),
    ("certificates/issuer-in-use", lambda m: m.objects.update(
        {_IDENTITY_METRICS: "issuer_cert_ttl_seconds 10\n"}), "fail", "another issuer"),
    ("certificates/issuer-in-use", f.gone(_IDENTITY_METRICS), "unknown", "not readable"),
    ("certificates/proxies-bundle", f.set_(f.PODS, f.CART_POD, "metadata", "annotations", value={}),
     "warn", "shop/cart-5d4f-a"),
    ("certificates/renewal", f.set_(f.CERTIFICATES, "linkerd-identity-issuer", "status",
                                    value=f.not_true()), "fail", "because"),
    ("certificates/renewal", f.set_(f.CERTIFICATES, "linkerd-identity-issuer", "status",
                                    value=f.LATE), "fail", "more than 1h ago"),
    ("certificates/vault", lambda m: m.vault.update(sealed=True), "fail", "sealed"),
    ("certificates/vault", lambda m: setattr(m, "vault", None), "unknown", "status 503"),
    ("certificates/vault-anchors", lambda m: setattr(m, "kept", ()), "fail", "not in Vault"),
    ("certificates/served-linkerd-proxy-injector",
     f.leaf("linkerd", "linkerd-proxy-injector"), "fail", "is not for"),
    ("certificates/served-linkerd-sp-validator",
     f.leaf("linkerd", "linkerd-sp-validator", hosts=("linkerd-sp-validator.linkerd.svc",)),
     "fail", "did not sign"),
    ("certificates/served-linkerd-policy-validator",
     f.gone(f"{f.LINKERD}/secrets/linkerd-policy-validator-k8s-tls"), "fail", "no certificate"),
    ("certificates/served-tap", f.gone(f.TAP), "fail", "calls tap"),
    ("certificates/served-tap-injector",
     f.secret("/api/v1/namespaces/linkerd-viz/secrets/tap-injector-k8s-tls",
              tls_key=f.OTHER.key_pem.encode()), "fail", "the key is not that"),
    ("operators/cert-manager",
     f.set_(_OPERATORS, "cert-manager", "status", "availableReplicas", value=0), "fail", "no repl"),
    ("operators/cert-manager",
     f.set_(_OPERATORS, "cert-manager", "status", "availableReplicas", value=1), "warn", "1 of 2"),
    ("operators/external-secrets", f.drop(_STORES, "external-secrets"), "fail", "no Deployment"),
    ("operators/existing",
     f.file("externalSecrets", value={"install": False, "namespace": "elsewhere"}),
     "fail", "no Deployment in namespace elsewhere"),
    ("operators/store", f.set_(_CSS, "linkerd-platform-vault", "status", value=f.not_true()),
     "fail", "because"),
    ("operators/secrets", f.set_(_AGENT_SECRETS, "buoyant-cloud-org-credentials", "status",
                                 value=f.not_true()), "fail", "not synced"),
    ("operators/issuers", f.set_(_ISSUERS, "linkerd-trust-anchor", "status",
                                 value=f.not_true()), "fail", "not ready"),
    ("operators/issuers", f.gone(_ISSUERS), "fail", "no ClusterIssuer of ours"),
    ("operators/bundle", f.set_(_BUNDLES, "linkerd-identity-trust-roots", "status",
                                value=f.not_true("Synced")), "fail", "because"),
    ("extensions/namespaces", f.set_(f.NAMESPACES, "shop", "metadata", "labels",
                                     value={"linkerd.io/extension": "viz"}), "warn", "twice: viz"),
    ("extensions/viz-namespace", f.drop(f.NAMESPACES, "linkerd-viz"), "fail", "linkerd-viz"),
    ("extensions/viz-roles", f.drop(f.ROLES, "linkerd-tap-injector"), "fail", "linkerd-tap-inj"),
    ("extensions/viz-bindings", f.drop(f.BINDINGS, "linkerd-tap-injector"), "fail", "linkerd-tap"),
    ("extensions/viz-tap-api", f.set_(f.TAP, "v1alpha1.tap.linkerd.io", "status",
                                      value=f.not_true("Available")), "warn", "because"),
    ("extensions/viz-deployments", f.set_(f.VIZ, "web", "status", "availableReplicas", value=0),
     "warn", "no replica available: web"),
    ("extensions/viz-pods", f.drop(f.PODS, "tap-5d4f-a"), "warn", "no pod runs of tap"),
    ("extensions/viz-injected", f.unmeshed("tap-5d4f"), "warn", "linkerd-viz/tap-5d4f-a"),
    ("extensions/viz-proxies", f.proxies("tap-5d4f", ready=False), "fail", "tap-5d4f-a"),
    ("extensions/viz-versions", f.proxies("tap-5d4f", image=f.OLD), "warn", "1 of edge-26.1.1"),
    ("extensions/viz-prometheus",
     f.gone("/api/v1/namespaces/linkerd-viz/configmaps/prometheus-config"), "warn", "ConfigMap"),
    ("data-plane/proxies", f.proxies("buoyant-cloud-agent", ready=False), "fail", "agent-5d4f-a"),
    ("data-plane/pod-labels", f.set_(f.PODS, f.IDENTITY_POD, "metadata", "labels",
                                     value={"linkerd.io/inject": "enabled"}), "warn", "inject"),
    ("data-plane/service-labels", f.set_(f.SERVICES, "cart", "metadata", "labels",
                                         value={"config.linkerd.io/x": "y"}), "warn", "shop/cart"),
    ("data-plane/service-annotations",
     f.set_(f.SERVICES, "cart", "metadata", "annotations",
            value={"mirror.linkerd.io/exported": "true"}), "warn", "is to be a label"),
    ("data-plane/opaque-ports", f.set_(f.SERVICES, "cart", "metadata", "annotations",
                                       value={"config.linkerd.io/opaque-ports": "80"}),
     "warn", "port 8080 of pods of shop/cart is not opaque"),
    ("rollout/plan", f.drop(f.NAMESPACES, "shop"), "fail", "not there: shop"),
    ("rollout/plan", f.set_(f.NAMESPACES, "shop", "metadata", "labels", value={}),
     "warn", "not applied: shop (on)"),
    ("rollout/meshed", f.proxies("cart-5d4f-a", image=f.OLD), "warn", "have to restart: shop (1)"),
    ("rollout/injector", lambda m: m.objects.update({"/api/v1/events": [f.EVENT]}),
     "fail", "shop (1)"),
    ("rollout/refused", lambda m: m.objects.update({"/api/v1/events": [
        f.EVENT | {"message": 'pods "a" is forbidden: violates PodSecurity "restricted:latest"',
                   "involvedObject": {"kind": "ReplicaSet", "name": "cart"}}]}),
     "fail", "shop/replicaset/cart (pods"),
    ("rollout/restartable", f.set_(f.NAMESPACES, "shop", "metadata", "labels", value={
        "linkerd-platform.io/mesh": "on", "pod-security.kubernetes.io/enforce": "restricted"}),
     "warn", "pod security level restricted"),
    ("rollout/cold-start", lambda m: (
        m.objects["/api/v1/namespaces"].append({"metadata": {"name": "calico-system"}}),
        m.objects[f.PODS].append({**m.objects[f.PODS][0], "metadata": {
            **m.objects[f.PODS][0]["metadata"], "name": "c", "namespace": "calico-system",
            "ownerReferences": []}})),
     "warn", "while no injector runs: calico-system"),
    ("rollout/cold-start", lambda m: (
        m.objects["/api/v1/namespaces"].append({"metadata": {"name": "guard"}}),
        m.objects[f.PODS].append({**m.objects[f.PODS][0],
            "spec": {**m.objects[f.PODS][0]["spec"], "priorityClassName": "system-node-critical"},
            "metadata": {**m.objects[f.PODS][0]["metadata"], "name": "c", "namespace": "guard",
                         "ownerReferences": []}})),
     "warn", "while no injector runs: guard"),
    ("policy/default", f.config(proxy={"defaultInboundPolicy": "deny"}), "fail", "deny, the stack"),
    ("policy/default-inbound-policy",
     f.set_(f.NAMESPACES, "shop", "metadata", "annotations", value={}),
     "fail", "shop (to be audit)"),
    ("policy/fits", f.file("policy", value={"namespaces": {"shop": _SHOP}}),
     "fail", "no workload has these labels"),
    ("traffic/routes", f.drop(f.ROUTES, "cart.80"), "fail", "shop/cart (HTTPRoute cart.80)"),
    ("traffic/routes", f.set_(f.ROUTES, "cart.80", "status", value={}), "fail", "shop/cart"),
    ("traffic/services", f.set_(f.SERVICES, "cart", "spec", "clusterIP", value="None"),
     "fail", "ignored in part or whole: shop/cart"),
    ("traffic/budgets", f.file("traffic", "services", "shop/cart", value={
        "port": 80, "retries": {"on": ["5xx"], "bodies": True}}), "warn", "shop/cart:80"),
    ("ingress/gateway", f.drop(_GATEWAYS, "ingress"), "fail", "no Gateway linkerd-ingress/ingress"),
    ("ingress/gateway", f.set_(_GATEWAYS, "ingress", "status", value=f.not_true("Accepted")),
     "fail", "not Accepted: because"),
    ("ingress/gateway", f.set_(_GATEWAYS, "ingress", "status", "listeners", value=[
        {"name": "shop", **f.not_true("Programmed")}]),
     "fail", "listeners that do not act as written: shop: not Programmed: because"),
    ("ingress/gateway", f.drop(_CLIENTS, "shop"), "fail", "shop: policy of its clients: not there"),
    ("ingress/gateway", f.set_(_CLIENTS, "http", "status", "ancestors", 0, "conditions",
                               value=f.not_true("Accepted")["conditions"]),
     "fail", "http: policy of its clients: not Accepted: because"),
    ("ingress/routes", f.drop(_SECURITY, "cart"),
     "fail", "cart (security policies): not there"),
    ("ingress/routes", f.set_(_SECURITY, "cart", "status", value={}), "fail", "nobody has looked"),
    ("ingress/routes", f.set_(_INGRESS_ROUTES, "cart", "status", "parents", 0, "conditions",
                              value=f.not_true("ResolvedRefs")["conditions"]),
     "fail", "cart (ingress routes): not Accepted: nobody has said"),
    ("ingress/ways-round", f.set_(f.SERVICES, "cart", "spec", "type", value="NodePort"),
     "fail", "go round the gateway: shop/cart (NodePort)"),
    # Another Service of the same pods.
    ("ingress/ways-round", f.add(f.SERVICES, "shop", "public", {
        "type": "LoadBalancer", "selector": {"app": "cart"}}),
     "fail", "go round the gateway: shop/public (LoadBalancer)"),
    # And one that names them by another label.
    ("ingress/ways-round", lambda m: (
        f.add(f.SERVICES, "shop", "public", {"type": "NodePort", "selector": {"tier": "web"}})(m),
        m.objects[f.PODS].append({"metadata": {"name": "p", "namespace": "shop",
            "labels": {"app": "cart", "tier": "web"}}, "spec": {"containers": []}})),
     "fail", "go round the gateway: shop/public (NodePort)"),
    ("ingress/ways-round", f.add(f.SERVICES, "shop", "public", {
        "type": "ClusterIP", "externalIPs": ["192.0.2.1"]}),
     "warn", "are reached without the gateway: shop/public (ClusterIP)"),
    ("ingress/ways-round", f.add(_INGRESSES, "shop", "old", {
        "defaultBackend": {"service": {"name": "cart"}}}),
     "fail", "go round the gateway: shop/old (Ingress)"),
    ("ingress/ways-round", f.add(_INGRESSES, "shop", "old", {"rules": [{"http": {"paths": [
        {"backend": {"service": {"name": "web"}}}]}}]}),
     "warn", "are reached without the gateway: shop/old (Ingress)"),
    ("egress-gateway/gateway", f.drop(_EGRESS_GATEWAYS, "egress-gateway"),
     "fail", "no Gateway linkerd-egress-gateway/egress-gateway"),
    ("egress-gateway/gateway", f.set_(_EGRESS_GATEWAYS, "egress-gateway", "status",
                                      value=f.not_true("Programmed")),
     "fail", "not Accepted: nobody has said"),
    ("egress-gateway/gateway", f.file("egress", "gateway", value={
        "enabled": True, "identity": {"issuer": "https://idp.example.com/", "audiences": ["shop"],
                                      "jwks": "https://idp.example.com/jwks"},
        "partners": [{"name": "bank", "host": "api.bank.example.com", "allow": ["shop/cart"],
                      "require": {"scopes": ["pay"]}}]}),
     "fail", "keys of tokens: not there"),
    ("egress-gateway/partners", f.drop(_PARTNER_SECRETS, "bank-credential"),
     "fail", "bank (secret bank-credential): not there"),
    ("egress-gateway/partners", f.set_(_PARTNER_SECRETS, "bank-credential", "status",
                                       value=f.not_true()),
     "fail", "bank (secret bank-credential): not Ready: because"),
    ("egress-gateway/partners", f.set_(_PARTNER_BACKENDS, "bank", "status",
                                       value=f.not_true("Accepted")),
     "fail", "bank (backend): not Accepted: because"),
    ("egress-gateway/partners", f.drop(_PARTNER_SECURITY, "bank"),
     "fail", "bank (security policies): not there"),
    ("egress-gateway/partners", f.set_(_PARTNER_ROUTES, "bank", "status", value={}),
     "fail", "bank (routes): nobody has looked"),
    ("egress-gateway/partners", f.drop(f.ROUTES, "partner-bank"),
     "fail", "bank (route from shop): not there"),
    ("egress-gateway/partners", f.set_(f.ROUTES, "partner-bank", "status", "parents", 0,
                                       "conditions", value=f.not_true("Accepted")["conditions"]),
     "fail", "bank (route from shop): not Accepted: because"),
    ("egress-gateway/ways-round", f.set_(_EGRESS_NETWORKS, "egress", "spec",
                                         value={"trafficPolicy": "Allow"}),
     "fail", "shop: its EgressNetwork allows"),
    ("egress-gateway/ways-round", f.drop(_EGRESS_NETWORKS, "egress"),
     "fail", "shop: no EgressNetwork"),
    # Beside ours, or in place of the one of all namespaces.
    ("egress-gateway/ways-round", f.add(_EGRESS_NETWORKS, "shop", "mine",
                                        {"trafficPolicy": "Allow"}),
     "fail", "shop: EgressNetwork mine is not ours"),
    ("egress-gateway/ways-round", f.drop(_PACKETS, "linkerd-platform-egress"),
     "fail", "shop: no NetworkPolicy linkerd-platform-egress"),
    ("egress-gateway/ways-round", f.add(_PACKETS, "shop", "open", {"egress": [{}]}),
     "fail", "shop: NetworkPolicy open lets packets out to every address"),
    ("egress-gateway/ways-round", f.add(_PACKETS, "shop", "open", {
        "egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]}),
     "fail", "shop: NetworkPolicy open lets packets out to every address"),
    ("buoyant-cloud/namespace", f.drop(f.NAMESPACES, "linkerd-buoyant"), "fail", "no namespace"),
    ("buoyant-cloud/synced", f.set_(_AGENT_SECRETS, "buoyant-cloud-org-credentials", "status",
                                    value=f.not_true()), "fail", "because"),
    ("buoyant-cloud/credentials", f.gone(f.CREDENTIALS), "fail", "no Secret"),
    ("buoyant-cloud/credentials", f.secret(f.CREDENTIALS, client_secret=b" "),
     "fail", "lacks client_secret"),
    ("buoyant-cloud/credentials",
     lambda m: m.objects[f.CREDENTIALS]["metadata"].update(labels={}), "warn", "lacks the label"),
    ("buoyant-cloud/metadata", f.gone(f"{f.AGENT}/configmaps/agent-metadata"), "fail", "ConfigMap"),
    ("buoyant-cloud/agent", f.set_(_AGENTS, "buoyant-cloud-agent", "status", value={}),
     "fail", "no replica available"),
    ("buoyant-cloud/metrics", f.set_(_METRICS, "buoyant-cloud-metrics", "status",
                                     value={"numberReady": 1, "desiredNumberScheduled": 3}),
     "warn", "ready on 1 of 3"),
    ("buoyant-cloud/version", f.set_(_AGENTS, "buoyant-cloud-agent", "metadata", "labels",
                                     value={"app.kubernetes.io/version": "v0.39.0"}),
     "warn", "0.39.0, charts.yaml pins 0.40.6"),
]  # fmt: skip
IDS = [f"{check}-{number}" for number, (check, *_) in enumerate(FAULTS)]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    """Reads a mesh from servers that a test makes up."""
    return reader(monkeypatch)


def test_a_healthy_mesh_has_every_check(read: Read) -> None:
    """The baseline: what follows breaks one thing of it at a time."""
    found = judge.judge(read(good()))
    odd = [line for line in found if line.result.state not in ("ok", "skipped")]
    assert odd == []
    skipped = {line.check for line in found if line.result.state == "skipped"}
    assert {each.split("/")[0] for each in skipped - {"versions/cli"}} == ELSEWHERE
    assert len(found) - len(skipped) > 70


@pytest.mark.parametrize(("check", "spoil", "state", "said"), FAULTS, ids=IDS)
def test_a_check_fails_by_its_fault(
    read: Read, check: str, spoil: Spoil, state: str, said: str
) -> None:
    """A table that is always `ok` tells nobody anything."""
    mesh = good()
    spoil(mesh)
    (line,) = lines(read(mesh), check)
    assert (line.result.state, said in line.result.seen) == (state, True), line
    assert line.result.next or state in ("ok", "unknown"), line


def test_every_check_has_a_fault_here() -> None:
    """A check that no test has seen failing may never fail."""
    tested = {check for check, _, state, _ in FAULTS if state in ("fail", "warn")}
    own = {each.id for each in judge.checks() if each.id.split("/")[0] not in ELSEWHERE}
    assert own - tested == {"kubernetes/api", "versions/cli"}
