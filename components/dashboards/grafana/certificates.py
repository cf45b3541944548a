"""Everything that ends: anchors, issuer, webhooks, leaves, and what renews and delivers them."""

from __future__ import annotations

from components.alerts.groups.anchor import EXPIRY as ANCHOR_END
from components.alerts.groups.model import either
from components.dashboards.grafana.model import (
    HEALTHY,
    YES_NO,
    Column,
    Dashboard,
    Metrics,
    Panel,
    Query,
    Row,
    View,
    at_least,
    at_most,
    stat,
)
from components.names import IDENTITY_ISSUER, LINKERD, LINKERD_VIZ

_WEBHOOKS = (f'namespace=~"{LINKERD}|{LINKERD_VIZ}"', f'name!="{IDENTITY_ISSUER}"')
_LEAF_END = "control_identity_cert_expiration_timestamp_seconds"
_END = "certmanager_certificate_expiration_timestamp_seconds"
_READY = 'condition="Ready",status="True"'
_TRUE = 'condition="True"'


def certificates(view: View) -> Dashboard:
    """The dashboard of certificates and secrets."""
    metrics = Metrics(view)
    return Dashboard(
        "certificates",
        "Linkerd / Certificates",
        "When the anchors, the issuer, the webhooks and the proxies' own certificates end, and "
        "whether each is renewed.",
        [
            Row("Time left", _left(view, metrics)),
            Row("Anchors and certificates", _listed(view, metrics)),
            Row("Proxies", _leaves(view, metrics)),
            Row("cert-manager and External Secrets", _operators(view, metrics)),
        ],
    )


def _ours(view: View) -> str:
    """Certificates of Linkerd, of viz, and of the CA of their webhooks."""
    places = view.setting.operators
    own = dict.fromkeys((places.issuer_secrets, places.trust_manager))
    return f'namespace=~"{either((LINKERD, LINKERD_VIZ, *own))}"'


def _left(view: View, metrics: Metrics) -> list[Panel]:
    limits = view.setting.thresholds
    anchors = f"min({metrics(ANCHOR_END)}) - time()"
    issuer = f"min({metrics('issuer_cert_ttl_seconds')})"
    webhooks = f"min({metrics(_END, *_WEBHOOKS)} > 0) - time()"
    leaves = f"min({metrics(_LEAF_END)} > 0) - time()"
    late = metrics("certmanager_certificate_renewal_timestamp_seconds", _ours(view))
    not_ready = metrics("certmanager_certificate_ready_status", _ours(view), _TRUE)
    return [
        stat(
            "First anchor",
            "Time until the first of the trusted anchors ends. A rotation takes weeks.",
            anchors,
            "s",
            at_least(limits.anchor_warning, limits.anchor_critical),
            runbook="certificates.md#linkerdtrustanchorexpiring",
            empty="No anchor recorded",
        ),
        stat(
            "Identity issuer",
            "As the replica of identity has it that is worst off.",
            issuer,
            "s",
            at_least(limits.issuer_left),
            runbook="certificates.md#linkerdissuerexpiring",
            empty="No identity",
        ),
        stat(
            "First webhook",
            "Of the certificates of injector, validators and tap.",
            webhooks,
            "s",
            at_least(limits.webhook_left),
            runbook="certificates.md#linkerdwebhookcertificateexpiring",
            empty="No cert-manager",
        ),
        stat(
            "First proxy",
            "Of the certificates of all proxies. Each asks for another after 70 per cent.",
            leaves,
            "s",
            at_least(limits.leaf_left),
            runbook="certificates.md#linkerdleafexpiring",
            empty="No proxies",
        ),
        stat(
            "Renewals overdue",
            "Certificates past the time at which cert-manager renews them.",
            f"count(time() - ({late} > 0) > {limits.renewal_overdue}) or vector(0)",
            "short",
            at_most(1),
            runbook="certificates.md#linkerdcertificaterenewaloverdue",
        ),
        stat(
            "Not ready",
            "Certificates that cert-manager could not issue.",
            f"count(max by (namespace, name) ({not_ready}) == 0) or vector(0)",
            "short",
            at_most(1),
            runbook="certificates.md#linkerdcertificatenotready",
        ),
    ]


def _listed(view: View, metrics: Metrics) -> list[Panel]:
    limits = view.setting.thresholds
    by = "by (namespace, name)"
    end, renewal = (
        metrics(_END, _ours(view)),
        metrics("certmanager_certificate_renewal_timestamp_seconds", _ours(view)),
    )
    ready = metrics("certmanager_certificate_ready_status", _ours(view), _TRUE)
    anchors = f"max by (generation) ({metrics(ANCHOR_END)})"
    cert_manager = metrics(_END, f'namespace="{LINKERD}"', f'name="{IDENTITY_ISSUER}"')
    identity = metrics("issuer_cert_ttl_seconds")
    return [
        Panel(
            "table",
            "Trust anchors",
            "The generations that are trusted. As the program found them when it last ran.",
            [Query(f"{anchors} * 1000"), Query(f"{anchors} - time()")],
            8,
            columns=[
                Column("generation", "Generation"),
                Column(0, "Ends", "dateTimeAsIso"),
                Column(1, "Left", "s", at_least(limits.anchor_warning, limits.anchor_critical)),
            ],
            empty="No anchor recorded",
        ),
        Panel(
            "table",
            "Certificates of cert-manager",
            "Of Linkerd, viz and cert-manager itself. Red is one that is not ready, or past its "
            "renewal.",
            [
                Query(f"max {by} ({end} > 0) - time()"),
                Query(f"max {by} ({renewal} > 0) - time()"),
                Query(f"max {by} ({ready})"),
            ],
            16,
            columns=[
                Column("namespace", "Namespace"),
                Column("name", "Certificate"),
                Column(0, "Left", "s"),
                Column(1, "Renewed in", "s", at_least(-limits.renewal_overdue)),
                Column(2, "Ready", states=YES_NO),
            ],
            empty="No cert-manager",
        ),
        Panel(
            "timeseries",
            "Time left to the issuer",
            "As cert-manager made it, and as each replica of identity has it: where they differ "
            "for long, a replica has missed a rotation.",
            [
                Query(f"max({cert_manager}) - time()", "cert-manager"),
                Query(f"min by (pod) ({identity})", "{{pod}}"),
            ],
            24,
            unit="s",
            limits=(0, None),
            steps=at_most(limits.issuer_left),
            runbook="certificates.md#linkerdissuernotreloaded",
            empty="No identity",
        ),
    ]


def _leaves(view: View, metrics: Metrics) -> list[Panel]:
    leaf = metrics(_LEAF_END)
    refreshes = metrics("control_identity_cert_refreshes_total")
    refused = metrics("control_identity_cert_refreshes_total", 'result="error"')
    limit = view.setting.thresholds.leaf_left
    return [
        Panel(
            "timeseries",
            "Least time left, by namespace",
            "Of the certificates of its proxies.",
            [Query(f"min by (namespace) ({leaf} > 0) - time()", "{{namespace}}")],
            8,
            unit="s",
            limits=(0, None),
            steps=at_most(limit),
            empty="No proxies",
        ),
        Panel(
            "timeseries",
            "Certificates asked for",
            "By the proxies of all namespaces, in 15 minutes.",
            [Query(f"sum by (result) (increase({refreshes}[15m]))", "{{result}}")],
            8,
            limits=(0, None),
            empty="No proxies",
        ),
        Panel(
            "timeseries",
            "Refused, by namespace",
            "Times within 15 minutes that identity refused or did not answer.",
            [
                Query(
                    f"sum by (namespace) (increase({refused}[15m]))",
                    "{{namespace}}",
                )
            ],
            8,
            limits=(0, None),
            runbook="certificates.md#linkerdleafrefreshfailing",
            empty=HEALTHY,
        ),
    ]


_CONDITIONS = {
    "ExternalSecret": "externalsecret",
    "PushSecret": "pushsecret",
    "SecretStore": "secretstore",
    "ClusterSecretStore": "clustersecretstore",
}


def _operators(view: View, metrics: Metrics) -> list[Panel]:
    conditions = " or ".join(
        f"label_replace(max by (namespace, name) ({metrics(f'{name}_status_condition', _READY)}), "
        f'"kind", "{kind}", "", "")'
        for kind, name in _CONDITIONS.items()
    )
    issuers = (
        f"label_replace(max by (name) ({metrics('certmanager_clusterissuer_ready_status', _TRUE)})"
        ', "kind", "ClusterIssuer", "", "")'
    )
    places = view.setting.operators
    names = tuple(dict.fromkeys((places.cert_manager, places.external_secrets)))
    where = f'namespace=~"{either(names)}"'
    by = "max by (namespace, deployment)"
    rates = {
        "cert-manager {{controller}}": ("certmanager_controller_sync_error_count", "controller"),
        "ExternalSecret {{name}}": ("externalsecret_sync_calls_error", "name"),
    }
    return [
        Panel(
            "table",
            "What comes from Vault, and what signs",
            "Secrets, stores and issuers, ready or not.",
            [Query(f"{conditions} or {issuers}")],
            10,
            9,
            columns=[
                Column("kind", "Kind"),
                Column("namespace", "Namespace"),
                Column("name", "Name"),
                Column(0, "Ready", states=YES_NO),
            ],
            runbook="secrets.md",
            empty="No External Secrets",
        ),
        Panel(
            "table",
            "Operators",
            "Ready and wanted replicas.",
            [
                Query(f"{by} ({metrics('kube_deployment_status_replicas_available', where)})"),
                Query(f"{by} ({metrics('kube_deployment_spec_replicas', where)})"),
            ],
            7,
            9,
            columns=[
                Column("namespace", "Namespace"),
                Column("deployment", "Deployment"),
                Column(0, "Ready", steps=at_least(1)),
                Column(1, "Wanted"),
            ],
            runbook="secrets.md#secretoperatornotready",
            empty="No operators",
        ),
        Panel(
            "timeseries",
            "Errors in 15 minutes",
            "Of cert-manager's controllers, and of readings from Vault.",
            [
                Query(f"sum by ({label}) (increase({metrics(name)}[15m]))", legend)
                for legend, (name, label) in rates.items()
            ],
            7,
            9,
            limits=(0, None),
            runbook="secrets.md#externalsecretsyncerrors",
            empty=HEALTHY,
        ),
    ]
