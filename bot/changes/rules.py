"""The risk of a change: one table, worst first. docs/risk.md is made from it.

What breaks traffic in Linkerd, and why: https://linkerd.io/2/tasks/ and the pages that each reason
belongs to. A rule says what may happen, in the words of an operator; whether it does is seen after.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from bot.changes import conditions_alerts as alerts
from bot.changes import conditions_egress_gateway as partners
from bot.changes import conditions_ingress as ingress
from bot.changes import conditions_mesh as mesh
from bot.changes import conditions_policy as policy
from bot.changes import conditions_traffic as traffic
from bot.changes import conditions_trust as trust
from bot.changes import label_changes
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
class RiskFinding:
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
         "the certificate issuer is deleted or replaced: new pods get no identity meanwhile"),
    Rule(CRITICAL, "signer-changes", trust.signer_changes,
         "another anchor signs: pods that do not trust it yet cannot connect to others"),
    Rule(CRITICAL, "trust-domain-changes", trust.trust_domain_changes,
         "identities are renamed: no policy matches them, and all pods must restart"),
    Rule(CRITICAL, "vault-goes", trust.pki_goes,
         "deleted or replaced in Vault: its keys, logins and permissions end at once"),
    Rule(CRITICAL, "crd-goes", mesh.crd_goes,
         "a CRD is deleted or replaced, with every object of its kind in all namespaces"),
    Rule(CRITICAL, "crd-stops-serving", mesh.crd_stops_serving,
         "a version of a CRD is no longer served: requests for it fail"),
    Rule(CRITICAL, "namespace-goes", mesh.namespace_goes,
         "a namespace is deleted or replaced, with everything in it"),
    Rule(CRITICAL, "webhook-goes", mesh.webhook_goes,
         "an admission webhook is deleted or replaced: pods or objects are admitted unchecked "
         "meanwhile"),
    Rule(CRITICAL, "provider-goes", mesh.provider_goes,
         "a provider is deleted or replaced, with all its resources"),
    Rule(CRITICAL, "provider-target", mesh.provider_target,
         "a provider has another target: resources may be created or deleted there"),
    Rule(CRITICAL, "control-plane-goes", mesh.control_plane_goes,
         "part of the control plane is deleted or replaced: proxies get no more updates from it"),
    Rule(CRITICAL, "no-replicas", mesh.no_replicas,
         "no replica is left"),
    Rule(CRITICAL, "bundle-moves", trust.bundle_moves,
         "the trust roots move to another ConfigMap: new pods do not find them"),
    Rule(CRITICAL, "default-policy-denies", policy.default_denies,
         "requests without a matching policy are denied after the pod restarts"),
    Rule(CRITICAL, "server-denies", policy.server_denies,
         "requests without a matching policy are denied at once"),
    Rule(CRITICAL, "egress-denied", policy.egress_denies,
         "traffic out of the cluster is denied at once where no route allows it"),
    Rule(CRITICAL, "ingress-open", ingress.ingress_opens,
         "a route of a gateway no longer asks for what it asked for"),
    Rule(CRITICAL, "partner-trust-goes", partners.partner_trust_goes,
         "requests with credentials of ours may be read or answered by others than the partner"),
    Rule(CRITICAL, "client-certificate-optional", ingress.client_certificate_optional,
         "clients are let in without a certificate that was required"),
    Rule(CRITICAL, "gateway-goes", ingress.gateway_goes,
         "a Gateway is deleted or replaced: its hosts are not reached, and its address changes"),
    Rule(HIGH, "protected-changes", mesh.protected_changes,
         "a protected resource changes in place"),
    Rule(HIGH, "config-goes", mesh.config_goes,
         "an object that new pods need is deleted or replaced: they cannot start without it"),
    Rule(HIGH, "anchor-changes", trust.anchor_changes,
         "part of the trust anchor changes in place"),
    Rule(HIGH, "issuer-changes", trust.issuer_changes,
         "the identity issuer's signer or its contents change"),
    Rule(HIGH, "lifetime-shortens", trust.lifetime_shortens,
         "less time is left to renew a certificate, or to notice that renewal failed"),
    Rule(HIGH, "vault-rights-change", trust.vault_rights_change,
         "logins to Vault or their permissions change"),
    Rule(HIGH, "vault-changes", trust.vault_changes,
         "settings of a Vault engine change"),
    Rule(HIGH, "secret-store-changes", trust.store_changes,
         "all synced Secrets are read from another store, or differently"),
    Rule(HIGH, "synced-secret-changes", trust.synced_secret_changes,
         "a synced value or its Secret changes"),
    Rule(HIGH, "synced-secret-goes", trust.synced_secret_goes,
         "a synced Secret is deleted with its ExternalSecret"),
    Rule(HIGH, "secret-changes", trust.secret_changes,
         "the content of a Secret that the control plane reads changes"),
    Rule(HIGH, "crd-changes", mesh.crd_changes,
         "objects of all namespaces are read with the new schema; going back may drop fields"),
    Rule(HIGH, "namespace-marks", label_changes.namespace_labels_read,
         "the mesh or admission treats pods of the namespace differently after they restart"),
    Rule(HIGH, "webhook-failure-policy", mesh.failure_policy,
         "requests are handled differently while the webhook does not answer"),
    Rule(HIGH, "webhook-scope", mesh.webhook_scope,
         "the webhook gets other objects, or is called at another address"),
    Rule(HIGH, "control-plane-restarts-alone", mesh.control_plane_restarts_alone,
         "pods of the control plane restart, possibly all at the same time"),
    Rule(HIGH, "control-plane-service", mesh.service_changes,
         "calls to the control plane go to another target"),
    Rule(HIGH, "fewer-replicas", mesh.fewer_replicas,
         "fewer replicas: too few to lose one during a rollout"),
    Rule(HIGH, "budget-loosens", mesh.budget_loosens,
         "more pods may be down at once when nodes are drained"),
    Rule(HIGH, "spread-goes", mesh.spread_goes,
         "all replicas may run on one node or in one zone"),
    Rule(HIGH, "proxy-version", mesh.proxy_version,
         "new pods get another proxy; running pods keep theirs until they restart"),
    Rule(HIGH, "mesh-network", mesh.mesh_network,
         "the traffic that proxies handle, or treat as cluster traffic, changes"),
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
         "a Server denies callers without an authorization, including the kubelet's probes"),
    Rule(HIGH, "server-loosens", policy.server_loosens,
         "callers that no policy matches are let in at once"),
    Rule(HIGH, "route-changes", policy.route_changes,
         "requests, including probes, match other routes, and other authorizations or backends"),
    Rule(HIGH, "traffic-starts", traffic.route_starts,
         "requests to this Service go by routes: one that none matches gets 404"),
    Rule(HIGH, "traffic-rest-ends", traffic.rest_ends,
         "requests that no other route matches get 404"),
    Rule(HIGH, "traffic-ends", traffic.route_ends,
         "requests go to the Service itself, without its retries and time-outs"),
    Rule(HIGH, "traffic-changes", traffic.routes_change,
         "requests to this Service match other routes, or are changed or redirected differently"),
    Rule(HIGH, "weight-jump", traffic.weight_jump,
         "a backend is new, or gets over 50 points more of the requests: see that its pods are "
         "ready"),
    Rule(HIGH, "delivery-weights", traffic.delivery_weights,
         "the route is made anew with the weights of the stack file, whatever Argo Rollouts has "
         "moved them to"),
    Rule(HIGH, "retries-on-writes", traffic.retries_on_writes,
         "requests that change something are retried, and may be done twice"),
    Rule(HIGH, "retries-rise", traffic.retries_rise,
         "pods that fail get up to so many more requests each time"),
    Rule(HIGH, "rate-limit-ends", traffic.limit_ends,
         "a rate no longer holds: pods take the requests that it kept from them"),
    Rule(HIGH, "timeout-shortens", traffic.timeout_shortens,
         "requests that take longer are ended with 504"),
    Rule(HIGH, "ingress-route-opens", ingress.route_opens,
         "a host and path are reached from outside that were not"),
    Rule(HIGH, "ingress-tokens", ingress.tokens_change,
         "tokens of another issuer, audience or key are taken, or logins of another provider"),
    Rule(HIGH, "cors-widens", ingress.cors_widens,
         "web pages of other origins may call"),
    Rule(HIGH, "ingress-asks-more", ingress.ingress_asks_more,
         "callers of a gateway's route that were let in may be refused with 401 or 403"),
    Rule(HIGH, "partner-added", partners.partner_added,
         "a server outside is called, with what we are known to it by"),
    Rule(HIGH, "partner-callers", partners.partner_callers,
         "more accounts call this partner, with the same credentials"),
    Rule(HIGH, "partner-moves", partners.partner_moves,
         "requests go to another server, or one whose certificate another CA has signed"),
    Rule(HIGH, "partner-credential", partners.partner_credential,
         "this partner is shown something else than before, or nothing, and may refuse it"),
    Rule(HIGH, "gateway-retries", partners.gateway_retries,
         "requests that change something are tried again by the gateway, and may be done twice"),
    Rule(HIGH, "gateway-limits-end", partners.gateway_limits_end,
         "what kept requests from the target of a gateway's route no longer holds"),
    Rule(HIGH, "egress-changes", policy.egress_changes,
         "the range of denied outside traffic changes"),
    Rule(HIGH, "egress-route-goes", policy.egress_route_goes,
         "traffic to this host is denied where the egress network denies"),
    Rule(HIGH, "egress-opens", policy.egress_opens,
         "traffic out of the cluster that was denied is let through"),
    Rule(HIGH, "egress-goes", policy.egress_goes,
         "an EgressNetwork is deleted: traffic that it denied is allowed, and its routes end"),
    Rule(HIGH, "network-policy", policy.network_policy,
         "packets may be dropped below the mesh, or are no longer dropped"),
    Rule(HIGH, "guard-denies", policy.guard_denies,
         "the API server refuses objects that break this rule, including restarted pods"),
    Rule(HIGH, "provider-major", mesh.provider_version("major"),
         "a major version of a provider, or an older one, may replace what it has made"),
    Rule(HIGH, "routing-goes", alerts.routing_goes,
         "alerts of the platform are no longer sent by it"),
    Rule(HIGH, "calls-end", alerts.calls_end,
         "these alerts are no longer sent to this receiver"),
    Rule(HIGH, "alerts-end", alerts.alerts_end,
         "these alerts no longer fire"),
    Rule(HIGH, "strong-rights", policy.strong_rights,
         "permissions that allow privilege escalation, or reading Secrets"),
    Rule(HIGH, "cluster-admin", policy.cluster_admin,
         "a subject gets all permissions"),
    Rule(HIGH, "bound-to-more", policy.bound_to_more,
         "the role is bound to other subjects"),
    Rule(MEDIUM, "control-plane-restarts", mesh.control_plane_restarts,
         "pods of the control plane restart, a few at a time"),
    Rule(MEDIUM, "trusted-root-comes", trust.root_comes,
         "a root is added: the control plane, then all meshed pods restart before it may sign"),
    Rule(MEDIUM, "issuer-reissued", trust.issuer_reissued,
         "the identity issuer is re-issued by the same signer"),
    Rule(MEDIUM, "spare-replicas", mesh.spare_replicas,
         "fewer replicas, but enough to lose one"),
    Rule(MEDIUM, "more-replicas", mesh.more_replicas,
         "more pods start; running pods stay"),
    Rule(MEDIUM, "provider-minor", mesh.provider_version("minor"),
         "a minor version of a provider may set new defaults"),
    Rule(MEDIUM, "labels-removed", label_changes.labels_removed,
         "labels and annotations of ours are removed (the namespace stays)"),
    Rule(MEDIUM, "proxy-marks", label_changes.proxy_labels,
         "pods of the namespace get other proxy settings after they restart"),
    Rule(MEDIUM, "authorization-widens", policy.grant_widens,
         "more callers are let in"),
    Rule(MEDIUM, "routing-changes", alerts.routing_changes,
         "alerts are grouped or routed in another way: open incidents get no recovery"),
    Rule(MEDIUM, "rate-limit", traffic.limit_lowers,
         "requests above the rate get 429"),
    Rule(MEDIUM, "gateway-limits", partners.gateway_limits,
         "requests by a gateway's route are ended sooner, with 429, 503 or 504"),
    Rule(MEDIUM, "weights-move", traffic.weights_move,
         "a backend gets more of the requests"),
    Rule(MEDIUM, "breaker-starts", traffic.breaker_starts,
         "pods that fail get fewer requests or none, and if all fail, requests get 504"),
    Rule(MEDIUM, "breaker-tightens", traffic.breaker_tightens,
         "pods that fail get no requests sooner, or for longer"),
    Rule(MEDIUM, "breaker-ends", traffic.breaker_ends,
         "pods that fail get their share of the requests again (the Service stays)"),
    Rule(MEDIUM, "more-rights", policy.more_rights,
         "permissions are added"),
    Rule(MEDIUM, "fewer-rights", policy.fewer_rights,
         "permissions are removed: a workload may fail without them"),
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
    Rule(MEDIUM, "traffic-marks", traffic.other_marks,
         "labels or annotations that the mesh or an operator reads change"),
)

# Of a thousand new objects no other rule can say anything: a test holds this against the table.
AT_CREATION = tuple(
    rule
    for rule in RULES
    if rule.name
    in {
        *("default-policy-denies", "default-policy-tightens", "egress-denied", "server-selects"),
        *("network-policy", "guard-denies", "namespace-marks", "proxy-marks", "strong-rights"),
        *("cluster-admin", "rate-limit", "traffic-starts", "retries-on-writes", "retries-rise"),
        *("timeout-shortens", "breaker-starts", "ingress-route-opens", "partner-added"),
    }
)
# What is said of a change where no rule above says as much; the first that applies.
DEFAULTS: tuple[Rule, ...] = (
    Rule(LOW, "dashboard-goes", dashboard_goes,
         "a dashboard is deleted; workloads do not read it"),
    Rule(HIGH, "deletion", lambda c: c.op is Op.DELETE and not label_changes.patch_removed(c),
         "deleted"),
    Rule(HIGH, "replacement", lambda change: change.op is Op.REPLACE,
         "deleted and created again"),
    Rule(LOW, "labels-alone", label_changes.only_labels,
         "only labels and annotations change"),
    Rule(LOW, "dashboard-changes", dashboard_changes,
         "a dashboard's content changes; workloads do not read it"),
    Rule(LOW, "renamed", mesh.renamed,
         "renamed in the program and in the state; the object stays as it is"),
    Rule(LOW, "renewal-time", trust.renewal_time,
         "a certificate's renewal time changes; the certificate stays as it is until then"),
    Rule(LOW, "heartbeat-settings", mesh.heartbeat_settings,
         "the schedule of Linkerd's version check changes"),
    Rule(LOW, "read-again", trust.read_again,
         "the refresh interval of the same secrets changes"),
    Rule(LOW, "alert-rules", alerts.rules_change,
         "an alert's condition or text changes; workloads do not read it"),
    Rule(LOW, "monitor-changes", alerts.monitor_changes,
         "the scrape interval, or the Prometheus that scrapes, changes; workloads do not read it"),
    Rule(LOW, "network-opens", policy.network_opens,
         "more packets are allowed, and none less than before"),
    Rule(LOW, "mount-lifetimes", trust.mount_lifetimes,
         "a Vault mount's maximum lifetime grows, or its description changes"),
    Rule(LOW, "protection-set", mesh.protection_set,
         "protection is added, or it is kept when removed from the program"),
    Rule(LOW, "provider-patch", mesh.provider_version("patch"),
         "a patch version of a provider"),
    Rule(MEDIUM, "token-lifetimes", trust.token_lifetimes,
         "the lifetime of a Vault login's tokens changes"),
    Rule(MEDIUM, "update", lambda c: c.op is Op.UPDATE or label_changes.patch_removed(c),
         "changed in place"),
    Rule(MEDIUM, "import", lambda change: change.op is Op.IMPORT,
         "an existing object is imported"),
    Rule(LOW, "creation", lambda change: change.op is Op.CREATE,
         "created"),
    Rule(CRITICAL, "unknown-operation", lambda _change: True,
         "the engine's operation is unknown to this program"),
)
# fmt: on
