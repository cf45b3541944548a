"""Envoy Gateway, which runs the proxies of our Gateways, with certificates from cert-manager.

One for ingress and egress. Its proxies run where their Gateway is (`GatewayNamespace`), so that
each has a namespace, an identity and an egress list of its own.
https://gateway.envoyproxy.io/docs/tasks/operations/gateway-namespace-mode/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import pulumi
from pydantic import Field

from components.base import Args, Component, Manifest
from components.chart import ChartRef, ChartsArgs, Shape, crd_release, helm_chart, published_chart
from components.external_secrets import external_secret
from components.names import ENVOY_GATEWAY
from components.namespaces import of_envoy_gateway

CHARTS = ("gateway-helm", "gateway-helm-crds")
GATEWAY_CLASS = "linkerd-platform"
GATEWAY = "gateway.networking.k8s.io"
ENVOY = "gateway.envoyproxy.io"
# Not upstream's: another Envoy Gateway of the cluster looks at its own classes.
CONTROLLER = "linkerd-platform.io/gatewayclass-controller"
SHAPES: dict[str, Shape] = {
    "gateway-helm": Shape(
        pods=("deployment.pod",),
        priority=("deployment",),
        pull_secrets=("global",),
        images={"global.imageRegistry": "docker.io"},
        owned={
            "crds": "the program, which installs CRDs by themselves",
            "topologyInjector": "the program, whose previews it would never let be empty",
            "deployment.replicas": "ingress.controllerReplicas",
            "kubernetesClusterDomain": "cluster.domain",
            "config.envoyGateway.gateway": "the program, whose GatewayClass names it",
            "config.envoyGateway.provider": "the program, which says where proxies run",
            "config.envoyGateway.rateLimit": "ingress.globalLimits",
            "config.envoyGateway.extensionApis": "the program: a patch is a way round",
        },
    ),
}
# Envoy of EG 1.9.1, as its api/v1alpha1/shared_types.go has it; where images are mirrored alone.
# renovate: datasource=docker depName=docker.io/envoyproxy/envoy
ENVOY_IMAGE = "docker.io/envoyproxy/envoy:distroless-v1.39.1"
# renovate: datasource=docker depName=docker.io/valkey/valkey
REDIS_IMAGE = "docker.io/valkey/valkey:8.0.2"
REDIS = "redis"
_AUTHORITY = "envoy-gateway-ca"
_SELF_SIGNED = "envoy-gateway-self-signed"
# Secret -> names; follows https://gateway.envoyproxy.io/docs/tasks/security/custom-cert/ and
# internal/crypto/certgen.go.
_CERTIFICATES = ("envoy-gateway", "envoy", "envoy-rate-limit")
_HMAC = "envoy-oidc-hmac"
_PASSWORDS = "generators.external-secrets.io/v1alpha1"
_REPLICAS_OF_LIMITS = 2


class RedisArgs(Args):
    """Where counters of global limits are kept.

    address: `host:port`; None for one of ours. vault_path: entry with `password`; without it the
    server asks for none. on_failure: what happens to requests while it does not answer.
    """

    address: str | None = None
    vault_path: str | None = None
    refresh_interval: str = "10m0s"
    tls: bool = False
    on_failure: Literal["open", "closed"]
    image: str = REDIS_IMAGE


class EnvoyGatewayArgs(ChartsArgs):
    """The charts, and what is common to all Gateways.

    domain: DNS domain of the cluster. gateways: namespaces of the Gateways, whose proxies may ask
    the controller. pod: what the pods of the limits are told of where they run.
    """

    chart: ChartRef = published_chart("gateway-helm")
    crds: ChartRef | None = None
    replicas: int = 2
    domain: str = "cluster.local"
    gateways: tuple[str, ...] = ()
    redis: RedisArgs | None = None
    pod: dict[str, Any] = Field({})
    create_namespace: bool = True


class EnvoyGateway(Component, area="traffic"):
    """CRDs, its certificates, the controller, and the GatewayClass `gateway_class`, last of all."""

    gateway_class: pulumi.Resource

    def __init__(
        self,
        name: str,
        args: EnvoyGatewayArgs | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, opts)
        args = args or EnvoyGatewayArgs()
        before: list[pulumi.Resource] = []
        if args.create_namespace:
            before.append(self.apply(of_envoy_gateway(), name="namespace"))
        first = self.apply(_self_signed(), *before, wait_for="condition=Ready")
        ca = self.apply(_authority(), first, name="ca", wait_for="condition=Ready")
        issuer = self.apply(_issuer(), ca, name="issuer", wait_for="condition=Ready")
        needed: list[pulumi.Resource] = [
            self.apply(each, issuer, wait_for="condition=Ready")
            for each in certificates(args.domain)
        ]
        needed += self._made_once(_HMAC, "hmac-secret", before)
        if args.redis:
            needed += self._redis(args.redis, args.pod, before)
        needed.append(self.apply(controller_policy(args.gateways), *before))
        if args.crds:
            needed.append(crd_release(self, args.crds))
        chart = helm_chart(self, args.chart, ENVOY_GATEWAY, values(args), *before, *needed)
        self.gateway_class = self.apply(gateway_class(), chart)
        self.done(version=args.chart.version, gatewayClass=GATEWAY_CLASS)

    def _made_once(
        self, name: str, key: str, before: list[pulumi.Resource]
    ) -> list[pulumi.Resource]:
        """A Secret with a random text that is in no state: External Secrets makes it in place."""
        generator = self.apply(_generator(name), *before, name=f"{name}-generator")
        secret = self.apply(_generated(name, key), generator, wait_for="condition=Ready")
        return [generator, secret]

    def _redis(
        self, redis: RedisArgs, pod: Mapping[str, Any], before: list[pulumi.Resource]
    ) -> list[pulumi.Resource]:
        if redis.address is None:
            made = self._made_once(REDIS, "password", before)
            server = [self.apply(each, *made) for each in redis_objects(redis.image, pod)]
            return [*made, *server, self.apply(_limits_budget(), *before)]
        made = [self.apply(_limits_budget(), *before)]
        if redis.vault_path:
            password = external_secret(
                REDIS,
                ENVOY_GATEWAY,
                redis.vault_path,
                {"password": "password"},
                redis.refresh_interval,
            )
            made.append(self.apply(password, *before, wait_for="condition=Ready"))
        return made


def values(args: EnvoyGatewayArgs) -> dict[str, Any]:
    """Values of the chart `gateway-helm`.

    https://gateway.envoyproxy.io/docs/install/gateway-helm-api/. Its Job `certgen` is a hook, which
    the engine does not run: the Secrets that it would make are ours.
    """
    return {
        "crds": {"enabled": False},
        # Its webhook's CA is patched in by certgen, and only by it.
        "topologyInjector": {"enabled": False},
        "podDisruptionBudget": {"minAvailable": 1 if args.replicas > 1 else 0},
        "deployment": {
            "replicas": args.replicas,
            "pod": {
                "topologySpreadConstraints": spread({"control-plane": "envoy-gateway"}),
            },
        },
        "kubernetesClusterDomain": args.domain,
        "config": {"envoyGateway": settings(args)},
    }


def settings(args: EnvoyGatewayArgs) -> dict[str, Any]:
    """The controller's own configuration.

    https://gateway.envoyproxy.io/docs/api/extension_types/#envoygateway
    """
    kubernetes: dict[str, Any] = {"deploy": {"type": "GatewayNamespace"}}
    made: dict[str, Any] = {
        "gateway": {"controllerName": CONTROLLER},
        "provider": {"type": "Kubernetes", "kubernetes": kubernetes},
        # Backends are who is asked outside: partners, and who signs tokens. Patches and Lua are
        # ways round every rule of ours, and stay off.
        "extensionApis": {"enableBackend": True},
    }
    if args.redis:
        has_password = args.redis.address is None or args.redis.vault_path is not None
        container: dict[str, Any] = {}
        if has_password:
            key = {"name": REDIS, "key": "password"}
            container["env"] = [{"name": "REDIS_AUTH", "valueFrom": {"secretKeyRef": key}}]
        kubernetes["rateLimitDeployment"] = {
            "replicas": _REPLICAS_OF_LIMITS,
            **({"container": container} if container else {}),
            **({"pod": dict(args.pod)} if args.pod else {}),
        }
        redis: dict[str, Any] = {"url": args.redis.address or f"{REDIS}.{ENVOY_GATEWAY}.svc:6379"}
        if args.redis.tls:
            redis["tls"] = {}
        made["rateLimit"] = {
            "backend": {"type": "Redis", "redis": redis},
            # Every request with a global limit waits for it (envoyproxy/ratelimit#462).
            "timeout": "50ms",
            "failClosed": args.redis.on_failure == "closed",
        }
    return made


def proxies_of(gateway: str) -> dict[str, str]:
    """The labels by which the pods of a Gateway are told."""
    return {f"{ENVOY}/owning-gateway-name": gateway}


def spread(labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """Pods with these labels are in different zones, and on different nodes, where there are some.

    https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
    """
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": dict(labels)},
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]


def gateway_class() -> Manifest:
    """The class of all our Gateways."""
    return {
        "apiVersion": f"{GATEWAY}/v1",
        "kind": "GatewayClass",
        "metadata": {"name": GATEWAY_CLASS},
        "spec": {"controllerName": CONTROLLER},
    }


def _self_signed() -> Manifest:
    return _cert_manager("Issuer", _SELF_SIGNED, {"selfSigned": {}})


def _issuer() -> Manifest:
    return _cert_manager("Issuer", _AUTHORITY, {"ca": {"secretName": _AUTHORITY}})


def _authority() -> Manifest:
    """The CA of both sides. Its key stays, so that renewing it refuses nobody."""
    spec = {
        "secretName": _AUTHORITY,
        "commonName": _AUTHORITY,
        "isCA": True,
        "duration": "87600h0m0s",
        "renewBefore": "8760h0m0s",
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Never"},
        "usages": ["cert sign", "crl sign"],
        "revisionHistoryLimit": 3,
        "issuerRef": {"group": "cert-manager.io", "kind": "Issuer", "name": _SELF_SIGNED},
    }
    return _cert_manager("Certificate", _AUTHORITY, spec)


def certificates(domain: str) -> Iterator[Manifest]:
    """The certificates of controller, proxies and rate limit service, read from files again."""
    for name in _CERTIFICATES:
        hosts = [name, f"{name}.{ENVOY_GATEWAY}", f"{name}.{ENVOY_GATEWAY}.svc"]
        hosts.append(f"{name}.{ENVOY_GATEWAY}.svc.{domain}")
        if name != "envoy-gateway":
            # Each proxy, and each pod of the limits, is called after its Gateway or Service.
            hosts = [f"*.{ENVOY_GATEWAY}", f"*.{ENVOY_GATEWAY}.svc", *hosts]
        spec = {
            "secretName": name,
            "commonName": name,
            "dnsNames": hosts,
            "duration": "2160h0m0s",
            "renewBefore": "720h0m0s",
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
            "usages": ["digital signature", "server auth", "client auth"],
            "revisionHistoryLimit": 3,
            "issuerRef": {"group": "cert-manager.io", "kind": "Issuer", "name": _AUTHORITY},
        }
        yield _cert_manager("Certificate", name, spec)


def _cert_manager(kind: str, name: str, spec: Mapping[str, Any]) -> Manifest:
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": ENVOY_GATEWAY},
        "spec": dict(spec),
    }


def _generator(name: str) -> Manifest:
    """https://external-secrets.io/latest/api/generator/password/."""
    return {
        "apiVersion": _PASSWORDS,
        "kind": "Password",
        "metadata": {"name": name, "namespace": ENVOY_GATEWAY},
        "spec": {
            "length": 32,
            "digits": 8,
            "symbols": 0,
            "noUpper": False,
            "allowRepeat": True,
        },
    }


def _generated(name: str, key: str) -> Manifest:
    """The Secret of a generator, made once: another value would end sessions, or lock us out."""
    generator = {"apiVersion": _PASSWORDS, "kind": "Password", "name": name}
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": name, "namespace": ENVOY_GATEWAY},
        "spec": {
            "refreshPolicy": "CreatedOnce",
            "target": {
                "name": name,
                "creationPolicy": "Owner",
                "deletionPolicy": "Retain",
                "template": {"data": {key: "{{ .password }}"}},
            },
            "dataFrom": [{"sourceRef": {"generatorRef": generator}}],
        },
    }


def redis_objects(image: str, pod: Mapping[str, Any]) -> list[Manifest]:
    """A server for counters: one replica, nothing on a disk. While it is away, `onFailure` holds.

    Valkey, which speaks Redis' protocol. https://valkey.io/topics/valkey.conf/
    """
    labels = {"app.kubernetes.io/name": REDIS, "app.kubernetes.io/part-of": "linkerd-platform"}
    key = {"name": REDIS, "key": "password"}
    container = {
        "name": REDIS,
        "image": image,
        "args": [
            "valkey-server",
            *("--requirepass", "$(REDIS_AUTH)"),
            *("--save", "", "--appendonly", "no"),
            *("--maxmemory", "96mb", "--maxmemory-policy", "allkeys-lru"),
        ],
        "env": [{"name": "REDIS_AUTH", "valueFrom": {"secretKeyRef": key}}],
        "ports": [{"name": REDIS, "containerPort": 6379}],
        "readinessProbe": {"tcpSocket": {"port": REDIS}, "periodSeconds": 5},
        "livenessProbe": {"tcpSocket": {"port": REDIS}, "periodSeconds": 10},
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    spec = {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 999,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        **pod,
    }
    metadata = {"name": REDIS, "namespace": ENVOY_GATEWAY, "labels": labels}
    template = {"metadata": {"labels": labels}, "spec": spec}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": template,
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {
                "selector": labels,
                "ports": [{"name": REDIS, "port": 6379, "targetPort": REDIS}],
            },
        },
    ]


def controller_policy(gateways: Sequence[str]) -> Manifest:
    """Who may ask the controller for the configuration of a Gateway, which holds its keys.

    It tells proxies apart by a token of any namespace and the name of a pod: without this, a pod of
    the same name elsewhere would be told as well (internal/xds/server/kubejwt/tokenreview.go).
    """
    own = {"kubernetes.io/metadata.name": ENVOY_GATEWAY}
    peers = [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": each}}}
        for each in sorted(gateways)
    ]
    asked = [{"protocol": "TCP", "port": port} for port in (18000, 18002)]
    limits = [{"namespaceSelector": {"matchLabels": own}}]
    rules: list[dict[str, Any]] = [{"from": peers, "ports": asked}] if peers else []
    rules.append({"from": limits, "ports": [{"protocol": "TCP", "port": 18001}]})
    # Metrics, and the kubelet's probes.
    rules.append({"ports": [{"protocol": "TCP", "port": port} for port in (19001, 8081)]})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "envoy-gateway", "namespace": ENVOY_GATEWAY},
        "spec": {
            "podSelector": {"matchLabels": {"control-plane": "envoy-gateway"}},
            "policyTypes": ["Ingress"],
            "ingress": rules,
        },
    }


def _limits_budget() -> Manifest:
    """Of the rate limit service, which Envoy Gateway makes without one."""
    labels = {"app.kubernetes.io/name": "envoy-ratelimit"}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "envoy-ratelimit", "namespace": ENVOY_GATEWAY},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": labels}},
    }
