"""The objects of a Gateway of Envoy Gateway, as functions that return dicts, for both gateways.

https://gateway.envoyproxy.io/docs/api/extension_types/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from components.base import Args, Manifest
from components.envoy_gateway import ENVOY, GATEWAY, GATEWAY_CLASS, proxies_of, spread

HTTP, HTTPS = 80, 443
# Where the pods listen: Envoy Gateway adds 10000 to a port below 1024.
_ABOVE = 10_000
PROVIDER = "identity"
# The Backend that keys of tokens are fetched from; no partner and no route has a name with a dot.
KEYS = "keys.identity"
# Who signed the certificates of servers outside, where nothing else is said.
PUBLIC = {"wellKnownCACertificates": "System"}
# Where the mesh's proxy of a gateway writes who calls, over whatever the client wrote, and where a
# client would say whom to call: linkerd2-proxy linkerd/app/inbound/src/http/set_identity_header.rs.
CLIENT_ID = "l5d-client-id"
_OF_PROXIES = ("l5d-dst-override",)
# Never `%REQ(AUTHORIZATION)%`, nor a query, in which a token may stand.
_LOG = {
    "start_time": "%START_TIME%",
    "method": "%REQ(:METHOD)%",
    "host": "%REQ(:AUTHORITY)%",
    "path": "%PATH(NQ:ORIG_OR_PATH)%",
    "protocol": "%PROTOCOL%",
    "response_code": "%RESPONSE_CODE%",
    "response_flags": "%RESPONSE_FLAGS%",
    "response_code_details": "%RESPONSE_CODE_DETAILS%",
    "subject": f"%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:{PROVIDER}:sub)%",
    "client_certificate": "%DOWNSTREAM_PEER_SUBJECT%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "route": "%ROUTE_NAME%",
    "duration": "%DURATION%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "user_agent": "%REQ(USER-AGENT)%",
}
# A request that got no answer at all has code 0.
_ERRORS = "response.code < 200 || response.code >= 300"


class EnvoyProxyArgs(Args):
    """The proxies of one Gateway.

    account: their service account, whose identity policies name. skip_inbound: container ports that
    the mesh's proxy is passed by at, without which the address of a client is lost; none for a
    gateway that only the mesh calls. log: more fields of the access log, over those that it has.
    image: None for Envoy Gateway's own. pod: where they run.
    """

    namespace: str
    name: str
    account: str
    replicas: int = 3
    skip_inbound: tuple[int, ...] = ()
    service_type: Literal["LoadBalancer", "NodePort", "ClusterIP"] = "ClusterIP"
    annotations: dict[str, str] = Field({})
    source_ranges: tuple[str, ...] = ()
    access_log: Literal["errors", "all", "off"] = "errors"
    log: dict[str, str] = Field({})
    image: str | None = None
    pod: dict[str, Any] = Field({})


def made(api_version: str, kind: str, namespace: str, name: str, spec: Any) -> Manifest:
    """An object with a namespace."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


def envoy(kind: str, namespace: str, name: str, spec: Any) -> Manifest:
    """An object of Envoy Gateway's API."""
    return made(f"{ENVOY}/v1alpha1", kind, namespace, name, spec)


def container_port(port: int) -> int:
    """Where a pod listens for a listener's port."""
    return port + _ABOVE if port < 1024 else port


def envoy_proxy(args: EnvoyProxyArgs) -> Manifest:
    """What the proxies of a Gateway are like: in the mesh, and calling Services, not pods.

    `routingType: Service` makes the mesh balance, retry and authorize. The annotations must be
    here: those of `EnvoyGateway.provider` are passed over (envoyproxy/gateway#7620).
    """
    annotations = {"linkerd.io/inject": "enabled"}
    if args.skip_inbound:
        ports = ",".join(str(port) for port in args.skip_inbound)
        annotations["config.linkerd.io/skip-inbound-ports"] = ports
    labels = proxies_of(args.name)
    service: dict[str, Any] = {"type": args.service_type}
    if args.service_type != "ClusterIP":
        # The other policy would hide the client behind a node.
        service["externalTrafficPolicy"] = "Local"
    if args.annotations:
        service["annotations"] = dict(args.annotations)
    if args.source_ranges:
        service["loadBalancerSourceRanges"] = list(args.source_ranges)
    deployment: dict[str, Any] = {
        "replicas": args.replicas,
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
        },
        "pod": {
            "annotations": annotations,
            "topologySpreadConstraints": spread(labels),
            **args.pod,
        },
    }
    if args.image:
        deployment["container"] = {"image": args.image}
    kubernetes: dict[str, Any] = {
        "envoyDeployment": deployment,
        "envoyService": service,
        "envoyServiceAccount": {"name": args.account},
    }
    if args.replicas > 1:
        kubernetes["envoyPDB"] = {"maxUnavailable": 1}
    spec: dict[str, Any] = {
        "provider": {"type": "Kubernetes", "kubernetes": kubernetes},
        "routingType": "Service",
        "telemetry": {"accessLog": access_log(args.access_log, args.log)},
        # Load balancers take a pod out before it ends.
        "shutdown": {"drainTimeout": "60s", "minDrainDuration": "10s"},
    }
    return envoy("EnvoyProxy", args.namespace, args.name, spec)


def access_log(
    which: Literal["errors", "all", "off"], more: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """One JSON object a line on standard output, with the subject of a token, never the token."""
    if which == "off":
        return {"disable": True}
    setting: dict[str, Any] = {
        "format": {"type": "JSON", "json": {**_LOG, **(more or {})}},
        "sinks": [{"type": "File", "file": {"path": "/dev/stdout"}}],
    }
    if which == "errors":
        setting["matches"] = [_ERRORS]
    return {"settings": [setting]}


def gateway(
    namespace: str,
    name: str,
    listeners: Sequence[Mapping[str, Any]],
    proxy: str,
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    """A Gateway whose routes are of its own namespace alone: nobody else opens it."""
    routes = {"namespaces": {"from": "Same"}, "kinds": [{"group": GATEWAY, "kind": "HTTPRoute"}]}
    spec = {
        "gatewayClassName": GATEWAY_CLASS,
        "infrastructure": {
            "parametersRef": {"group": ENVOY, "kind": "EnvoyProxy", "name": proxy},
        },
        "listeners": [{**each, "allowedRoutes": routes} for each in listeners],
    }
    found = made(f"{GATEWAY}/v1", "Gateway", namespace, name, spec)
    if annotations:
        found["metadata"]["annotations"] = dict(annotations)
    return found


def http_listener(name: str) -> dict[str, Any]:
    """Port 80, which sends clients to 443 and answers challenges of ACME."""
    return {"name": name, "protocol": "HTTP", "port": HTTP}


def https_listener(name: str, host: str, secret: str) -> dict[str, Any]:
    """Port 443 for one host."""
    return {
        "name": name,
        "protocol": "HTTPS",
        "port": HTTPS,
        "hostname": host,
        "tls": {
            "mode": "Terminate",
            "certificateRefs": [{"group": "", "kind": "Secret", "name": secret}],
        },
    }


def parent(gateway_name: str, listener: str) -> dict[str, str]:
    """The listener that a route is attached to."""
    return {
        "group": GATEWAY,
        "kind": "Gateway",
        "name": gateway_name,
        "sectionName": listener,
    }


def ca_certificates(namespace: str, name: str, pem: str | None) -> Manifest:
    """CA certificates, under the key that Envoy Gateway reads."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": {"ca.crt": pem},
    }


def target(kind: str, name: str, section: str | None = None) -> list[dict[str, str]]:
    """What a policy is about."""
    found = {"group": GATEWAY, "kind": kind, "name": name}
    return [found | ({"sectionName": section} if section else {})]


def client_traffic(
    namespace: str,
    name: str,
    gateway_name: str,
    section: str,
    *,
    hops: int | None,
    tls: bool = True,
    ca: str | None = None,
    required: bool = True,
    remove: Sequence[str] = (*_OF_PROXIES, CLIENT_ID),
    received: str = "60s",
    streams: int = 100,
    scheme: Literal["Preserve", "MatchBackend"] = "Preserve",
) -> Manifest:
    """What a listener asks of its clients.

    tls: whether it ends TLS. ca: ConfigMap with `ca.crt` of client certificates. hops: proxies
    before the gateway that tell the client's address; None where nobody said, and then no header is
    believed either. remove: headers of clients that would pass for somebody else. received: the
    time in which a request must be here, with its body. streams: requests at once of a connection
    of HTTP/2. scheme: what backends of HTTP/2 are told.
    """
    settings: dict[str, Any] = {"minVersion": "1.2"}
    headers: dict[str, Any] = {
        "earlyRequestHeaders": {"remove": list(remove)},
        "xForwardedClientCert": {"mode": "Sanitize"},
    }
    if ca:
        settings["clientValidation"] = {
            "mode": "RequireAndVerify" if required else "VerifyIfGiven",
            "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": ca}],
        }
        headers["xForwardedClientCert"] = {
            "mode": "SanitizeSet",
            "certDetailsToAdd": ["Subject", "URI", "DNS"],
        }
    spec: dict[str, Any] = {
        "targetRefs": target("Gateway", gateway_name, section),
        **({"tls": settings} if tls else {}),
        "headers": headers,
        "timeout": {"http": {"requestReceivedTimeout": received, "idleTimeout": "300s"}},
        "connection": {"bufferLimit": "32Ki"},
        "http2": {"maxConcurrentStreams": streams},
    }
    if scheme != "Preserve":
        spec["scheme"] = scheme
    if hops:
        spec["clientIPDetection"] = {"xForwardedFor": {"numTrustedHops": hops}}
    return envoy("ClientTrafficPolicy", namespace, name, spec)


def outside(namespace: str, name: str, host: str, port: int, tls: Mapping[str, Any]) -> Manifest:
    """A server that is asked by TLS: `sni` is the name that its certificate must have.

    Without a Backend, Envoy Gateway checks who signed a certificate, and not whose it is
    (internal/xds/translator/jwt.go buildXdsUpstreamTLSSocket). Never `DynamicResolver`, which would
    send a request wherever its caller says.
    """
    spec = {
        "endpoints": [{"fqdn": {"hostname": host, "port": port}}],
        "tls": {"sni": host, **tls},
    }
    return envoy("Backend", namespace, name, spec)


def outside_ref(name: str) -> dict[str, str]:
    """A reference to a Backend of the same namespace."""
    return {"group": ENVOY, "kind": "Backend", "name": name}


def reference_grant(namespace: str, name: str, routes: str, services: Iterable[str]) -> Manifest:
    """Lets HTTPRoutes of namespace `routes` lead to these Services of `namespace`."""
    spec = {
        "from": [{"group": GATEWAY, "kind": "HTTPRoute", "namespace": routes}],
        "to": [{"group": "", "kind": "Service", "name": each} for each in sorted(services)],
    }
    return made(f"{GATEWAY}/v1beta1", "ReferenceGrant", namespace, name, spec)


def backend(service: str, port: int, weight: int | None = None) -> dict[str, Any]:
    """A Service that requests go to."""
    namespace, _, name = service.partition("/")
    found: dict[str, Any] = {
        "group": "",
        "kind": "Service",
        "namespace": namespace,
        "name": name,
        "port": port,
    }
    return found | ({} if weight is None else {"weight": weight})
