"""Certificates of the mesh: anchors, identity issuer, who signs, and Vault behind them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from bot.clients.kubernetes import condition, moment, place
from bot.mesh.status.facts import Facts, NoAnswerError, Secret
from bot.mesh.status.model import CheckResult, Subject, fail, ok, warn
from bot.mesh.status.objects import bot_up, some
from bot.mesh.trust import check as trust_check
from bot.mesh.trust import decide as trust_decide
from bot.mesh.trust import fleet as trust_fleet
from bot.mesh.trust.chain import anchor_of, names_of
from bot.mesh.trust.text import left_text
from components.names import IDENTITY_ISSUER, LINKERD, TRUST_ROOTS_CONFIG_MAP
from schema.values import Duration

SUBJECT = Subject("certificates")
EXPIRED_ANCHOR = "docs/runbooks/expired-anchor.md"
EXPIRED_ISSUER = "docs/runbooks/expired-issuer.md"
ROTATE = "docs/runbooks/rotate-the-anchor.md"
RUNBOOK = "docs/runbooks/alerts/certificates.md"
LOST_VAULT = "docs/runbooks/lost-vault.md"
_RSA_BITS = (2048, 4096)
_ISSUER_KEYS = ("ca.crt", "tls.crt", "tls.key")
_ROTATING = ("adding", "added", "switched")


@SUBJECT.check("bundle")
def bundle(facts: Facts) -> CheckResult:
    """The ConfigMap holds the anchors that the stack file trusts, and one of them signs."""
    seen = facts.trust
    if seen.bundle is None or not seen.bundle.certificates:
        why = f"ConfigMap {LINKERD}/{TRUST_ROOTS_CONFIG_MAP} holds no anchor"
        return fail(why, f"kubectl describe bundle {TRUST_ROOTS_CONFIG_MAP}; {EXPIRED_ANCHOR}")
    stage = trust_decide.stage(seen, facts.config.trust)
    wanted = [generation.name for generation in facts.config.trust.trusted]
    unknown = [name for name in stage.bundle if name not in wanted]
    next_ = f"python -m bot trust check --stack {facts.target.stack}"
    if stage.name == "broken":
        return fail(stage.why, next_)
    if stage.name in _ROTATING or unknown:
        held = ", ".join(stage.bundle)
        return warn(f"a rotation is under way ({stage.name}): it holds {held}", next_)
    return ok(f"{', '.join(stage.bundle)}, which signs")


@SUBJECT.check("anchors-algorithm")
def anchors_algorithm(facts: Facts) -> CheckResult:
    """Each anchor has a key that proxies can verify with: ECDSA P-256, or RSA."""
    return _algorithms(_held(facts), rsa_too=True, next_=ROTATE)


@SUBJECT.check("anchors-validity")
def anchors_validity(facts: Facts) -> CheckResult:
    """Each anchor is valid now."""
    return _validity(_held(facts), facts.now, EXPIRED_ANCHOR)


@SUBJECT.check("anchors-left")
def anchors_left(facts: Facts) -> CheckResult:
    """Each anchor has the time left that its rotation takes, by the thresholds of the alerts."""
    return _left(facts, _held(facts))


@SUBJECT.check("issuer-secret")
def issuer_secret(facts: Facts) -> CheckResult:
    """The issuer's Secret is whole, and its key is that of its certificate."""
    found = _issuer(facts)
    missing = set(_ISSUER_KEYS) - found.keys
    if missing or not found.chain:
        what = some(missing) or "a certificate that can be read"
        return fail(f"Secret {LINKERD}/{IDENTITY_ISSUER} lacks {what}", EXPIRED_ISSUER)
    if not found.fits:
        return fail("the key of the issuer is not that of its certificate", EXPIRED_ISSUER)
    return ok("certificate and key fit")


@SUBJECT.check("issuer-algorithm")
def issuer_algorithm(facts: Facts) -> CheckResult:
    """The issuer's key is ECDSA P-256, the only one that identity takes."""
    return _algorithms(_chain(facts)[:1], rsa_too=False, next_=EXPIRED_ISSUER)


@SUBJECT.check("issuer-validity")
def issuer_validity(facts: Facts) -> CheckResult:
    """The issuer is valid now."""
    return _validity(_chain(facts)[:1], facts.now, EXPIRED_ISSUER)


@SUBJECT.check("issuer-left")
def issuer_left(facts: Facts) -> CheckResult:
    """The issuer has time left: it is renewed long before the threshold of the alerts.

    Without alerts nobody has set that for a short issuer: half of `renewBefore` is due then.
    """
    issuer = _chain(facts)[0]
    left = issuer.not_valid_after_utc - facts.now
    least = facts.config.observability.alerts.thresholds.issuer_left
    renewed = facts.config.trust.issuer.renew_before
    if least >= renewed:
        least = Duration(renewed.seconds // 2)
    if left < timedelta(seconds=least.seconds):
        return fail(f"{left_text(left)} left, at least {least} are due", EXPIRED_ISSUER)
    until = f"{issuer.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    return ok(f"{left_text(left)} left: the cluster may be off until {until}")


@SUBJECT.check("issuer-chain")
def issuer_chain(facts: Facts) -> CheckResult:
    """The issuer leads to an anchor of the bundle, so that proxies believe what it signs."""
    root = anchor_of(_chain(facts), _held(facts), facts.now)
    if root is None:
        return fail("the issuer leads to no anchor of the bundle", EXPIRED_ISSUER)
    return ok(f"signed by {names_of([root], facts.trust.anchors)[0]}")


@SUBJECT.check("issuer-in-use", running=True)
def issuer_in_use(facts: Facts) -> CheckResult:
    """Every identity process signs with the issuer of the Secret (linkerd2#15109)."""
    faults, notes = trust_check.identity_faults(facts.trust)
    if faults:
        return fail(some(faults), f"python -m bot trust restart-plan --stack {facts.target.stack}")
    if notes:
        raise NoAnswerError(some(notes))
    return ok(f"{len(facts.trust.identities)} processes sign with it")


@SUBJECT.check("proxies-bundle")
def proxies_bundle(facts: Facts) -> CheckResult:
    """Every proxy holds the present bundle."""
    old = [str(pod) for pod in trust_check.old_bundle(facts.trust)]
    if old:
        next_ = f"python -m bot trust restart-plan --stack {facts.target.stack}"
        return warn(f"{len(old)} pods hold another bundle: {some(old)}", next_)
    return ok(f"{len(facts.trust.pods)} pods hold it")


@SUBJECT.check("renewal")
def renewal(facts: Facts) -> CheckResult:
    """cert-manager keeps every certificate of ours ready, and none is late."""
    every = facts.objects("certificates")
    if not every:
        return fail("there is no Certificate in our namespaces", bot_up(facts))
    odd = {
        f"{place(each)} ({said})"
        for each in every
        for ready, said in [condition(each, "Ready")]
        if not ready
    }
    if odd:
        return fail(f"not ready: {some(odd)}", RUNBOOK)
    overdue = facts.config.observability.alerts.thresholds.renewal_overdue
    late = {
        place(each)
        for each in every
        if (due := (each.get("status") or {}).get("renewalTime"))
        and moment(due) + timedelta(seconds=overdue.seconds) < facts.now
    }
    if late:
        return fail(f"to be renewed more than {overdue} ago: {some(late)}", RUNBOOK)
    return ok(f"{len(every)} Certificates are ready")


@SUBJECT.check("vault", cluster=False)
def vault(facts: Facts) -> CheckResult:
    """Vault answers and is unsealed: renewals need it."""
    status = facts.source("vault")
    if status.get("sealed") is not False:
        return fail("Vault is sealed: no issuer is renewed", LOST_VAULT)
    return ok(f"Vault {status.get('version', '')} is unsealed")


@SUBJECT.check("vault-anchors", cluster=False)
def vault_anchors(facts: Facts) -> CheckResult:
    """Vault publishes every generation, and the cluster has the same certificates."""
    kept = facts.kept
    wanted = {generation.name for generation in facts.config.trust.trusted}
    there = {each.generation: each.published or each.made for each in kept}
    missing = [name for name in wanted if there.get(name) is None]
    if missing:
        return fail(f"not in Vault: {some(missing)}", LOST_VAULT)
    seen = [facts.trust] if facts.config.cluster else []
    if odd := trust_fleet.mismatches(seen, kept, "Vault"):
        return fail(some(odd), f"python -m bot trust status --stack {facts.target.stack}")
    if facts.config.cluster is None:
        return _left(facts, [each for name in sorted(wanted) if (each := there[name])])
    return ok(f"{len(wanted)} published, the same as in the cluster")


def _held(facts: Facts) -> list[x509.Certificate]:
    held = facts.trust.bundle.certificates if facts.trust.bundle else []
    if not held:
        raise NoAnswerError("there is no anchor to look at")
    return held


def _issuer(facts: Facts) -> Secret:
    found = facts.secret(LINKERD, IDENTITY_ISSUER)
    if found is None:
        return Secret(frozenset(), {})
    return found


def _chain(facts: Facts) -> Sequence[x509.Certificate]:
    chain = _issuer(facts).chain
    if not chain:
        raise NoAnswerError("there is no issuer to look at")
    return chain


def _algorithms(every: Iterable[x509.Certificate], *, rsa_too: bool, next_: str) -> CheckResult:
    """linkerd2 pkg/issuercerts/issuercerts.go: the curve or size, and a SHA-256 signature."""
    odd: set[str] = set()
    seen: set[str] = set()
    for each in every:
        shown, good = _algorithm(each, rsa_too)
        (seen if good else odd).add(shown)
    return fail(f"cannot be used: {some(odd)}", next_) if odd else ok(some(seen))


def _algorithm(certificate: x509.Certificate, rsa_too: bool) -> tuple[str, bool]:
    key: Any = certificate.public_key()
    hashed = certificate.signature_hash_algorithm
    signed = hashed is not None and hashed.name == "sha256"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"ECDSA {key.curve.name}", isinstance(key.curve, ec.SECP256R1) and signed
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}", rsa_too and key.key_size in _RSA_BITS and signed
    return type(key).__name__, False


def _validity(every: Iterable[x509.Certificate], now: datetime, next_: str) -> CheckResult:
    odd, ends = set(), []
    for each in every:
        ends.append(each.not_valid_after_utc)
        if now < each.not_valid_before_utc:
            odd.add(f"not valid before {each.not_valid_before_utc:%Y-%m-%d %H:%M} UTC")
        if now >= each.not_valid_after_utc:
            odd.add(f"ended {each.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
    return fail(some(odd), next_) if odd else ok(f"until {min(ends):%Y-%m-%d %H:%M} UTC")


def _left(facts: Facts, every: Sequence[x509.Certificate]) -> CheckResult:
    thresholds = facts.config.observability.alerts.thresholds
    left = min(each.not_valid_after_utc for each in every) - facts.now
    if left < timedelta(seconds=thresholds.anchor_critical.seconds):
        return fail(f"{left_text(left)} left of an anchor", ROTATE)
    if left < timedelta(seconds=thresholds.anchor_warning.seconds):
        return warn(f"{left_text(left)} left of an anchor", ROTATE)
    return ok(f"{left_text(left)} left")
