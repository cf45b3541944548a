"""cert-manager, trust-manager and External Secrets: they run, and what they keep is in order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from bot.clients.kubernetes import Manifest, condition, place
from bot.mesh import existing
from bot.mesh.status.facts import Facts
from bot.mesh.status.model import CheckResult, Subject, fail, ok, warn
from bot.mesh.status.objects import available, bot_up, labels, some
from components.external_secrets import operators as operators_of
from components.names import (
    CERT_MANAGER,
    CERT_MANAGER_PODS,
    EXTERNAL_SECRETS,
    EXTERNAL_SECRETS_PODS,
    SECRET_STORE,
    TRUST_MANAGER_PODS,
    TRUST_ROOTS_CONFIG_MAP,
)
from policies.model import OWNER_LABEL

SUBJECT = Subject("operators")
RUNBOOK = "docs/runbooks/alerts/secrets.md"
EXISTING = "docs/components/cert_manager.md#an-existing-one"


@SUBJECT.check("cert-manager")
def cert_manager(facts: Facts) -> CheckResult:
    """The Deployments of cert-manager and trust-manager are available."""
    places = operators_of(facts.config)
    if {CERT_MANAGER, "trust-manager"}.isdisjoint(places.theirs):
        return deployments(facts, CERT_MANAGER, RUNBOOK)
    return _running(
        facts,
        {
            CERT_MANAGER: (places.cert_manager, CERT_MANAGER_PODS),
            "trust-manager": (places.trust_manager, TRUST_MANAGER_PODS),
        },
    )


@SUBJECT.check("external-secrets")
def external_secrets(facts: Facts) -> CheckResult:
    """The Deployments of External Secrets are available."""
    places = operators_of(facts.config)
    if EXTERNAL_SECRETS not in places.theirs:
        return deployments(facts, EXTERNAL_SECRETS, RUNBOOK)
    return _running(facts, {EXTERNAL_SECRETS: (places.external_secrets, EXTERNAL_SECRETS_PODS)})


@SUBJECT.check("existing")
def existing_operators(facts: Facts) -> CheckResult:
    """Operators that somebody else installed have what is needed of them."""
    deployed = facts.objects("deployments")
    theirs = operators_of(facts.config).theirs
    if not theirs:
        return ok("there is none")
    found = list(
        existing.judge(
            facts.config,
            deployed,
            facts.source("served versions"),
            facts.names("namespaces"),
        )
    )
    return fail("; ".join(found), EXISTING) if found else ok(", ".join(sorted(theirs)))


@SUBJECT.check("store")
def store(facts: Facts) -> CheckResult:
    """The store reaches Vault and is let in."""
    found = facts.named("cluster secret stores", SECRET_STORE)
    if found is None:
        return fail(f"there is no ClusterSecretStore {SECRET_STORE}", bot_up(facts))
    ready, said = condition(found, "Ready")
    return ok(f"ClusterSecretStore {SECRET_STORE}") if ready else fail(said, RUNBOOK)


@SUBJECT.check("secrets")
def secrets(facts: Facts) -> CheckResult:
    """Every ExternalSecret of ours is synced."""
    every = facts.objects("external secrets")
    odd = {
        f"{place(each)} ({said})"
        for each in every
        for ready, said in [condition(each, "Ready")]
        if not ready
    }
    return fail(f"not synced: {some(odd)}", RUNBOOK) if odd else ok(f"{len(every)} synced")


@SUBJECT.check("issuers")
def issuers(facts: Facts) -> CheckResult:
    """Every ClusterIssuer of ours is ready."""
    every = [
        each
        for each in facts.objects("cluster issuers")
        if labels(each).get(OWNER_LABEL) == facts.target.stack
    ]
    odd = {
        f"{each['metadata']['name']} ({said})"
        for each in every
        for ready, said in [condition(each, "Ready")]
        if not ready
    }
    if not every:
        return fail("there is no ClusterIssuer of ours", bot_up(facts))
    return fail(f"not ready: {some(odd)}", RUNBOOK) if odd else ok(f"{len(every)} ready")


@SUBJECT.check("bundle")
def bundle(facts: Facts) -> CheckResult:
    """trust-manager has written the anchors into every namespace that gets them."""
    found = facts.named("bundles", TRUST_ROOTS_CONFIG_MAP)
    if found is None:
        return fail(f"there is no Bundle {TRUST_ROOTS_CONFIG_MAP}", bot_up(facts))
    synced, said = condition(found, "Synced")
    return ok("the Bundle is synced") if synced else fail(said, RUNBOOK)


def _running(facts: Facts, parts: Mapping[str, tuple[str, Collection[str]]]) -> CheckResult:
    """The Deployments of operators whose namespaces may hold what is no concern of ours."""
    found: list[Manifest] = []
    for operator, (namespace, names) in parts.items():
        every = [
            each
            for each in facts.objects("deployments", namespace)
            if labels(each).get("app.kubernetes.io/name") in names
        ]
        if not every:
            return fail(f"no Deployment of {operator} in {namespace}", EXISTING)
        found += every
    return _available(found, RUNBOOK)


def deployments(facts: Facts, namespace: str, runbook: str) -> CheckResult:
    """The Deployments of a namespace; none of them may be without any replica."""
    found = facts.objects("deployments", namespace)
    if not found:
        return fail(f"no Deployment in {namespace}", bot_up(facts))
    return _available(found, runbook)


def _available(found: Iterable[Manifest], runbook: str) -> CheckResult:
    figures = {each["metadata"]["name"]: available(each) for each in found}
    down = {name for name, (up, wanted, _) in figures.items() if not up or not wanted}
    short = {
        f"{name} {up} of {wanted}"
        for name, (up, wanted, current) in figures.items()
        if up < wanted or not current
    }
    if down:
        return fail(f"no replica available: {some(down)}", runbook)
    if short:
        return warn(f"available: {some(short)}", runbook)
    return ok(f"{len(figures)} Deployments available")
