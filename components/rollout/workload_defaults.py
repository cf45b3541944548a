"""What a proxy is like, as annotations of a namespace or a pod template.

The injector reads them when a pod is made: one that runs keeps what it has until it restarts.
https://linkerd.io/2/reference/proxy-configuration/
"""

from __future__ import annotations

from components.base import Args

_PREFIX = "config.linkerd.io"
# The chart's own list, linkerd2 charts/linkerd-control-plane/values.yaml `proxy.opaquePorts`. An
# annotation replaces it, and a database behind it would hang.
OPAQUE_PORTS = ("25", "587", "3306", "4444", "5432", "6379", "9300", "11211")


class WorkloadDefaults(Args):
    """What proxies are like; None and an empty list are left as the control plane has them.

    access_log: `apache` or `json`. Ports are single, or ranges such as `8000-8100`; opaque ports
    come on top of Linkerd's own list. Resources are Kubernetes quantities.
    """

    access_log: str | None = None
    opaque_ports: tuple[str, ...] = ()
    skip_inbound_ports: tuple[str, ...] = ()
    skip_outbound_ports: tuple[str, ...] = ()
    proxy_await: bool | None = None
    cpu_request: str | None = None
    cpu_limit: str | None = None
    memory_request: str | None = None
    memory_limit: str | None = None


def as_annotations(args: WorkloadDefaults) -> dict[str, str]:
    """The annotations that say so; nothing for what is left as it is.

    Names and forms: linkerd2 pkg/k8s/labels.go.
    """
    opaque = (*OPAQUE_PORTS, *args.opaque_ports) if args.opaque_ports else ()
    wait = {None: "", True: "enabled", False: "disabled"}[args.proxy_await]
    values = {
        "access-log": args.access_log or "",
        "opaque-ports": ",".join(dict.fromkeys(opaque)),
        "skip-inbound-ports": ",".join(args.skip_inbound_ports),
        "skip-outbound-ports": ",".join(args.skip_outbound_ports),
        "proxy-await": wait,
        "proxy-cpu-request": args.cpu_request or "",
        "proxy-cpu-limit": args.cpu_limit or "",
        "proxy-memory-request": args.memory_request or "",
        "proxy-memory-limit": args.memory_limit or "",
    }
    return {f"{_PREFIX}/{key}": value for key, value in values.items() if value}
