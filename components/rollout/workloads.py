"""The sections about what a proxy is like in a namespace, and what a pod must not do."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schema.section import Section
from schema.values import Name
from schema.words import Ports, Quantity, Workload

AccessLog = Literal["apache", "json"]
Guard = Literal["off", "audit", "enforce"]


class ProxyResources(Section):
    """Resources of the proxy container."""

    cpu_request: Quantity | None = Field(None, description="CPU that is reserved, as `100m`.")
    cpu_limit: Quantity | None = Field(None, description="Most CPU, as `1`.")
    memory_request: Quantity | None = Field(None, description="Memory reserved, as `64Mi`.")
    memory_limit: Quantity | None = Field(None, description="Most memory, as `250Mi`.")


class ProxyDefaults(Section):
    """What a proxy is like; a key that is left out is as the control plane has it."""

    access_log: AccessLog | None = Field(
        None, description="Every request is written to the proxy's standard error, in this form."
    )
    opaque_ports: tuple[Ports, ...] = Field(
        (),
        description="Ports of protocols in which the server speaks first, on top of Linkerd's own "
        "list.",
    )
    skip_inbound_ports: tuple[Ports, ...] = Field(
        (), description="Ports at which the proxy is passed by: no mTLS, policy or metrics there."
    )
    skip_outbound_ports: tuple[Ports, ...] = Field(
        (), description="Ports to which the proxy is passed by: no mTLS, policy or metrics there."
    )
    proxy_await: bool | None = Field(
        None, description="Whether the containers start only when the proxy is ready."
    )
    proxy_resources: ProxyResources = Field(
        ProxyResources(), description="Resources of the proxy container."
    )


class NamespaceDefaults(ProxyDefaults):
    """What the proxies of a namespace are like."""

    overrides: dict[Workload, ProxyDefaults] = Field(
        {},
        description="What single workloads say instead, by `deploy/name`. Their own manifest has "
        "it; `bot rollout status` tells which annotations are not there yet.",
    )


class Workloads(Section):
    """What the proxies of meshed namespaces are like."""

    namespaces: dict[Name, NamespaceDefaults] = Field(
        {}, description="The namespaces, by name; each is in a wave of `rollout`."
    )


class Guards(Section):
    """What the API server itself refuses, or tells, in the namespaces of the rollout."""

    opt_out: Guard = Field(
        "off",
        description="Pods that opt out in a namespace whose wave is `on`, other than the workloads "
        "that the plan names. In quotes: `audit` tells, `enforce` refuses.",
    )
    own_service_account: Guard = Field(
        "off",
        description="Workloads that run as the service account `default` in a namespace whose "
        "wave is `opt-in` or `on`: others share that identity.",
    )
