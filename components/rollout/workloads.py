"""The section `workloads` of a stack file: what a proxy is like in a namespace, as annotations.

The injector reads them when a pod is made: one that runs keeps what it has until it restarts.
https://linkerd.io/2/reference/proxy-configuration/
"""

from __future__ import annotations

from typing import Literal, Protocol

from pydantic import Field

from schema.section import Section
from schema.values import Name
from schema.words import Ports, Quantity, Workload

AccessLog = Literal["apache", "json"]
_PREFIX = "config.linkerd.io"
# The chart's own list, linkerd2 charts/linkerd-control-plane/values.yaml `proxy.opaquePorts`. An
# annotation replaces it, and a database behind it would hang.
OPAQUE_PORTS = ("25", "587", "3306", "4444", "5432", "6379", "9300", "11211")


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


class WorkloadsSection(Section):
    """What the proxies of meshed namespaces are like."""

    namespaces: dict[Name, NamespaceDefaults] = Field(
        {}, description="The namespaces, by name; each is in a wave of `rollout`."
    )


class HasWorkloads(Protocol):
    """A config with the section `workloads`."""

    @property
    def workloads(self) -> WorkloadsSection: ...  # noqa: D102


def as_annotations(section: ProxyDefaults) -> dict[str, str]:
    """The annotations that say so; nothing for what is left as it is.

    Opaque ports come on top of Linkerd's own list. Names and forms: linkerd2 pkg/k8s/labels.go.
    """
    opaque = (*OPAQUE_PORTS, *section.opaque_ports) if section.opaque_ports else ()
    wait = {None: "", True: "enabled", False: "disabled"}[section.proxy_await]
    resources = section.proxy_resources
    values = {
        "access-log": section.access_log or "",
        "opaque-ports": ",".join(dict.fromkeys(opaque)),
        "skip-inbound-ports": ",".join(section.skip_inbound_ports),
        "skip-outbound-ports": ",".join(section.skip_outbound_ports),
        "proxy-await": wait,
        "proxy-cpu-request": resources.cpu_request or "",
        "proxy-cpu-limit": resources.cpu_limit or "",
        "proxy-memory-request": resources.memory_request or "",
        "proxy-memory-limit": resources.memory_limit or "",
    }
    return {f"{_PREFIX}/{key}": value for key, value in values.items() if value}
