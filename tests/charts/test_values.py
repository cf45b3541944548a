"""The keys that we set mean something to the charts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.charts import helm
from tests.charts.program import USES, evaluate

# Keys that upstream's values.yaml does not list, and that are read all the same.
UNLISTED = {
    ("linkerd-control-plane", key): "only in values-ha.yaml"
    for key in (
        "destinationResources",
        "heartbeatResources",
        "highAvailability",
        "identityResources",
        "proxyInjectorResources",
        "spValidatorResources",
    )
}
# No template reads it: `linkerd check` does, in the ConfigMap `linkerd-config`.
READ_BY_THE_CLI = "highAvailability"


def unknown_keys(values: Any, defaults: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Paths in `values` that `defaults` does not have; a default that is empty takes anything."""
    for key, value in values.items():
        here = (*path, key)
        if key not in defaults:
            yield ".".join(here)
        elif isinstance(value, dict) and isinstance(defaults[key], dict) and defaults[key]:
            yield from unknown_keys(value, defaults[key], here)


@pytest.mark.parametrize(("stack", "name"), USES)
def test_every_key_we_set_exists_in_the_chart(stack: str, name: str) -> None:
    """Helm takes an unknown key without a word: a key misspelt or removed would just do nothing."""
    use = evaluate(stack).charts[name]
    defaults = helm.default_values(helm.archive(use))
    unknown = set(unknown_keys(use.values, defaults))
    assert not {key for key in unknown if (name, key) not in UNLISTED}


@pytest.mark.parametrize(("stack", "name"), USES)
def test_every_key_we_set_is_read_by_a_template(stack: str, name: str) -> None:
    """A key can outlive its last reader in values.yaml, and even in values-ha.yaml."""
    use = evaluate(stack).charts[name]
    chart = helm.archive(use)
    templates = "\n".join(t for path, t in helm.files_of(chart).items() if "/templates/" in path)
    rendered = helm.objects(helm.text_of(use, chart))
    # It holds all values, the dead ones too.
    rendered.pop(("ConfigMap", "linkerd", "linkerd-config"), None)
    handed_on = set(helm.strings(list(rendered.values())))
    unread = [
        key
        for key in leaves(use.values)
        if not re.search(rf"\.{re.escape(key)}\b", templates) and key not in handed_on
    ]
    assert set(unread) <= {READ_BY_THE_CLI}


def leaves(values: dict[str, Any]) -> Iterator[str]:
    """The last name on each path of `values`."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value)
        else:
            yield key


@pytest.mark.parametrize(("chart", "key"), UNLISTED)
def test_an_unlisted_key_is_still_needed(chart: str, key: str) -> None:
    """The list of exceptions must not become where dead keys live on."""
    use = evaluate("production").charts[chart]
    files = helm.files_of(helm.archive(use))
    templates = [text for path, text in files.items() if "/templates/" in path]
    assert key in use.values
    assert key not in helm.default_values(helm.archive(use))
    read = any(re.search(rf"\.Values\.{key}\b|[.\"]{key}\b", text) for text in templates)
    assert read or key == READ_BY_THE_CLI


def test_a_misspelt_key_is_found() -> None:
    """The search itself must bite, on each level."""
    use = evaluate("production").charts["linkerd-control-plane"]
    defaults = helm.default_values(helm.archive(use))
    proxy = {**use.values["proxy"], "defaultInboundPolice": "deny"}
    wrong = {"proxy": proxy, "identityTrustDomian": "cluster.local"}
    assert set(unknown_keys(wrong, defaults)) == {
        "proxy.defaultInboundPolice",
        "identityTrustDomian",
    }
