"""Callers in a mesh, the real egress gateway as the program deploys it, and partners outside.

Everything of it comes from a stack file by the engine: Envoy Gateway, Envoy and linkerd2-proxy run
as process pods of `sandbox.node`. What the gateway shows a partner is in the sandbox's Vault, and
External Secrets makes Secrets of it. The sandbox enforces no NetworkPolicy.
"""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509

from bot.clients.https import Client
from bot.engine import sandbox_stack
from bot.mesh.status.verification_vault import base64_forms
from components.names import (
    DEFAULT_KV_MOUNT,
    EGRESS_GATEWAY,
    ENVOY_GATEWAY,
    LINKERD,
    LINKERD_EGRESS_GATEWAY,
)
from sandbox import vault
from sandbox.node import node as nodes
from sandbox.node import objects
from sandbox.node.load import HttpReply
from sandbox.node.node import ProcessNode
from sandbox.node.pod import ProcessPod
from tests.certificates import Authority
from tests.e2e import egress_partner
from tests.e2e.egress_partner import Partners
from tests.e2e.identity_provider import IdentityProvider
from tests.e2e.ingress_gateway import PROGRAMS, TRUSTED, access_log, deploy, mesh, program, write
from tests.e2e.mesh_objects import Objects
from tests.e2e.project import Copy

SHOP, DESK = "shop", "orders"
# Callers, by their accounts: two of the shop, one of another namespace; one that may call nobody,
# and one that is not in the mesh.
CART, FRONT, CLERK = f"{SHOP}/cart", f"{SHOP}/front", f"{DESK}/desk"
NOBODY, PLAIN = f"{SHOP}/{objects.CLIENT}", f"{SHOP}/{objects.PLAIN}"
SERVICE = f"{EGRESS_GATEWAY}.{LINKERD_EGRESS_GATEWAY}.svc.cluster.local"
NAMESPACES = (LINKERD, ENVOY_GATEWAY, LINKERD_EGRESS_GATEWAY, SHOP, DESK)
BANK, POST, PAY, TAX = (f"{each}.partner.example" for each in ("bank", "post", "pay", "tax"))
COUNTED, FRAGILE = "counted.partner.example", "fragile.partner.example"
# A partner of a test that adds it; a host that is nobody's.
LATER, UNLISTED = "later.partner.example", "unlisted.example"
IDP, _IDP_ADDRESS = "idp.example", "203.0.113.10"
CERTIFICATE, KEY, TAX_KEY = "partners/bank", "partners/bank-key", "partners/tax-key"
SCOPE = "bank.pay"
_SECONDS = 60.0
_RAW = """
import json, socket, sys
host, port, texts, seconds = json.loads(sys.argv[1])
answers = []
for text in texts:
    found = b""
    with socket.create_connection((host, port), seconds) as stream:
        stream.settimeout(seconds)
        stream.sendall(text.encode())
        try:
            while b"\\r\\n\\r\\n" not in found and (part := stream.recv(65536)):
                found += part
        except OSError as error:
            found = str(error).encode()
    answers.append(found.decode(errors="replace"))
print(json.dumps(answers))
"""
_TLS = """
import json, socket, ssl, sys
address, name = json.loads(sys.argv[1])
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
with socket.create_connection((address, 443), 5) as plain:
    with context.wrap_socket(plain, server_hostname=name) as stream:
        print(stream.version())
"""


@dataclass
class OutwardGateway:
    """The running gateway. sections: of the stack file, which `up` deploys.

    shown: every value of Vault that nobody may see, by what it is. entries: as Vault has them now.
    """

    copy: Copy
    node: ProcessNode
    idp: IdentityProvider
    outside: Partners
    sections: dict[str, Any]
    shown: dict[str, str] = field(default_factory=dict)
    entries: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def objects(self) -> Objects:
        """Of its cluster."""
        return Objects(self.copy.api)

    @property
    def pods(self) -> list[ProcessPod]:
        """The pods of the gateway itself, those that are ready."""
        return [
            each
            for each in self.node.pods_of(LINKERD_EGRESS_GATEWAY)
            if each.labels.get("gateway.envoyproxy.io/owning-gateway-name") == EGRESS_GATEWAY
        ]

    def caller(self, account: str) -> ProcessPod:
        """The pod of `<namespace>/<service account>`."""
        namespace, _, name = account.partition("/")
        return self.node.pod(namespace, name)

    def call(self, account: str, host: str, path: str = "/", **more: Any) -> HttpReply:
        """One request of a caller to a partner, as an application sends it."""
        return self.caller(account).request(f"http://{host}{path}", **more)

    def raw(self, account: str, texts: Sequence[str], host: str = BANK) -> list[str]:
        """What comes back for bytes that a caller sends to port 80 of a host, each by itself."""
        said = self._script(self.caller(account), _RAW, [host, 80, list(texts), 5], "shop")
        return list(json.loads(said))

    def tls(self, pod: ProcessPod, name: str, container: str) -> str:
        """The version of TLS that a program in a pod gets from the partners under a name."""
        return self._script(pod, _TLS, [egress_partner.ADDRESS, name], container)

    def _script(self, pod: ProcessPod, script: str, given: Any, container: str) -> str:
        python = sys.executable if container == "shop" else "/usr/bin/python3"
        done = pod.execute([python, "-c", script, json.dumps(given)], container=container)
        return done.stdout.strip() or done.stderr.strip().rpartition("\n")[2]

    def keep(self, entry: str, **values: str) -> None:
        """Write an entry of Vault, whose values are looked for wherever something is told."""
        for key, value in values.items():
            if key != "tls.crt":
                self.shown[f"{entry} {key} {len(self.shown)}"] = value
        self.entries[entry] = values
        keep(self.copy, entry, values)

    def hidden(self) -> list[str]:
        """Each value that nobody may see, by its lines, and as base64 has it."""
        lines = [
            line.removeprefix("Bearer ")
            for value in self.shown.values()
            for line in value.splitlines()
            # The last line of a key may be of a few characters.
            if not line.startswith("-----") and len(line) > 20
        ]
        encoded = [form.decode() for each in lines for form in base64_forms(each.encode())]
        return [*lines, *encoded]

    def patch(self, path: str, patch: dict[str, Any]) -> None:
        """Change an object as nobody but the test does."""
        kind = "application/merge-patch+json"
        answer = self.copy.api.request("PATCH", path, patch, content_type=kind)
        assert answer.ok, answer

    def connections(self, longest: str) -> str:
        """Give connections to the bank another longest time; the one that they had."""
        space = f"/apis/gateway.envoyproxy.io/v1alpha1/namespaces/{LINKERD_EGRESS_GATEWAY}"
        policy = f"{space}/backendtrafficpolicies/bank"
        before = self.copy.api.request("GET", policy)
        assert before.ok, before
        self.patch(policy, {"spec": {"timeout": {"http": {"maxConnectionDuration": longest}}}})
        return str(before.body["spec"]["timeout"]["http"]["maxConnectionDuration"])

    @contextmanager
    def without(self, kind: str, name: str) -> Iterator[None]:
        """The cluster without one of Envoy Gateway's objects, which is put back."""
        version = "gateway.envoyproxy.io/v1alpha1"
        metadata: dict[str, Any] = {"namespace": LINKERD_EGRESS_GATEWAY, "name": name}
        asked = {"apiVersion": version, "kind": kind, "metadata": metadata}
        answer = self.copy.api.request("GET", self.objects.path(asked, name))
        assert answer.ok, answer
        labels = answer.body["metadata"].get("labels", {})
        found = {**asked, "metadata": {**metadata, "labels": labels}, "spec": answer.body["spec"]}
        self.objects.delete(asked)
        try:
            yield
        finally:
            self.objects.apply(found)

    def logged(
        self, wanted: Callable[[dict[str, Any]], bool], count: int = 1
    ) -> list[dict[str, Any]]:
        """Lines of the access log, once there are so many. Envoy writes them every second."""

        def found() -> list[dict[str, Any]]:
            return [line for pod in self.pods for line in access_log(pod) if wanted(line)]

        self.until(lambda: len(found()) >= count, "lines of the access log", 20)
        return found()

    def refresh(self, name: str) -> None:
        """What `kubectl annotate externalsecret <name> force-sync=...` does."""
        path = (
            f"/apis/external-secrets.io/v1/namespaces/{LINKERD_EGRESS_GATEWAY}"
            f"/externalsecrets/{name}"
        )
        self.patch(path, {"metadata": {"annotations": {"force-sync": str(time.time_ns())}}})

    def up(self) -> None:
        """Deploy the stack file as it is now."""
        write(self.copy, self.sections)
        deploy(self.copy)

    def until(self, condition: Callable[[], bool], what: str, seconds: float = _SECONDS) -> None:
        """Return when it holds; fails after `seconds`."""
        assert nodes.until(condition, seconds), f"not in {seconds:.0f} s: {what}"

    def open(self, account: str, host: str, seconds: float = _SECONDS) -> None:
        """Return when a caller is answered with 200."""

        def answered() -> bool:
            return self.call(account, host, "/ready").status == 200

        self.until(answered, f"{host} answers", seconds)


def identity(account: str) -> str:
    """The identity that a service account has in the mesh."""
    namespace, _, name = account.partition("/")
    return f"{name}.{namespace}.serviceaccount.identity.linkerd.cluster.local"


def marked(what: str) -> str:
    """A path that is of one request alone."""
    return f"/{what}-{time.time_ns()}"


def keep(copy: Copy, entry: str, values: Mapping[str, str]) -> None:
    """Write an entry below the KV mount."""
    body = {"data": dict(values)}
    vault.request(copy.settings, "POST", f"/v1/{DEFAULT_KV_MOUNT}/data/{entry}", body)


def client_certificate(authority: Authority, name: str) -> dict[str, str]:
    """An entry of Vault with a client certificate."""
    certificate, key = authority.issue(name, ca=False)
    return {"tls.crt": certificate.decode(), "tls.key": key.decode()}


def serial(entry: Mapping[str, str]) -> int:
    """The number of the certificate of an entry."""
    return x509.load_pem_x509_certificate(entry["tls.crt"].encode()).serial_number


def partner(host: str, *allow: str, **keys: Any) -> dict[str, Any]:
    """A partner of a stack file, called after the first label of its host."""
    return {"name": host.partition(".")[0], "host": host, "allow": list(allow), **keys}


def partners(ca: str) -> list[dict[str, Any]]:
    """All of them. Without `ca` the public authorities are asked."""
    cart, front, desk = f"{SHOP}/cart", f"{SHOP}/front", f"{DESK}/desk"
    return [
        partner(
            BANK,
            cart,
            clientCertificate=CERTIFICATE,
            credential={"vaultPath": KEY, "header": "x-api-key"},
            ca=ca,
        ),
        partner(POST, front, desk),
        partner(PAY, cart, ca=ca, require={"scopes": [SCOPE]}),
        partner(TAX, cart, ca=ca, require={"scopes": [SCOPE]}, credential={"vaultPath": TAX_KEY}),
        partner(COUNTED, cart, front, ca=ca, limits=[
            {"requests": 5, "per": "hour", "by": "caller"},
            {"requests": 8, "per": "hour"},
        ]),
        partner(FRAGILE, cart, ca=ca, breaker={"failures": 3, "open": "10s"}),
    ]  # fmt: skip


def sections(idp: IdentityProvider, ca: str) -> dict[str, Any]:
    """The sections of a stack file. The shop goes by the global EgressNetwork, orders by its own.

    No value is in it twice: YAML would write an alias.
    """
    return {
        "gatewayApi": {"version": "1.5.1"},
        "rollout": {"waves": [{"name": "first", "state": "on", "namespaces": [SHOP, DESK]}]},
        "ingress": {"controllerReplicas": 1},
        "egress": {
            "default": "deny",
            "namespaces": {DESK: {"mode": "deny"}},
            "gateway": {
                "enabled": True,
                "replicas": 1,
                "accessLog": "all",
                "identity": {"issuer": idp.issuer, "audiences": ["shop"], "jwks": idp.jwks},
                "partners": partners(ca),
            },
        },
    }


def _vault_is_there(copy: Copy) -> None:
    """The mount is there before the program: entries must be, and External Secrets reads them."""
    mount = {"type": "kv", "options": {"version": "2"}}
    vault.request(copy.settings, "POST", f"/v1/sys/mounts/{DEFAULT_KV_MOUNT}", mount)
    file = copy.folder / sandbox_stack.TRACKED
    given = yaml.safe_load(file.read_text(encoding="utf-8"))["config"]["linkerd-platform:vault"]
    write(copy, {"vault": {**given, "createKvMount": False}})


def _services(copy: Copy) -> list[Any]:
    answer = copy.api.request("GET", f"/api/v1/namespaces/{LINKERD_EGRESS_GATEWAY}/services")
    return list(answer.body["items"]) if answer.ok else []


def _accepted(api: Client) -> None:
    """Write the status that Linkerd gives to egress: as where its controllers have run before.

    With none they write it over and over for minutes: each change of one object has the status of
    all of them written again (policy-controller/k8s/status of linkerd2).
    """
    network = {"group": "policy.linkerd.io", "kind": "EgressNetwork", "name": "egress"}
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def true(kind: str) -> dict[str, str]:
        said = {"type": kind, "reason": kind, "status": "True", "message": ""}
        return {**said, "lastTransitionTime": at}

    kinds = {
        "egressnetworks": "policy.linkerd.io/v1alpha1",
        "tlsroutes": "gateway.networking.k8s.io/v1alpha2",
        "httproutes": "gateway.networking.k8s.io/v1",
    }
    for plural, version in kinds.items():
        for each in api.request("GET", f"/apis/{version}/{plural}").body["items"]:
            namespace, name = each["metadata"]["namespace"], each["metadata"]["name"]
            status: dict[str, Any] = {"conditions": [true("Accepted")]}
            if plural != "egressnetworks":
                (parent,) = each["spec"]["parentRefs"]
                if parent["kind"] != "EgressNetwork":
                    continue
                ref = {**network, "namespace": namespace, "port": parent["port"]}
                both = [true("Accepted"), true("ResolvedRefs")]
                controller = "linkerd.io/policy-controller"
                said = {"parentRef": ref, "controllerName": controller, "conditions": both}
                status = {"parents": [said]}
            answer = api.request(
                "PATCH",
                f"/apis/{version}/namespaces/{namespace}/{plural}/{name}/status",
                {"status": status},
                content_type="application/merge-patch+json",
            )
            assert answer.ok, answer


@contextmanager
def running(copy: Copy, folder: Path) -> Iterator[OutwardGateway]:
    """The gateway in a sandbox of its own, ready, with callers and partners."""
    done = copy.run("sandbox", "cluster", "up", "--ephemeral")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    public, private, clients = (Authority.root(each) for each in ("public", "private", "clients"))
    (folder / "trusted.crt").write_text(public.pem)
    idp = IdentityProvider(public, IDP, _IDP_ADDRESS)
    served = dict.fromkeys((BANK, PAY, TAX, COUNTED, FRAGILE, LATER, UNLISTED), private)
    served[POST] = public
    outside = Partners(served, clients, frozenset([BANK]))
    hosts = {**dict.fromkeys(served, egress_partner.ADDRESS), IDP: _IDP_ADDRESS}
    _vault_is_there(copy)
    made = sections(idp, private.pem)
    entries = {
        CERTIFICATE: client_certificate(clients, "shop"),
        KEY: {"credential": secrets.token_hex(16)},
        TAX_KEY: {"credential": f"Bearer {secrets.token_hex(16)}"},
    }
    for entry, values in entries.items():
        keep(copy, entry, values)
    Objects(copy.api).apply(objects.namespace_of(SHOP), objects.namespace_of(DESK))
    write(copy, made)
    # Nobody runs Envoy Gateway yet: what the program waits for must not be its word.
    deploy(copy)
    mesh(copy.api, LINKERD_EGRESS_GATEWAY, EGRESS_GATEWAY)
    _accepted(copy.api)
    found = {name: program(name) for name in PROGRAMS}
    with (
        nodes.running(
            copy.settings,
            NAMESPACES,
            images={"gateway": ("envoy-gateway",)},
            programs={name: path for name, path in found.items() if path},
            files={TRUSTED: folder / "trusted.crt"},
            hosts=hosts,
        ) as node,
        idp.running(node),
        outside.running(node),
    ):
        gateway = OutwardGateway(copy, node, idp, outside, made)
        for entry, values in entries.items():
            gateway.keep(entry, **values)
        for name in ("cart", "front", objects.CLIENT):
            node.apply(*objects.server(SHOP, name))
        plain = {objects.INJECT: "disabled"}
        node.apply(*objects.server(SHOP, objects.PLAIN, annotations=plain))
        node.apply(*objects.server(DESK, "desk"))
        node.wait(SHOP)
        node.wait(DESK)
        node.wait(ENVOY_GATEWAY, "envoy-gateway")
        if not nodes.until(lambda: bool(_services(copy)), 10):
            # It began before the mesh's webhooks answered, and does not try a second time.
            node.restart(ENVOY_GATEWAY, "envoy-gateway")
        gateway.until(lambda: len(gateway.pods) == 1, "the gateway's pod is ready", 180)
        gateway.open(f"{SHOP}/cart", BANK, 180)
        yield gateway
