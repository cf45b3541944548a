"""The stack file of a Linkerd that is there already keeps every value that somebody gave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.adopt_samples import MANIFEST, looked, record, server
from tests.unit.bot_trust_samples import authority
from tests.unit.samples import packed_chart


def test_public_reports_what_no_key_says_is_laid_over_the_chart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A toleration that is lost moves the control plane to other nodes, at the first `up`."""
    lines, config = looked(monkeypatch, tmp_path, server(authority("root")))
    assert config.charts["linkerd-control-plane"].values == {
        "proxy": {"logLevel": "debug"},
        "tolerations": ({"key": "mesh"},),
    }
    assert (
        "kept by `charts` of the stack file: linkerd-control-plane proxy.logLevel, tolerations"
        in lines
    )
    assert not [each for each in lines if each.startswith("not kept")]


@pytest.mark.parametrize(
    ("given", "kept", "lost"),
    [
        # A whole values.yaml that somebody passed with -f: what the chart says itself is no wish.
        ({"proxy": {"logLevel": "warn"}, "extra": {"a": 1}}, {"extra": {"a": 1}}, ""),
        (
            {"nodeSelector": {"example.com/pool": "x"}},
            {"nodeSelector": {"example.com/pool": "x"}},
            "",
        ),
        ({"disableIPv6": True}, None, ""),
        ({"proxyInjector": {"timeoutSeconds": 5}}, {"proxyInjector": {"timeoutSeconds": 5}}, ""),
        ({"proxyInjector": {"externalSecret": True, "caBundle": "x"}}, None, ""),
        (
            {"proxyInjector": {"namespaceSelector": {"matchLabels": {"a": "b"}}}},
            None,
            (
                "proxyInjector.namespaceSelector.matchLabels.a: proxyInjector.namespaceSelector is "
                "decided by rollout.never: set it there"
            ),
        ),
        (
            {"proxyInit": {"resources": {"memory": {"limit": "10Mi"}}}},
            None,
            (
                "proxyInit.resources.memory.limit: proxyInit.resources is decided by "
                "charts.linkerd-control-plane.values.proxy.resources: set it there"
            ),
        ),
        (
            {"proxy": {"image": {"version": "edge-25.4.4"}}},
            None,
            'proxy.image.version: "edge-25.4.4": the version of charts.yaml runs',
        ),
        (
            {"enableEndpointSlices": True},
            None,
            "enableEndpointSlices: true: the chart that is pinned has no such value",
        ),
        (
            {"podAnnotations": {"token": "hvs." + "Ab1" * 30}},
            None,
            (
                "podAnnotations.token: looks like a credential, and a chart's values are in clear "
                "in the state: put it into a Secret, and name that"
            ),
        ),
    ],
)
def test_public_reports_each_value_that_was_given_is_kept_or_named_with_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: Any, kept: Any, lost: str
) -> None:
    """Who took a cluster over noticed weeks later what the first `up` had put back."""
    chart = "linkerd-control-plane"
    archives = tmp_path / "archives"
    archives.mkdir()
    monkeypatch.setenv("CHARTS_DIR", str(archives))
    values = (
        "extra: {}\nnodeSelector: {}\npodAnnotations: {}\n"
        "proxy: {logLevel: warn, image: {version: x}}\n"
        "proxyInit: {a: 1}\nproxyInjector: {timeoutSeconds: 10, namespaceSelector: {}}\n"
    )
    (archives / f"{chart}-2026.6.3.tgz").write_bytes(packed_chart(values, ""))
    found = [record(chart, "linkerd", config=given, manifest=MANIFEST)]
    api = server(authority("root"), **{"/api/v1/secrets": found})
    lines, config = looked(monkeypatch, tmp_path, api)
    assert (config.charts[chart].values if config.charts else None) == kept
    told = [each for each in lines if each.startswith("not kept")]
    assert told == ([f"not kept: {chart} {lost}"] if lost else [])
