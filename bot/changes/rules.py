"""The risk of a change: one table, worst first. docs/risk.md is made from it.

What breaks traffic in Linkerd, and why: https://linkerd.io/2/tasks/ and the pages that each reason
belongs to. A rule says what may happen, in the words of an operator; whether it does is seen after.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from bot.changes import conditions_alerts as alerts
from bot.changes import conditions_mesh as mesh
from bot.changes import conditions_policy as policy
from bot.changes import conditions_trust as trust
from bot.changes import marks
from bot.changes.conditions_dashboards import dashboard_changes, dashboard_goes
from bot.changes.model import Change, Op


class Level(StrEnum):
    """How bad it can get; compared by that, not by the alphabet."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for low to 3 for critical."""
        return list(Level).index(self)

    def __lt__(self, other: str) -> bool:
        return self.rank < Level(other).rank

    def __le__(self, other: str) -> bool:
        return self.rank <= Level(other).rank

    def __gt__(self, other: str) -> bool:
        return self.rank > Level(other).rank

    def __ge__(self, other: str) -> bool:
        return self.rank >= Level(other).rank


@dataclass(frozen=True)
class Finding:
    """What a rule says of one resource.

    urn: None where it is about the set; subject: `Deployment linkerd/web`; detail: the end of the
    reason, which is this resource's own.
    """

    level: Level
    rule: str
    reason: str
    urn: str | None
    subject: str
    detail: str = ""


@dataclass(frozen=True)
class Rule:
    """One row. when: True, or words that are added to the reason, where the rule applies.

    Levels by docs/risk.md: what runs, what restarts or is re-issued, what can be lost.
    """

    level: Level
    name: str
    when: Callable[[Change], bool | str]
    reason: str


CRITICAL, HIGH, MEDIUM, LOW = Level.CRITICAL, Level.HIGH, Level.MEDIUM, Level.LOW

# fmt: off
RULES: tuple[Rule, ...] = (
    Rule(CRITICAL, "protected-goes", mesh.protected_goes,
         "a protected resource is deleted or replaced"),
    Rule(CRITICAL, "anchor-goes", trust.anchor_goes,
         "part of the trust anchor is deleted or replaced: what it signed is no longer trusted"),
    Rule(CRITICAL, "trusted-root-goes", trust.root_goes,
         "a root is no longer trusted: certificates below it are refused once pods restart"),
    Rule(CRITICAL, "issuer-goes", trust.issuer_goes,
         "what signs certificates is deleted or replaced: new pods get no identity meanwhile"),
    Rule(CRITICAL, "signer-changes", trust.signer_changes,
         "another anchor signs: a pod that does not trust it yet reaches nobody"),
    Rule(CRITICAL, "trust-domain-changes", trust.trust_domain_changes,
         "identities get other names: policies match none of them, and all pods must restart"),
    Rule(CRITICAL, "vault-goes", trust.pki_goes,
         "deleted or replaced in Vault: keys, logins and rights below it end at once"),
    Rule(CRITICAL, "crd-goes", mesh.crd_goes,
         "a CRD is deleted or replaced, with every object of its kind in all namespaces"),
    Rule(CRITICAL, "crd-stops-serving", mesh.crd_stops_serving,
         "a version of a CRD is no longer served: requests for it fail"),
    Rule(CRITICAL, "namespace-goes", mesh.namespace_goes,
         "a namespace is deleted or replaced, with everything in it"),
    Rule(CRITICAL, "webhook-goes", mesh.webhook_goes,
         "an admission webhook is deleted or replaced: pods or objects pass it by meanwhile"),
    Rule(CRITICAL, "provider-goes", mesh.provider_goes,
         "a provider is deleted or replaced, with everything that it has made"),
    Rule(CRITICAL, "provider-target", mesh.provider_target,
         "a provider has another target: resources may be created or deleted there"),
    Rule(CRITICAL, "control-plane-goes", mesh.control_plane_goes,
         "part of the control plane is deleted or replaced: proxies lose what it answers"),
    Rule(CRITICAL, "no-replicas", mesh.no_replicas,
         "no replica is left to answer"),
    Rule(CRITICAL, "bundle-moves", trust.bundle_moves,
         "the trusted roots are written elsewhere: pods that start do not find them"),
    Rule(CRITICAL, "default-policy-denies", policy.default_denies,
         "requests without a matching policy are denied after the pod restarts"),
    Rule(CRITICAL, "server-denies", policy.server_denies,
         "requests without a matching policy are denied at once"),
    Rule(CRITICAL, "egress-denied", policy.egress_denies,
         "traffic out of the cluster is denied at once where no route allows it"),
    Rule(HIGH, "protected-changes", mesh.protected_changes,
         "a protected resource changes in place"),
    Rule(HIGH, "config-goes", mesh.config_goes,
         "what new pods need is deleted or replaced: they cannot start without it"),
    Rule(HIGH, "anchor-changes", trust.anchor_changes,
         "part of the trust anchor changes in place"),
    Rule(HIGH, "issuer-changes", trust.issuer_changes,
         "what signs the identity issuer, or what is in it, changes"),
    Rule(HIGH, "lifetime-shortens", trust.lifetime_shortens,
         "less time to renew a certificate, or to notice that it was not renewed"),
    Rule(HIGH, "vault-rights-change", trust.vault_rights_change,
         "who may log in to Vault, or what they may do there, changes"),
    Rule(HIGH, "vault-changes", trust.vault_changes,
         "how Vault issues or keeps things changes"),
    Rule(HIGH, "secret-store-changes", trust.store_changes,
         "every synced Secret is read from elsewhere, or in another way"),
    Rule(HIGH, "synced-secret-changes", trust.synced_secret_changes,
         "another value or another Secret is synced"),
    Rule(HIGH, "synced-secret-goes", trust.synced_secret_goes,
         "a synced Secret is deleted with what syncs it"),
    Rule(HIGH, "secret-changes", trust.secret_changes,
         "a Secret that the control plane reads gets another content"),
    Rule(HIGH, "crd-changes", mesh.crd_changes,
         "objects of all namespaces are read by the new schema; to go back may drop fields"),
    Rule(HIGH, "namespace-marks", marks.namespace_marks,
         "the mesh or admission treats pods of the namespace in another way once they restart"),
    Rule(HIGH, "webhook-failure-policy", mesh.failure_policy,
         "while the webhook does not answer, requests are now refused, or pass it by"),
    Rule(HIGH, "webhook-scope", mesh.webhook_scope,
         "the webhook is asked about other objects, or in another place"),
    Rule(HIGH, "control-plane-restarts-alone", mesh.control_plane_restarts_alone,
         "pods of the control plane restart, and no other pod need be left to answer meanwhile"),
    Rule(HIGH, "control-plane-service", mesh.service_changes,
         "where calls to the control plane end up changes"),
    Rule(HIGH, "fewer-replicas", mesh.fewer_replicas,
         "fewer pods answer: too few to lose one during a rollout"),
    Rule(HIGH, "budget-loosens", mesh.budget_loosens,
         "more pods may be down at once when nodes are drained"),
    Rule(HIGH, "spread-goes", mesh.spread_goes,
         "all replicas may run on one node or in one zone"),
    Rule(HIGH, "proxy-version", mesh.proxy_version,
         "new pods get another proxy; running pods keep theirs until they restart"),
    Rule(HIGH, "mesh-network", mesh.mesh_network,
         "which traffic proxies take over, or take for the cluster's own, changes"),
    Rule(HIGH, "default-policy-tightens", policy.default_tightens,
         "fewer callers are let in without a matching policy after the pod restarts"),
    Rule(HIGH, "default-policy-loosens", policy.default_loosens,
         "more callers are let in without a matching policy after the pod restarts"),
    Rule(HIGH, "authorization-goes", policy.grant_goes,
         "callers that it allowed are denied at once where the port's policy denies"),
    Rule(HIGH, "authorization-changes", policy.grant_changes,
         "some callers that it allowed may be denied at once"),
    Rule(HIGH, "server-goes", policy.server_goes,
         "ports of a Server fall back to the default inbound policy"),
    Rule(HIGH, "server-selects", policy.server_selects,
         "a Server denies callers without an authorization, the kubelet's probes included"),
    Rule(HIGH, "server-loosens", policy.server_loosens,
         "callers that no policy matches are let in at once"),
    Rule(HIGH, "route-changes", policy.route_changes,
         "requests, probes included, match other routes, and so other authorizations or backends"),
    Rule(HIGH, "egress-changes", policy.egress_changes,
         "what counts as outside, and is denied, changes"),
    Rule(HIGH, "egress-route-goes", policy.egress_route_goes,
         "traffic to this host is denied where the egress network denies"),
    Rule(HIGH, "egress-opens", policy.egress_opens,
         "traffic out of the cluster that was denied is let through"),
    Rule(HIGH, "egress-goes", policy.egress_goes,
         "an EgressNetwork is deleted: what it denied gets out, and its routes end"),
    Rule(HIGH, "network-policy", policy.network_policy,
         "packets may be dropped below the mesh, or are no longer dropped"),
    Rule(HIGH, "guard-denies", policy.guard_denies,
         "the API server refuses objects that break this rule, restarted pods included"),
    Rule(HIGH, "provider-major", mesh.provider_version("major"),
         "a major version of a provider, or an older one, may replace what it has made"),
    Rule(HIGH, "routing-goes", alerts.routing_goes,
         "nobody hears of the platform's alerts by it any more"),
    Rule(HIGH, "calls-end", alerts.calls_end,
         "alerts that were sent there are sent there no longer"),
    Rule(HIGH, "alerts-end", alerts.alerts_end,
         "these alerts do not fire any more"),
    Rule(HIGH, "strong-rights", policy.strong_rights,
         "rights with which one can take all others, or read Secrets"),
    Rule(HIGH, "cluster-admin", policy.cluster_admin,
         "somebody gets every right"),
    Rule(HIGH, "bound-to-more", policy.bound_to_more,
         "others get the rights of the role"),
    Rule(MEDIUM, "control-plane-restarts", mesh.control_plane_restarts,
         "pods of the control plane restart, a few at a time while the others answer"),
    Rule(MEDIUM, "trusted-root-comes", trust.root_comes,
         "a root is added: the control plane, then all meshed pods restart before it may sign"),
    Rule(MEDIUM, "issuer-reissued", trust.issuer_reissued,
         "the identity issuer is re-issued by the same signer"),
    Rule(MEDIUM, "spare-replicas", mesh.spare_replicas,
         "fewer pods answer, and enough are left to lose one"),
    Rule(MEDIUM, "more-replicas", mesh.more_replicas,
         "more pods are started; those that run stay"),
    Rule(MEDIUM, "provider-minor", mesh.provider_version("minor"),
         "a minor version of a provider may set new defaults"),
    Rule(MEDIUM, "labels-removed", marks.labels_removed,
         "labels and annotations of ours are removed (the namespace stays)"),
    Rule(MEDIUM, "proxy-marks", marks.proxy_marks,
         "pods of the namespace get other proxy settings after they restart"),
    Rule(MEDIUM, "authorization-widens", policy.grant_widens,
         "more callers are let in"),
    Rule(MEDIUM, "routing-changes", alerts.routing_changes,
         "alerts are grouped or routed in another way: incidents that are open get no recovery"),
    Rule(MEDIUM, "rate-limit", policy.rate_limits,
         "callers above the rate are turned away"),
    Rule(MEDIUM, "more-rights", policy.more_rights,
         "rights are added"),
    Rule(MEDIUM, "fewer-rights", policy.fewer_rights,
         "rights are taken away: something may no longer do its work"),
    Rule(MEDIUM, "extension-restarts", mesh.extension_restarts,
         "pods of an extension or operator restart"),
    Rule(MEDIUM, "certificate-changes", trust.certificate_changes,
         "the certificate is re-issued"),
    Rule(MEDIUM, "proxy-settings", mesh.proxy_settings,
         "new pods get other proxy settings; running pods keep theirs until they restart"),
    Rule(MEDIUM, "mesh-config", mesh.mesh_config,
         "other settings of the control plane change"),
    Rule(MEDIUM, "release-changes", mesh.release_changes,
         "a Helm release is upgraded, and which objects change is not shown"),
    Rule(MEDIUM, "traffic-marks", marks.traffic_marks,
         "labels or annotations that the mesh or an operator reads"),
)

# Of a thousand new objects no other rule can say anything: a test holds this against the table.
AT_CREATION = tuple(
    rule
    for rule in RULES
    if rule.name
    in {
        *("default-policy-denies", "default-policy-tightens", "egress-denied", "server-selects"),
        *("network-policy", "guard-denies", "namespace-marks", "proxy-marks", "strong-rights"),
        *("cluster-admin", "rate-limit"),
    }
)
# What is said of a change where no rule above says as much; the first that applies.
DEFAULTS: tuple[Rule, ...] = (
    Rule(LOW, "dashboard-goes", dashboard_goes,
         "a dashboard is deleted; nothing that runs reads it"),
    Rule(HIGH, "deletion", lambda c: c.op is Op.DELETE and not marks.unpatched(c),
         "deleted"),
    Rule(HIGH, "replacement", lambda change: change.op is Op.REPLACE,
         "deleted and created again"),
    Rule(LOW, "labels-alone", marks.only_marks,
         "labels and annotations alone"),
    Rule(LOW, "dashboard-changes", dashboard_changes,
         "what a dashboard shows; nothing that runs reads it"),
    Rule(LOW, "renamed", mesh.renamed,
         "another name in the program and in the state; what is there stays as it is"),
    Rule(LOW, "renewal-time", trust.renewal_time,
         "a certificate is renewed at another time, and stays as it is until then"),
    Rule(LOW, "heartbeat-settings", mesh.heartbeat_settings,
         "when Linkerd's version check calls home"),
    Rule(LOW, "read-again", trust.read_again,
         "the same secrets are read at another interval"),
    Rule(LOW, "alert-rules", alerts.rules_change,
         "when an alert fires, or what it says; nothing that runs reads it"),
    Rule(LOW, "monitor-changes", alerts.monitor_changes,
         "how often Prometheus scrapes, or which one; nothing that runs reads it"),
    Rule(LOW, "network-opens", policy.network_opens,
         "more packets are let through, and all that were"),
    Rule(LOW, "mount-lifetimes", trust.mount_lifetimes,
         "a mount of Vault allows longer lifetimes, or is described in other words"),
    Rule(LOW, "protection-set", mesh.protection_set,
         "protected from now on, or kept when it leaves the program"),
    Rule(LOW, "provider-patch", mesh.provider_version("patch"),
         "a patch version of a provider"),
    Rule(MEDIUM, "token-lifetimes", trust.token_lifetimes,
         "tokens of a login to Vault live for another time"),
    Rule(MEDIUM, "update", lambda c: c.op is Op.UPDATE or marks.unpatched(c),
         "changed in place"),
    Rule(MEDIUM, "import", lambda change: change.op is Op.IMPORT,
         "an existing object is taken over"),
    Rule(LOW, "creation", lambda change: change.op is Op.CREATE,
         "created"),
    Rule(CRITICAL, "unknown-operation", lambda _change: True,
         "the engine does something to it that this program does not know"),
)
# fmt: on
