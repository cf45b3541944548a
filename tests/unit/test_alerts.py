"""The component: both forms, labels and links of every alert, and what waits for Vault."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from components.alerts import component as alerts
from components.alerts.component import ANCHOR_RULES, RULES, Alerts
from components.alerts.groups.selectors import narrowed
from schema.faults import ConfigError
from tests.unit.alert_samples import RUNBOOKS, alerts_args, setting
from tests.unit.every_feature import base_sections, program
from tests.unit.samples import made
from tests.unit.stack_files import write


def content(**changes: Any) -> dict[str, Any]:
    args = alerts_args(**changes)
    return alerts.content(args, alerts.groups(args.setting))


def rules(**changes: Any) -> list[dict[str, Any]]:
    found = [rule for group in content(**changes)["groups"] for rule in group["rules"]]
    return [rule for rule in found if "alert" in rule]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_says_what_where_and_what_to_do(rule: dict[str, Any]) -> None:
    """Who is woken has this and nothing else."""
    labels, annotations = rule["labels"], rule["annotations"]
    assert labels["severity"] in ("critical", "warning", "info")
    assert (labels["cluster"], labels["environment"]) == ("test", "staging")
    assert labels["part_of"] == "linkerd-platform"
    assert set(annotations) == {"summary", "description", "runbook_url"}
    assert annotations["runbook_url"].startswith(f"{RUNBOOKS}/")
    assert annotations["runbook_url"].endswith(f".md#{rule['alert'].lower()}")


def test_a_slash_at_the_end_of_the_address_is_not_doubled() -> None:
    """Some servers answer such a link with 404."""
    (first, *_) = rules(runbooks=f"{RUNBOOKS}/")
    assert "alerts//" not in first["annotations"]["runbook_url"]


def test_a_disabled_alert_is_left_out_and_nothing_else() -> None:
    """A recording rule that went too would silence others."""
    every, fewer = content(), content(disabled=("LinkerdAuditHits", "LinkerdLeafExpiring"))
    count = [sum(len(group["rules"]) for group in each["groups"]) for each in (every, fewer)]
    assert count[0] - count[1] == 2
    assert "LinkerdAuditHits" not in {
        rule["alert"] for rule in rules(disabled=("LinkerdAuditHits",))
    }


def test_a_group_without_a_rule_is_left_out() -> None:
    """prometheus-operator's webhook takes it, and it says nothing."""
    traffic = (
        *("LinkerdNoReadyEndpoint", "LinkerdRequestsTimedOut", "LinkerdRetriesFailing"),
        "LinkerdGatewayDown",
    )
    groups = {group["name"] for group in content(disabled=traffic)["groups"]}
    assert "linkerd-platform-traffic" not in groups
    assert "linkerd-platform-policy" in groups


@pytest.mark.parametrize("gateway", ["ingress", "egress_gateway"])
def test_a_gateway_has_alerts_where_it_runs(gateway: str) -> None:
    """Elsewhere they would read metrics that nothing exports."""
    group = f"linkerd-platform-{gateway.replace('_', '-')}"
    for on in (True, False):
        given = setting().model_copy(update={gateway: on})
        made_ = alerts.content(alerts_args(), alerts.groups(given))
        assert (group in {each["name"] for each in made_["groups"]}) == on


def test_prometheus_rules_are_two_objects() -> None:
    """The one with the anchors' ends is known only when Vault has answered."""
    recording = made(Alerts)
    found = {r.inputs["metadata"]["name"]: r.inputs for r in recording.of_kind(":PrometheusRule")}
    assert set(found) == {RULES, ANCHOR_RULES}
    assert found[RULES]["metadata"]["labels"]["release"] == "prometheus"
    assert len(found[RULES]["spec"]["groups"]) > 8
    (group,) = found[ANCHOR_RULES]["spec"]["groups"]
    (rule,) = group["rules"]
    assert rule["labels"] == {"generation": "anchor-1"}
    assert rule["expr"] == "vector(17280000)"
    (own,) = [r for r in recording.resources if r.type == Alerts.type_token]
    assert "LinkerdTrustAnchorEnding" in recording.outputs[own.urn]["alerts"]


def test_a_file_is_a_config_map_with_the_same_rules() -> None:
    """viz's own Prometheus reads files whose names end in `_rules.yaml`."""
    recording = made(Alerts, form="file")
    found = {r.inputs["metadata"]["name"]: r.inputs for r in recording.of_kind(":ConfigMap")}
    assert set(found) == {RULES, ANCHOR_RULES}
    assert not recording.of_kind(":PrometheusRule")
    text = found[RULES]["data"]["linkerd_platform_rules.yaml"]
    assert yaml.safe_load(text) == content()
    ends = yaml.safe_load(found[ANCHOR_RULES]["data"]["linkerd_platform_anchor_rules.yaml"])
    assert ends["groups"][0]["rules"][0]["record"].endswith(":expiry_timestamp_seconds")


def test_rules_are_known_before_vault_answers() -> None:
    """A preview that shows `output<object>` for every rule shows no change of any."""
    sections = base_sections("observability")
    preview = program(sections)
    rules_of = {r.inputs["metadata"]["name"]: r.inputs for r in preview.of_kind(":PrometheusRule")}
    assert rules_of[RULES]["spec"]["groups"]
    assert "groups" not in rules_of[ANCHOR_RULES]["spec"]


def test_the_whole_program_reads_the_ends_of_trusted_anchors(tmp_path: Any) -> None:
    """From the certificates themselves, made here or published by their owner."""
    from tests.unit.whole_program import evaluated_file

    applied = evaluated_file(write(tmp_path, base_sections("observability")), False)
    found = {r.inputs["metadata"]["name"]: r.inputs for r in applied.of_kind(":PrometheusRule")}
    (group,) = found[ANCHOR_RULES]["spec"]["groups"]
    assert [rule["labels"]["generation"] for rule in group["rules"]] == ["a", "b"]
    for rule in group["rules"]:
        seconds = int(rule["expr"].removeprefix("vector(").removesuffix(")"))
        assert seconds > 1_700_000_000
    # Wave `a` is on: its namespaces are watched, with viz and the collector.
    text = alerts.as_file(found[RULES]["spec"])
    assert 'namespace=~"linkerd-tracing|linkerd-viz|shop|third"' in text


# Metrics that the rules read, as their sources export them, and what is recorded of them.
METRIC = re.compile(
    r"\b(?:linkerd_platform:|apiserver_|certmanager_|clustersecretstore_|control_identity_|"
    r"envoy_(?!cluster_name|response_code_class|tls_certificate)|"
    r"externalsecret_|gateway_|inbound_|issuer_cert_|kube_|outbound_|process_start_|pushsecret_|"
    r"response_|secretstore_|tcp_open_|up\b)[a-zA-Z0-9_:]*(?![a-zA-Z0-9_:])(?P<rest>.{0,16})"
)


def expressions(**changes: Any) -> dict[str, str]:
    found = [rule for group in content(**changes)["groups"] for rule in group["rules"]]
    return {f"{i}-{each.get('alert') or each['record']}": each["expr"]
            for i, each in enumerate(found)}  # fmt: skip


OF_THE_CLUSTER = expressions(cluster_label="cluster")


@pytest.mark.parametrize("expression", OF_THE_CLUSTER.values(), ids=OF_THE_CLUSTER)
def test_public_reports_every_selector_is_of_the_own_cluster(expression: str) -> None:
    """kube-prometheus#2056, thanos#614: under one ruler every rule fired for all clusters."""
    strings = re.sub(
        r'"[^"]*"', lambda found: found[0] if found[0] == '"test"' else '""', expression
    )
    read = [found["rest"] for found in METRIC.finditer(strings)]
    assert read or expression.startswith("vector(")
    for rest in read:
        assert rest.startswith('{cluster="test"'), expression


def test_public_reports_the_rules_of_two_clusters_have_nothing_in_common() -> None:
    """59 of 59 expressions were equal, and what one recorded was the series of the other."""
    both = [
        {rule["expr"] for group in content(cluster_label="cluster", cluster=name)["groups"]
         for rule in group["rules"]}
        for name in ("staging", "production")
    ]  # fmt: skip
    assert not both[0] & both[1]
    for group in content(cluster_label="k8s_cluster")["groups"]:
        for rule in group["rules"]:
            if "record" in rule:
                assert rule["labels"]["k8s_cluster"] == "test"


def test_public_reports_the_ends_of_the_anchors_are_of_the_cluster_too() -> None:
    """The pages of production would tell of the anchor of staging."""
    recording = made(Alerts, cluster_label="cluster")
    found = {r.inputs["metadata"]["name"]: r.inputs for r in recording.of_kind(":PrometheusRule")}
    ((rule,),) = [group["rules"] for group in found[ANCHOR_RULES]["spec"]["groups"]]
    assert rule["labels"] == {"cluster": "test", "generation": "anchor-1"}
    assert rule["expr"] == "vector(17280000)"


def test_without_a_label_nothing_is_narrowed() -> None:
    """A Prometheus of one cluster has no such label on its own series."""
    assert not any("cluster=" in each for each in expressions().values())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("up", 'up{c="x"}'),
        ("up{}", 'up{c="x"}'),
        ('up{a="}",b=~"x|y"}', 'up{c="x",a="}",b=~"x|y"}'),
        ("absent(up)", 'absent(up{c="x"})'),
        ("sum by (up, job) (rate(up[5m]))", 'sum by (up, job) (rate(up{c="x"}[5m]))'),
        ("sum(up) by (job)", 'sum(up{c="x"}) by (job)'),
        ("a and on () b offset 5m", 'a{c="x"} and on () b{c="x"} offset 5m'),
        ("a * on (x) group_left (y) b", 'a{c="x"} * on (x) group_left (y) b{c="x"}'),
        ("time() - a > 1e3", 'time() - a{c="x"} > 1e3'),
        ('label_replace(a, "b", "$1", "d", "e(.+)")',
         'label_replace(a{c="x"}, "b", "$1", "d", "e(.+)")'),
        ("max_over_time(a[1h:5m])", 'max_over_time(a{c="x"}[1h:5m])'),
        ('{__name__="a"}', '{c="x",__name__="a"}'),
        ("topk(3, a)", 'topk(3, a{c="x"})'),
        ("a > bool 0.5", 'a{c="x"} > bool 0.5'),
    ],
)  # fmt: skip
def test_public_reports_a_matcher_goes_into_every_selector_and_nowhere_else(
    before: str, after: str
) -> None:
    """A label list, a function or a word of PromQL is no metric."""
    assert narrowed(before, "c", "x") == after


@pytest.mark.parametrize(
    ("source", "gone", "stays"),
    [
        ("kube-apiserver",
         {"LinkerdInjectorRejections", "LinkerdInjectorFailOpen", "KubernetesApiServerDown"},
         {"LinkerdControlPlaneMissing", "LinkerdMetricsMissing"}),
        ("kube-state-metrics",
         {"LinkerdControlPlaneMissing", "LinkerdPodsUnmeshed", "LinkerdProxyVersionSkew"},
         {"LinkerdIssuerExpiring", "LinkerdMetricsMissing"}),
        ("cert-manager", {"LinkerdCertificateNotReady", "LinkerdIssuerNotReloaded"},
         {"LinkerdIssuerExpiring"}),
        ("external-secrets", {"ExternalSecretNotReady", "ClusterSecretStoreNotReady"},
         {"CertificateIssuerNotReady"}),
        ("linkerd-proxy", {"LinkerdSuccessBurnFast", "LinkerdLeafExpiring"},
         {"LinkerdIssuerExpiring"}),
        ("linkerd-identity", {"LinkerdIssuerExpiring"}, {"LinkerdLeafExpiring"}),
    ],
)  # fmt: skip
def test_public_reports_a_source_that_is_never_there_warns_of_nothing(
    source: str, gone: set[str], stays: set[str]
) -> None:
    """prometheus helm-charts#674: a provider hides a source, and a warning fires for ever.

    What reads that source could never fire: a rule that is there would promise it.
    """
    without = {"setting": setting().model_copy(update={"absent": (source,)})}
    missing = [each for each in rules() if each["alert"] == "LinkerdMetricsMissing"]
    left = [each for each in rules(**without) if each["alert"] == "LinkerdMetricsMissing"]
    assert {each["labels"]["source"] for each in missing} - {
        each["labels"]["source"] for each in left
    } == {source}
    names = {each["alert"] for each in rules(**without)}
    assert not gone & names
    assert stays <= names


def test_public_reports_one_source_of_several_is_told_where_it_is_silenced() -> None:
    """`LinkerdMetricsMissing:kube-apiserver` was answered with the name that silences all six."""
    faulty = base_sections("observability.alerts")
    faulty["observability"]["alerts"]["disabled"] = ["LinkerdMetricsMissing:kube-apiserver"]
    with pytest.raises(ConfigError, match=r"write absent: \[kube-apiserver\]"):
        program(faulty)
