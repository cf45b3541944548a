"""The viz extension: HA, its own Prometheus or another, no hook."""

from __future__ import annotations

from typing import Any

from components.viz import Viz, VizArgs, values
from tests.unit.samples import arguments, made

# What each key of the section is set to, for test_config_effect.py.
EFFECTS: dict[str, Any] = {
    "viz.enabled": False,
    "viz.ha": False,
    "viz.prometheusUrl": "http://prometheus.monitoring:9090",
}


def with_(**changes: object) -> dict[str, Any]:
    """Values with some arguments changed."""
    args = arguments()[Viz].model_copy(update=changes)
    assert isinstance(args, VizArgs)
    return values(args)


def test_certificates_of_tap_come_from_cert_manager() -> None:
    """The chart makes new ones at each rendering otherwise."""
    assert with_()["tapInjector"] == {
        "externalSecret": True,
        "injectCaFrom": "linkerd-viz/tap-injector-k8s-tls",
    }
    for ha in (True, False):
        assert with_(ha=ha)["tap"]["injectCaFrom"] == "linkerd-viz/tap-k8s-tls"
        assert with_(ha=ha)["tap"]["externalSecret"] is True


def test_no_hook_is_left_to_be_dropped() -> None:
    """The engine runs none; our own Namespace has the labels."""
    assert with_()["createNamespaceMetadataJob"] is False


def test_ha_has_three_taps_budgets_and_anti_affinity() -> None:
    """As upstream's values-ha.yaml of viz."""
    made_ = with_()
    assert made_["tap"]["replicas"] == 3
    assert made_["enablePodAntiAffinity"] is True
    assert made_["enablePodDisruptionBudget"] is True
    without = with_(ha=False)
    assert not {"enablePodAntiAffinity", "enablePodDisruptionBudget", "resources"} & set(without)
    assert "replicas" not in without["tap"]


def test_an_external_prometheus_replaces_vizs_own() -> None:
    """Two of them would scrape every proxy twice."""
    for ha in (True, False):
        made_ = with_(prometheus_url="http://p:9090", ha=ha)
        assert made_["prometheusUrl"] == "http://p:9090"
        assert made_["prometheus"] == {"enabled": False}
    assert "prometheusUrl" not in with_()


def test_the_chart_is_in_the_namespace_of_viz() -> None:
    """`linkerd viz` looks for it there."""
    recording = made(Viz)
    assert recording.named("x-linkerd-viz").inputs["namespace"] == "linkerd-viz"
    outputs = recording.outputs[recording.named("x").urn]
    assert outputs == {"version": "1.2.3", "namespace": "linkerd-viz", "prometheus": "linkerd-viz"}


def test_the_dashboard_links_to_jaeger_where_there_is_one() -> None:
    """A link that leads nowhere is worse than none."""
    assert with_(jaeger="jaeger.a:16686")["jaegerUrl"] == "jaeger.a:16686"
    assert "jaegerUrl" not in with_()
