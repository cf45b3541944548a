"""The section `cluster` of a stack file: the one Kubernetes cluster of the stack.

No component: what is made in it belongs to the features.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, Protocol

from pydantic import Field

from schema.certificates import certificate_fault
from schema.faults import Fault
from schema.section import Section
from schema.values import ApiServerUrl, Domain, HttpsUrl, Name, Text, shown
from schema.yaml_file import Path_

Role = Literal["owner", "cluster", "standalone"]
# What pods and services have addresses of, unless somebody says more.
PRIVATE_NETWORKS = (
    *("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16"),
    "fd00::/8",
)


class ClusterSection(Section):
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
    api_server: ApiServerUrl = Field(
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
    helm_namespace: Name = Field(
        "kube-system",
        description="Namespace of Helm's records of the CRDs, made unless it is there, and kept: "
        "another one where `kube-system` is managed for you (GKE Autopilot). A running stack keeps "
        "what it has.",
    )
    adopted: bool = Field(
        False,
        description="The mesh was there before this stack: what exists is updated, not refused, "
        "and Helm's CRDs change hands. `python -m bot adopt` writes it; take it out afterwards.",
    )
    domain: Domain = Field("cluster.local", description="DNS domain of the cluster.")
    networks: tuple[str, ...] = Field(
        PRIVATE_NETWORKS,
        examples=[("10.0.0.0/8",)],
        description="CIDRs of all pods and services; what lies outside is egress.",
    )
    ipv6: bool = Field(
        False,
        description="Proxies take and send IPv6 too: for clusters whose pods have such addresses, "
        "alone or beside IPv4.",
    )


class HasCluster(Protocol):
    """A config that says which cluster it is for, if it is for one."""

    @property
    def role(self) -> Role: ...  # noqa: D102

    @property
    def cluster(self) -> ClusterSection | None: ...  # noqa: D102

    @property
    def owns_anchor(self) -> bool:
        """Whether this stack makes the trust anchor."""
        ...


def check(config: HasCluster) -> Iterator[Fault]:
    """All faults of `role` and `cluster`.

    - Role `owner` has no cluster; `cluster` and `standalone` need one.
    - `caPem` and `caFile` exclude each other, and hold certificates alone; the cluster needs one.
    """
    if config.role == "owner" and config.cluster:
        yield Fault(
            ("cluster",),
            "a stack with role 'owner' has no cluster: remove it, or use 'standalone'",
            looks_at=(("role",),),
        )
    if config.role != "owner" and not config.cluster:
        yield Fault(
            ("cluster",), f"missing: role {config.role!r} needs a cluster", looks_at=(("role",),)
        )
    if config.cluster is None:
        return
    yield from _networks(config.cluster.networks)
    if config.cluster.name == "anchors":
        message = "is the name of Vault's policy for all clusters: take another"
        yield Fault(("cluster", "name"), f"'anchors' {message}")
    if config.cluster.ca_pem is None and config.cluster.ca_file is None:
        message = (
            "missing: Vault needs the API server's CA, caFile or caPem, that of a public authority "
            "too (its root certificate, where the kubeconfig has no certificate-authority-data)"
        )
        yield Fault(("cluster", "caFile"), message, looks_at=(("cluster", "caPem"),))
    yield from authority("cluster", config.cluster.ca_pem, config.cluster.ca_file)


def needs_a_cluster(config: HasCluster, used: Mapping[Path_, bool]) -> Iterator[Fault]:
    """A fault for each section that a stack without a cluster uses."""
    for path, is_used in used.items():
        if is_used and config.role == "owner":
            message = "a stack with role 'owner' has no cluster: move it to a cluster's stack"
            yield Fault(path, message, looks_at=(("role",),))


def authority(section: str, pem: str | None, file: str | None) -> Iterator[Fault]:
    """Faults of the two keys that give a server's CA."""
    if pem is not None and file is not None:
        looks_at = ((section, "caPem"),)
        yield Fault((section, "caFile"), "give caFile or caPem, not both", looks_at=looks_at)
    if pem is not None and (wrong := certificate_fault(pem)):
        yield Fault((section, "caPem"), wrong)


def _networks(networks: Sequence[str]) -> Iterator[Fault]:
    path = ("cluster", "networks")
    if not networks:
        yield Fault(path, "lists none: every pod would be outside the cluster")
    for index, text in enumerate(networks):
        try:
            network = ipaddress.ip_network(text)
        except ValueError:
            yield Fault((*path, index), f"{shown(text)} is no network: write it like 10.0.0.0/8")
        else:
            # Linkerd splits at the slash, and reads no other notation.
            if str(network) != text:
                yield Fault((*path, index), f"{text} is short: write {str(network)!r}")
