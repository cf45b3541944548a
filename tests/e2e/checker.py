"""Watches the trust of a mesh: identity processes and simulated pods on real certificates.

The issuers are those that the real servers make. Leaves come from Linkerd's own identity service
where its program is there, else from a simulated one (`tests.e2e.identity`). What a proxy would do
is done here, as upstream does it: it gets the bundle when its pod starts, and renews its leaf at
seven tenths of its life.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

from cryptography import x509

from bot.clients.https import Client
from bot.mesh.status.verification_trust import BUNDLE_KEY
from components.names import IDENTITY_ISSUER, LINKERD, TRUST_ROOTS_CONFIG_MAP
from schema.certificates import certificates_in
from tests.e2e import identity_process
from tests.e2e.identity import Bundle, Identity
from tests.e2e.identity_process import IdentityProcess
from tests.e2e.leaves import Issuer, Leaf, issuer_files, now, request

_EVERY_SECONDS = 0.2
# A kubelet brings a new Secret to each replica at another moment.
_DELAYS_SECONDS = (0.0, 0.6, 1.8)
WORKLOADS = ("web", "api", "database-0", "agent", "bare", "linkerd-identity")
_SECRET = f"/api/v1/namespaces/{LINKERD}/secrets/{IDENTITY_ISSUER}"
_CONFIG_MAP = f"/api/v1/namespaces/{LINKERD}/configmaps/{TRUST_ROOTS_CONFIG_MAP}"


@dataclass
class Workload:
    """One meshed pod: the bundle of its start and its leaf."""

    name: str
    bundle: Bundle
    leaf: Leaf | None = None


class Checker:
    """Several times a second: every issuer and every live leaf against every bundle in use.

    lifetime: seconds of a leaf, which is cut to its issuer's end. processes: folder in which
    Linkerd's own identity processes keep their files; without one, or without the program, they are
    simulated, and `report` says why. A `with` block runs it; `restart` stands for that of pods.
    `failures` counts each fault that was seen, `checks` the verifications, `issuers` are the serial
    numbers in the order in which they came.
    """

    def __init__(
        self, api: Client, lifetime: float, skew: float, processes: Path | None = None
    ) -> None:
        self._api, self._lifetime, self._skew = api, lifetime, skew
        self.simulated = identity_process.missing() if processes else "as asked"
        self._lock, self._stop = threading.RLock(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="checker", daemon=True)
        self.failures: Counter[str] = Counter()
        self.checks = 0
        self.rounds = 0
        self.leaves = 0
        self.unanswered = 0
        self.longest = 0.0
        self.issuers: list[int] = []
        self._issuer: Issuer | None = None
        bundle = self.published()
        life, short = timedelta(seconds=lifetime), timedelta(seconds=skew)
        self.identities: list[Identity] = [
            IdentityProcess(
                f"identity-{index}", delay, bundle, life, short, api=api, folder=processes
            )
            if processes and self.simulated is None
            else Identity(f"identity-{index}", delay, bundle, life, short)
            for index, delay in enumerate(_DELAYS_SECONDS)
        ]
        self.workloads = [Workload(name, bundle) for name in WORKLOADS]

    def __enter__(self) -> Checker:
        self._look()
        for identity in self.identities:
            identity.restart(self.published(), self._issuer)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(30)
        for identity in self.identities:
            identity.stop()

    def published(self) -> Bundle:
        """What a pod that starts now would get."""
        answer = self._api.request("GET", _CONFIG_MAP)
        assert answer.ok, answer
        return Bundle.of(answer.body["data"][BUNDLE_KEY])

    def restart(self, *names: str) -> None:
        """Restart these pods one after the other; without names the whole mesh, identity first."""
        for identity in self.identities:
            if not names or identity.name in names:
                # Without the lock: a new process comes up while the old one goes on.
                identity.restart(self.published(), self._issuer)
                time.sleep(0.1)
        for workload in self.workloads:
            if not names or workload.name in names:
                with self._lock:
                    workload.bundle, workload.leaf = self.published(), None
                    self._renew(workload)
                time.sleep(0.1)

    def settle(self) -> None:
        """Return when no leaf of an earlier issuer can be alive, as the runbook has one wait."""
        slowest = max(_DELAYS_SECONDS) + 2 * _EVERY_SECONDS
        time.sleep(self._lifetime + self._skew + slowest)

    def report(self) -> str:
        """One line on what was seen."""
        return (
            f"{self.checks} verifications in {self.rounds} rounds, {len(self.issuers)} issuers, "
            f"{self.leaves} leaves, longest pause {self.longest:.1f} s, "
            f"{self.failures.total()} failures; leaves from "
            + (
                f"a simulated identity: {self.simulated}"
                if self.simulated
                else f"{len(self.identities)} processes of linkerd-identity"
            )
        )

    @property
    def skipped(self) -> set[int]:
        """Issuers that some identity process refused."""
        return {serial for identity in self.identities for serial in identity.skipped}

    def _run(self) -> None:
        last = time.monotonic()
        while not self._stop.wait(_EVERY_SECONDS):
            try:
                self._look()
                with self._lock:
                    self._round()
            except Exception as error:  # A checker that died would be one that sees no fault.
                self.failures[f"checker: {error!r}"[:200]] += 1
            self.longest = max(self.longest, time.monotonic() - last)
            last = time.monotonic()

    def _look(self) -> None:
        answer = self._api.request("GET", _SECRET, seconds=5)
        data = issuer_files(answer.body.get("data", {}) if answer.ok else {})
        if not (data.get("tls.crt") and data.get("tls.key")):
            # No answer, or the Secret is between two states: identity has the file it had.
            self.unanswered += 1
            return
        if self._issuer is None or self._issuer.source != data["tls.crt"]:
            self._issuer = Issuer.of(data)
            self.issuers.append(self._issuer.serial)

    def _round(self) -> None:
        if self._issuer:
            for identity in self.identities:
                identity.look(self._issuer)
        for workload in self.workloads:
            if workload.leaf is None or now() >= workload.leaf.renew:
                self._renew(workload)
        at = now()
        leaves = [each.leaf for each in self.workloads if each.leaf]
        self._verify(leaves + ([self._issuer.probe] if self._issuer else []), at)
        for workload in self.workloads:
            if workload.leaf is None or at > workload.leaf.certificate.not_valid_after_utc:
                self.failures[f"{workload.name} has no leaf that is alive"] += 1
        self.rounds += 1

    def _verify(self, leaves: Iterable[Leaf], at: datetime) -> None:
        held = [each.bundle for each in (*self.identities, *self.workloads)]
        bundles = {bundle.text: bundle for bundle in held}
        for leaf in leaves:
            for bundle in bundles.values():
                self.checks += 1
                if reason := bundle.refuses(leaf, at):
                    what = "issuer" if leaf.probe else "leaf of issuer"
                    serial = f"{leaf.chain[0].serial_number:x}"[:6]
                    self.failures[f"{what} {serial} against bundle {bundle}: {reason}"] += 1

    def _renew(self, workload: Workload) -> None:
        """Ask the identity processes in turn, as a client behind a Service would."""
        asked = request(workload.name)
        for offset in range(len(self.identities)):
            identity = self.identities[(self.leaves + offset) % len(self.identities)]
            leaf = identity.certify(workload.name, asked)
            if leaf is None:
                continue
            if not workload.bundle.refuses(leaf, now()):
                workload.leaf = leaf
            else:
                # The proxy keeps the one it has; that it cannot take this one is a fault.
                self.failures[f"{workload.name} refuses its own new leaf"] += 1
            self.leaves += 1
            return


def serials(certificates: Sequence[x509.Certificate]) -> list[int]:
    """Serial numbers, in order."""
    return [each.serial_number for each in certificates]


def published_roots(api: Client) -> list[x509.Certificate]:
    """The roots in the ConfigMap."""
    answer: Any = api.request("GET", _CONFIG_MAP)
    return certificates_in(answer.body["data"][BUNDLE_KEY].encode()) if answer.ok else []
