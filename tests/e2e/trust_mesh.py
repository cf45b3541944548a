"""One mesh on which anchors are rotated: its stack file, updates, and what it holds by now."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import yaml
from cryptography import x509

from bot import engine
from bot.engine import sandbox_stack
from bot.mesh.status.verification_trust import signed_by
from components.cluster_anchor import origin
from components.names import CERT_MANAGER, IDENTITY_ISSUER, LINKERD, anchor_path
from sandbox import vault
from schema.certificates import certificates_in
from tests.e2e import project
from tests.e2e.checker import Checker, published_roots
from tests.e2e.project import Copy

LEAF_SECONDS, SKEW_SECONDS = 6, 1
ROOT_SECONDS = 365 * 86400
# Vault dates an issuer back by half a minute: of these, a third is left when it is renewed.
CAPPED_SECONDS = 45
FIRST = "anchor-1"
_PREFIX = "linkerd-platform:"
_CERTIFICATE = f"/apis/cert-manager.io/v1/namespaces/{LINKERD}/certificates/{IDENTITY_ISSUER}"
_SECRET = f"/api/v1/namespaces/{LINKERD}/secrets/{IDENTITY_ISSUER}"
# A rotation is what is meant here: without `--allow` an update of the anchor is refused.
_UP = ("bot", "up", "--stack", "sandbox", "--yes", "--allow", "anchor")
Generation = Mapping[str, Any]


def generation(name: str, custody: str = "vault", **more: Any) -> Generation:
    """One entry of `trust.generations`."""
    return {"name": name, "custody": custody, "lifetime": "365d", **more}


@dataclass
class TrustMesh:
    """A running mesh and its generations as the stack file has them; `said` is all output."""

    copy: Copy
    generations: list[Generation] = field(default_factory=lambda: [generation(FIRST)])
    signing: str = FIRST
    leaf_seconds: int = LEAF_SECONDS
    said: dict[str, bytes] = field(default_factory=dict)

    @property
    def custody(self) -> str:
        """Where the key of the signing generation lives."""
        return str(next(g["custody"] for g in self.generations if g["name"] == self.signing))

    def begin(self) -> None:
        """Bring up servers and mesh, without what has nothing to do with trust."""
        self.write()
        done = self.copy.run("sandbox", "cluster", "up", "--ephemeral")
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        self.up()

    def add(self, custody: str, **more: Any) -> str:
        """Add a generation to the stack file; its name."""
        name = f"anchor-{len(self.generations) + 1}"
        self.generations.append(generation(name, custody, **more))
        return name

    def retire(self, *kept: str) -> None:
        """Retire all generations in the stack file but these."""
        self.generations = [{**g, "retired": g["name"] not in kept} for g in self.generations]

    def write(self) -> None:
        """Write the stack file."""
        file = self.copy.folder / sandbox_stack.TRACKED
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        config = document["config"]
        config[f"{_PREFIX}trust"] = {
            "generations": [dict(each) for each in self.generations],
            "signing": self.signing,
            "issuer": {
                "duration": "1h",
                "renewBefore": "5m",
                "leafLifetime": f"{self.leaf_seconds}s",
                "clockSkew": f"{SKEW_SECONDS}s",
            },
        }
        config[f"{_PREFIX}viz"] = {"enabled": False}
        file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")

    def run(self, *arguments: str, seconds: float = 1200) -> str:
        """Run `python -m ...`, which must end well; its output."""
        done = self.copy.run(*arguments, seconds=seconds)
        self.keep(arguments, done.stdout + done.stderr)
        assert done.returncode == 0, f"{' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def exists(self, path: str) -> bool:
        """Tell whether the API server has this object."""
        return self.copy.api.request("GET", path).ok

    def in_vault(self, path: str) -> bool:
        """Tell whether Vault has something at this path."""
        return bool(self._vault(path))

    def try_run(self, *arguments: str) -> tuple[int, str]:
        """Run `python -m ...`; its exit code and output."""
        done = self.copy.run(*arguments, seconds=1200)
        self.keep(arguments, done.stdout + done.stderr)
        return done.returncode, done.stdout + done.stderr

    def up(self) -> str:
        """Deploy what the stack file says, without a question."""
        self.write()
        return self.run(*_UP)

    def up_killed(self, at: Callable[[], bool], seconds: float = 900) -> None:
        """Deploy, and kill the command with all it started as soon as `at` holds."""
        self.write()
        process = self.copy.start(*_UP)
        deadline = time.monotonic() + seconds
        try:
            while not at():
                assert process.poll() is None, f"ended too early:\n{self.copy.output()}"
                assert time.monotonic() < deadline, f"never came:\n{self.copy.output()}"
                time.sleep(0.02)
        finally:
            project.kill_all(process)
        self.keep(("killed", *_UP), self.copy.output())
        self.release()

    def release(self) -> None:
        """Release the lock that a killed update left behind, which the next one meets and names."""
        target, found = self.copy.target, self.copy.engine

        def released() -> bool:
            return engine.cancel_stale(found, target, engine.run(found, target, "up"))

        # A killed process is still listed for a moment.
        self.wait("a lock of a process that is gone", released, 120)

    def assert_unchanged(self) -> None:
        """The preview of the present stack file must be empty."""
        result = engine.run(self.copy.engine, self.copy.target, "preview")
        assert result.unchanged, (result.record.changes, result.record.errors, result.outside)

    def watch(self, *, simulated: bool = False) -> Checker:
        """A checker whose leaves live as long as the stack file says.

        simulated: without Linkerd's own identity processes, for a mesh that is there to fail.
        """
        issuer = self.copy.target.config.trust.issuer
        folder = None if simulated else self.copy.folder / "identity"
        life, skew = issuer.leaf_lifetime.seconds, issuer.clock_skew.seconds
        return Checker(self.copy.api, life, skew, folder)

    # What is there by now.

    def roots(self) -> list[x509.Certificate]:
        """The roots in the ConfigMap, in its order."""
        return published_roots(self.copy.api)

    def issuer(self) -> x509.Certificate:
        """The identity issuer."""
        data = self.copy.api.request("GET", _SECRET).body["data"]
        return certificates_in(base64.b64decode(data["tls.crt"]))[0]

    def anchors(self) -> dict[str, x509.Certificate]:
        """The root of each generation that exists by now, from where it was made."""
        found = {}
        for each in self.generations:
            name = each["name"]
            pem = self._made_in_vault(name) or self._made_in_cluster(name)
            if pem:
                found[name] = certificates_in(pem)[0]
        return found

    def has_key(self, name: str) -> bool:
        """Tell whether Vault has the key of a generation, in either custody."""
        config = self.copy.target.config.vault
        made = self._vault(f"{config.pki_mount}/issuer/{name}").get("key_id")
        kept = self._vault(f"{config.kv_mount}/data/anchor-keys/{name}").get("data") or {}
        return bool(made or kept.get("tls.key"))

    def _made_in_vault(self, name: str) -> bytes:
        path = f"{self.copy.target.config.vault.pki_mount}/issuer/{name}/json"
        return str(self._vault(path).get("certificate", "")).encode()

    def _made_in_cluster(self, name: str) -> bytes:
        path = f"{self.copy.target.config.vault.kv_mount}/data/{anchor_path(name)}"
        if published := self._vault(path).get("data"):
            return str(published["certificate"]).encode()
        path = f"/api/v1/namespaces/{CERT_MANAGER}/secrets/{origin(name)}"
        answer = self.copy.api.request("GET", path)
        data = answer.body.get("data", {}) if answer.ok else {}
        return base64.b64decode(data.get("tls.crt", ""))

    def _vault(self, path: str) -> dict[str, Any]:
        try:
            answer: Any = vault.request(self.copy.settings, "GET", f"/v1/{path}")
        except vault.VaultError:
            return {}
        return dict(answer["data"])

    def serials(self) -> dict[str, str]:
        """The serial number of each root that exists by now, by generation."""
        return {name: f"{root.serial_number:x}" for name, root in self.anchors().items()}

    def left(self, certificate: x509.Certificate) -> float:
        """Seconds that a certificate has to live."""
        return (certificate.not_valid_after_utc - datetime.now(UTC)).total_seconds()

    def signer(self) -> str | None:
        """The generation that signed the issuer which is there now."""
        issuer = self.issuer()
        return next((n for n, root in self.anchors().items() if signed_by(issuer, root)[0]), None)

    def wait(self, what: str, probe: Callable[[], bool], seconds: float = 300) -> None:
        """Return when `probe` holds."""
        deadline = time.monotonic() + seconds
        while not probe():
            assert time.monotonic() < deadline, f"{what}: not in {seconds:.0f} s"
            time.sleep(0.2)

    # What the tests do to it.

    @contextmanager
    def issuers_capped(self, seconds: int = CAPPED_SECONDS) -> Iterator[None]:
        """Let Vault cut what it signs to seconds, which cert-manager then renews by.

        cert-manager refuses a duration under an hour, but goes by the lifetime it was given.
        """
        self._tune(seconds)
        try:
            yield
        finally:
            self._tune(ROOT_SECONDS)

    def _tune(self, seconds: int) -> None:
        mount = self.copy.target.config.vault.pki_mount
        body = {"max_lease_ttl": f"{seconds}s", "default_lease_ttl": f"{seconds}s"}
        vault.request(self.copy.settings, "POST", f"/v1/sys/mounts/{mount}/tune", body)

    def renew(self) -> None:
        """Ask cert-manager for a new issuer as `cmctl renew` does; does not wait for it."""
        condition = {
            "type": "Issuing",
            "status": "True",
            "reason": "ManuallyTriggered",
            "message": "renewed by hand",
            "lastTransitionTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

        def asked() -> bool:
            certificate = self.copy.api.request("GET", _CERTIFICATE).body
            conditions = certificate.get("status", {}).get("conditions", [])
            certificate["status"]["conditions"] = [
                *(each for each in conditions if each["type"] != "Issuing"),
                condition,
            ]
            answer = self.copy.api.request("PUT", f"{_CERTIFICATE}/status", certificate)
            # cert-manager may have written in between.
            assert answer.ok or answer.status == 409, answer
            return answer.ok

        self.wait("a request for renewal", asked, 120)

    def renewed(self) -> None:
        """Ask for a new issuer and wait until it is there."""
        before = self.issuer().serial_number
        self.renew()
        self.next_issuer(before)

    def next_issuer(self, before: int = 0) -> None:
        """Wait for another issuer than this, or than the present one."""
        known = before or self.issuer().serial_number
        self.wait("renewal", lambda: self.issuer().serial_number != known)

    def refresh(self, secret: str) -> None:
        """Have External Secrets read an entry of Vault now."""
        path = f"/apis/external-secrets.io/v1/namespaces/{CERT_MANAGER}/externalsecrets/{secret}"
        body = {"metadata": {"annotations": {"force-sync": str(time.time())}}}
        answer = self.copy.api.request(
            "PATCH", path, body, content_type="application/merge-patch+json"
        )
        assert answer.ok, answer

    def keep(self, arguments: tuple[str, ...], text: str) -> None:
        """Remember what a command has printed, for the search for keys."""
        self.said[f"{len(self.said):03}-{'-'.join(arguments)}"] = text.encode()
