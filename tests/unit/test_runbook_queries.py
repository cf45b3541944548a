"""Queries in the runbooks of the alerts read metrics and labels that exist."""

from __future__ import annotations

import pytest

from tests.unit.metric_lists import exported, grouped, selectors
from tests.unit.runbook_pages import promql


@pytest.mark.parametrize(("page", "query"), promql())
def test_a_query_of_a_runbook_reads_what_is_exported(page: str, query: str) -> None:
    """At night an empty answer is taken for good news."""
    found = selectors(query)
    assert found, page
    known = set()
    for each in found:
        assert each.metric in exported(), page
        assert set(each.labels) <= exported()[each.metric], page
        known |= exported()[each.metric]
    assert grouped(query) <= known, page


def test_every_page_about_what_prometheus_knows_has_a_query() -> None:
    """The labels of an alert say less than its series do."""
    pages = {page for page, _ in promql()}
    assert pages >= {
        "certificates",
        "control-plane",
        "egress-gateway",
        "ingress",
        "policy",
        "slo",
        "sources",
        "traffic",
    }
    assert len(promql()) > 15
