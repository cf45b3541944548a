"""Everything a stack file can say: a line per feature, whose section lies beside its component.

The keys in `Pulumi.<stack>.yaml` are these fields in camelCase under `linkerd-platform:`; one that
is not here is an error. docs/config.md is generated from them (`make docs`).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from components.admission_guard import GuardsSection
from components.buoyant_cloud import BuoyantCloudSection
from components.cert_manager import CertManagerSection
from components.cluster import ClusterSection, Role
from components.cni_plugin import CniPluginSection
from components.egress.section import EgressSection
from components.external_secrets import ExternalSecretsSection
from components.gateway_api import GatewayApiSection
from components.ingress.section import IngressSection
from components.linkerd import LinkerdSection
from components.observability import ObservabilitySection
from components.placement import ChartSection, ImagesSection, PlacementSection
from components.policy.section import PolicySection
from components.rollout.section import RolloutSection
from components.rollout.workloads import WorkloadsSection
from components.traffic.section import TrafficSection
from components.trust import TrustSection
from components.vault import VaultSection
from components.viz import VizSection
from schema.section import Section
from schema.values import Environment, Name

ChartVersion = Annotated[str, Field(pattern=r"^v?[0-9]+\.[0-9]+\.[0-9]+$")]


class ProtectionSection(Section):
    """What a mistake must not delete."""

    protect: bool = Field(
        True, description="CRDs, PKI mounts and roots are protected, and kept on destroy."
    )


class ApprovalsSection(Section):
    """Who may say that a change is applied."""

    unsigned: bool = Field(
        False,
        description="An approval without Vault's signature is taken, and made: whoever can hand a "
        "file to the bot can approve.",
    )


class SandboxSection(Section):
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

    role: Role = Field(
        examples=["standalone"],
        description="`owner`: keeper of the shared trust anchor, Vault only. `cluster`: a cluster "
        "that reads it. `standalone`: both in one.",
    )
    cluster: ClusterSection | None = Field(None, description="The cluster; not for role `owner`.")
    vault: VaultSection = Field(description="The Vault that keeps the trust anchor.")
    trust: TrustSection = Field(description="The trust anchor and what is signed below it.")
    placement: PlacementSection = Field(
        PlacementSection(), description="Where the pods of every chart run."
    )
    images: ImagesSection = Field(ImagesSection(), description="Registries of the images.")
    charts: dict[Name, ChartSection] = Field(
        {}, description="What single charts are told, by the names they have in charts.yaml."
    )
    gateway_api: GatewayApiSection = Field(GatewayApiSection(), description="The Gateway API CRDs.")
    cert_manager: CertManagerSection = Field(
        CertManagerSection(), description="cert-manager, trust-manager."
    )
    external_secrets: ExternalSecretsSection = Field(
        ExternalSecretsSection(), description="External Secrets Operator."
    )
    cni_plugin: CniPluginSection = Field(CniPluginSection(), description="The CNI plugin.")
    linkerd: LinkerdSection = Field(LinkerdSection(), description="The control plane.")
    viz: VizSection = Field(VizSection(), description="The viz extension.")
    buoyant_cloud: BuoyantCloudSection = Field(
        BuoyantCloudSection(), description="The Buoyant Cloud agent."
    )
    rollout: RolloutSection = Field(
        RolloutSection(), description="Which namespaces are in the mesh, and when."
    )
    workloads: WorkloadsSection = Field(
        WorkloadsSection(), description="What the proxies there are like."
    )
    policy: PolicySection = Field(PolicySection(), description="Who may call whom there.")
    traffic: TrafficSection = Field(
        TrafficSection(), description="How requests there are routed, retried and timed out."
    )
    egress: EgressSection = Field(
        EgressSection(), description="What may be reached from there outside."
    )
    ingress: IngressSection = Field(
        IngressSection(), description="What is reached from outside, and by whom."
    )
    guards: GuardsSection = Field(GuardsSection(), description="What the API server refuses there.")
    observability: ObservabilitySection = Field(
        ObservabilitySection(), description="What is watched."
    )
    protection: ProtectionSection = Field(
        ProtectionSection(), description="Guards against deletion."
    )
    environment: Environment | None = Field(
        None,
        description="What the stack is for: `development`, `staging` or `production`. One that "
        "fleet.yaml does not name must say `development`; else it is what fleet.yaml says.",
    )
    approvals: ApprovalsSection = Field(ApprovalsSection(), description="Approvals of changes.")
    sandbox: SandboxSection = Field(SandboxSection(), description="Allowances for the sandbox.")

    @property
    def owns_anchor(self) -> bool:
        """True where this stack makes the trust anchor."""
        return self.role in ("owner", "standalone")
