"""Everything a stack file can say, as closed models: a key that is not here is an error.

The keys in `Pulumi.<stack>.yaml` are these fields in camelCase under `linkerd-platform:`.
docs/config.md is generated from the descriptions below (`make docs`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from schema.section import Section as Section
from schema.values import Domain, Duration, Environment, HttpsUrl, HttpUrl, Name, Text, VaultPath
from stack.config_egress import Egress as Egress
from stack.config_observability import Observability as Observability
from stack.config_policy import Policy as Policy
from stack.config_rollout import Rollout as Rollout
from stack.config_trust import Generation as Generation
from stack.config_trust import Trust as Trust
from stack.config_workloads import Guards as Guards
from stack.config_workloads import Workloads as Workloads

InboundPolicy = Literal[
    "all-unauthenticated",
    "all-authenticated",
    "cluster-authenticated",
    "cluster-unauthenticated",
    "audit",
    "deny",
]
ChartVersion = Annotated[str, Field(pattern=r"^v?[0-9]+\.[0-9]+\.[0-9]+$")]
Count = Annotated[int, Field(ge=1, le=50)]


class Cluster(Section):
    """The one Kubernetes cluster of the stack."""

    name: Name = Field(
        description="Name of the cluster, unique in the fleet: the provider's identifier, "
        "the Vault auth mount and the Buoyant Cloud agent are called after it."
    )
    context: Text | None = Field(
        None, description="Context in the kubeconfig; without it the current context."
    )
    kubeconfig: Text | None = Field(
        None,
        description="Path of the kubeconfig, relative to the project; without it `KUBECONFIG` or "
        "`~/.kube/config`.",
    )
    api_server: HttpsUrl = Field(
        description="Address at which Vault reaches the API server to review tokens."
    )
    server: HttpsUrl | None = Field(
        None,
        description="Address of the API server in the kubeconfig, where that is neither "
        "`apiServer` nor has the CA below: the context must lead there.",
    )
    ca_pem: str | None = Field(None, description="CA certificate of the API server, as PEM.")
    ca_file: Text | None = Field(
        None, description="File with that CA certificate, relative to the project."
    )
    api_audience: Text = Field(
        "https://kubernetes.default.svc.cluster.local",
        description="Audience that the API server accepts (`--api-audiences`); service account "
        "tokens carry it so that Vault can have them reviewed.",
    )
    domain: Domain = Field("cluster.local", description="DNS domain of the cluster.")
    networks: tuple[str, ...] = Field(
        ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8"),
        description="CIDRs of all pods and services; what lies outside is egress.",
    )


class Vault(Section):
    """The Vault that keeps the trust anchor."""

    address: HttpsUrl = Field(description="Address of Vault, as the cluster and we reach it.")
    ca_pem: str | None = Field(None, description="CA certificate of Vault, as PEM.")
    ca_file: Text | None = Field(
        None, description="File with that CA certificate, relative to the project."
    )
    namespace: Text | None = Field(None, description="Vault Enterprise namespace.")
    pki_mount: VaultPath = Field("linkerd/pki", description="Mount of the PKI engine.")
    kv_mount: VaultPath = Field("linkerd/kv", description="Mount of the KV version 2 engine.")
    create_kv_mount: bool = Field(
        True, description="The owner stack makes the KV mount; false where it is there already."
    )
    transit_mount: VaultPath = Field(
        "linkerd/transit", description="Mount of the transit engine that signs approvals."
    )
    create_transit_mount: bool = Field(
        True,
        description="The owner stack makes the transit mount; false where it is there already.",
    )
    auth_mount: VaultPath | None = Field(
        None, description="Mount of the cluster's kubernetes auth; default `kubernetes/<cluster>`."
    )
    create_auth_mount: bool = Field(
        True, description="The cluster stack makes the auth mount; false where it is there already."
    )
    audience: Text = Field(
        "vault", description="Audience that the service account tokens for Vault must carry."
    )
    token_ttl: Duration = Field(
        Duration(600), description="Lifetime of the Vault tokens that the operators log in for."
    )
    skip_child_token: bool = Field(
        False, description="True where our own Vault token may not create child tokens."
    )


class GatewayApi(Section):
    """The Gateway API CRDs, which Linkerd needs and does not install."""

    install: bool = Field(
        True, description="False where somebody else owns the CRDs (`existing`); see `version`."
    )
    version: str = Field(
        # renovate: datasource=github-releases depName=kubernetes-sigs/gateway-api
        "1.2.1",
        description="Version of the CRDs, ours or the existing ones: 1.2.1 to 1.5.1.",
    )


class CertManager(Section):
    """cert-manager and trust-manager."""

    replicas: Count = Field(2, description="Replicas of each cert-manager Deployment.")
    trust_manager_replicas: Count = Field(2, description="Replicas of trust-manager.")


class ExternalSecrets(Section):
    """External Secrets Operator and its store on Vault."""

    replicas: Count = Field(2, description="Replicas of the operator and of its webhook.")
    refresh_interval: Duration = Field(
        Duration(600), description="Interval at which the secrets are read from Vault again."
    )


class Linkerd(Section):
    """The Linkerd control plane."""

    ha: bool = Field(True, description="Upstream's HA values; false only for a small cluster.")
    replicas: Count = Field(3, description="Replicas of each control plane Deployment.")
    default_inbound_policy: InboundPolicy = Field(
        "all-unauthenticated", description="Who may call a meshed pod where no policy says more."
    )
    webhook_failure_policy: Literal["Fail", "Ignore"] = Field(
        "Fail",
        description="Whether a pod may start while the injector is away: `Ignore` lets it start "
        "outside the mesh, unnoticed.",
    )
    proxy_await: bool = Field(
        True, description="A workload's containers start only when its proxy is ready."
    )
    native_sidecar: bool = Field(
        True, description="The proxy runs as a native sidecar (Kubernetes 1.29 and newer)."
    )
    heartbeat: bool = Field(False, description="Linkerd's daily version check calls home.")
    log_level: Literal["debug", "info", "warn", "error"] = Field(
        "info", description="Log level of the control plane."
    )
    image_registry: Text = Field(
        "cr.l5d.io/linkerd", description="Registry of Linkerd's images, or of a mirror."
    )


class Viz(Section):
    """The viz extension: metrics, tap and the dashboard."""

    enabled: bool = Field(True, description="Installs linkerd-viz.")
    ha: bool = Field(True, description="Upstream's HA values of viz.")
    prometheus_url: HttpUrl | None = Field(
        None, description="An existing Prometheus; without it viz brings one that keeps 6 h."
    )


class BuoyantCredentials(Section):
    """Client credentials of the Buoyant Cloud agent."""

    source: Literal["vault", "config"] = Field(
        "vault", description="Vault through External Secrets, or encrypted stack config."
    )
    vault_path: VaultPath = Field(
        "buoyant-cloud",
        description="Path below the KV mount of the entry with `client_id` and `client_secret`.",
    )
    client_id: Text | None = Field(None, description="Client id, with source `config`.")
    client_secret: SecretStr | None = Field(
        None, description="Client secret, with source `config`: set it with `--secret`."
    )


class BuoyantCloud(Section):
    """The Buoyant Cloud agent."""

    enabled: bool = Field(False, description="Installs the agent chart `linkerd-buoyant`.")
    agent_name: Name | None = Field(
        None, description="Name of the cluster in Buoyant Cloud; default the cluster's name."
    )
    credentials: BuoyantCredentials = Field(
        BuoyantCredentials(), description="Credentials of the agent."
    )


class Protection(Section):
    """What a mistake must not delete."""

    protect: bool = Field(
        True, description="CRDs, PKI mounts and roots are protected, and kept on destroy."
    )


class Approvals(Section):
    """Who may say that a change is applied."""

    unsigned: bool = Field(
        False,
        description="An approval without Vault's signature is taken, and made: whoever can hand a "
        "file to the bot can approve.",
    )


class Sandbox(Section):
    """Allowances for a cluster whose pods never run. For role `standalone`, and on this machine."""

    open_webhooks: bool = Field(
        False, description="No request is sent to a webhook, because no pod can answer."
    )
    linkerd: bool = Field(
        True,
        description="`false`: everything up to Linkerd is made, and nothing of it. `make sandbox` "
        "writes it where Linkerd's charts cannot be had.",
    )
    charts: dict[Name, ChartVersion] = Field(
        {},
        description="Versions of the charts in `.sandbox/charts`, which `make sandbox` makes of Go "
        "modules where a repository does not answer.",
    )


class StackConfig(Section):
    """One stack file."""

    role: Literal["owner", "cluster", "standalone"] = Field(
        description="`owner`: keeper of the shared trust anchor, Vault only. `cluster`: a cluster "
        "that reads it. `standalone`: both in one."
    )
    cluster: Cluster | None = Field(None, description="The cluster; not for role `owner`.")
    vault: Vault = Field(description="The Vault that keeps the trust anchor.")
    trust: Trust = Field(description="The trust anchor and what is signed below it.")
    gateway_api: GatewayApi = Field(GatewayApi(), description="The Gateway API CRDs.")
    cert_manager: CertManager = Field(CertManager(), description="cert-manager, trust-manager.")
    external_secrets: ExternalSecrets = Field(
        ExternalSecrets(), description="External Secrets Operator."
    )
    linkerd: Linkerd = Field(Linkerd(), description="The control plane.")
    viz: Viz = Field(Viz(), description="The viz extension.")
    buoyant_cloud: BuoyantCloud = Field(BuoyantCloud(), description="The Buoyant Cloud agent.")
    rollout: Rollout = Field(Rollout(), description="Which namespaces are in the mesh, and when.")
    workloads: Workloads = Field(Workloads(), description="What the proxies there are like.")
    policy: Policy = Field(Policy(), description="Who may call whom there.")
    egress: Egress = Field(Egress(), description="What may be reached from there outside.")
    guards: Guards = Field(Guards(), description="What the API server refuses there.")
    observability: Observability = Field(Observability(), description="What is watched.")
    protection: Protection = Field(Protection(), description="Guards against deletion.")
    environment: Environment | None = Field(
        None,
        description="What the stack is for: `development`, `staging` or `production`. One that "
        "fleet.yaml does not name must say `development`; else it is what fleet.yaml says.",
    )
    approvals: Approvals = Field(Approvals(), description="Approvals of changes.")
    sandbox: Sandbox = Field(Sandbox(), description="Allowances for the sandbox.")

    @property
    def owns_anchor(self) -> bool:
        """True where this stack makes the trust anchor."""
        return self.role in ("owner", "standalone")
