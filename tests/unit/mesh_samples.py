"""Arguments of the components about workloads, for `samples`."""

from __future__ import annotations

from components import admission_guard
from components.base import Args, Component
from components.egress import component as egress
from components.egress.section import EgressHost
from components.policy import namespace_policy, service_policy
from components.policy.objects import ClientsArgs, NetworkArgs
from components.rollout import component as rollout

ARGUMENTS: dict[type[Component], Args] = {
    admission_guard.AdmissionGuard: admission_guard.AdmissionGuardArgs(
        opt_out="enforce", own_service_account="audit"
    ),
    rollout.Rollout: rollout.RolloutArgs(
        namespaces=(
            rollout.MeshedNamespace(
                name="shop",
                state="on",
                may_opt_out=("Deployment/legacy",),
                annotations={"config.linkerd.io/access-log": "json"},
            ),
            rollout.MeshedNamespace(name="pay", state="opt-in"),
        )
    ),
    egress.Egress: egress.EgressArgs(
        cluster_networks=("10.0.0.0/8",),
        scopes=(
            egress.EgressScope(
                namespace="shop",
                deny=True,
                hosts=(
                    EgressHost(host="api.example.com", port=443, protocol="tls"),
                    EgressHost(host="*.example.org", port=80, protocol="http"),
                ),
            ),
        ),
        packets=(egress.PacketScope(namespace="shop"),),
    ),
    namespace_policy.NamespacePolicy: namespace_policy.NamespacePolicyArgs(
        namespace="shop",
        default_inbound_policy="deny",
        callers=("shop", "web"),
        kubelet_networks=(NetworkArgs(cidr="10.1.0.0/16"),),
        api_server_networks=(NetworkArgs(cidr="0.0.0.0/0"),),
        prometheus_account=("linkerd-viz", "prometheus"),
    ),
    service_policy.ServicePolicy: service_policy.ServicePolicyArgs(
        namespace="shop",
        service="foo",
        selector={"app": "foo"},
        default_inbound_policy="deny",
        ports=(
            service_policy.PolicyPort(
                port="8080",
                protocol="HTTP/1",
                clients=(ClientsArgs(service_accounts=(("shop", "bar"),)),),
                routes=(
                    service_policy.PolicyRoute(
                        name="admin",
                        path="/admin",
                        clients=(ClientsArgs(namespaces=("web",)),),
                    ),
                ),
                probes=("/healthz",),
                metrics="/metrics",
            ),
            service_policy.PolicyPort(
                port="db",
                protocol="opaque",
                clients=(
                    ClientsArgs(
                        identities=("*.shop.serviceaccount.identity.linkerd.cluster.local",),
                        networks=(NetworkArgs(cidr="10.0.0.0/8", exceptions=("10.1.0.0/16",)),),
                    ),
                ),
            ),
        ),
        prometheus_account=("linkerd-viz", "prometheus"),
    ),
}
