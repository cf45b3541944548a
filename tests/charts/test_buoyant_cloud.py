"""The Buoyant Cloud agent gets its name and its credentials, each from one place."""

from __future__ import annotations

from pathlib import Path

import pytest

from stack.charts import Charts
from tests.charts import helm
from tests.charts.buoyant import package
from tests.charts.program import PROJECT, STACKS, evaluate

NAME = "linkerd-buoyant"
CREDENTIALS = "buoyant-cloud-org-credentials"
WITH_AGENT = [stack for stack in STACKS if NAME in evaluate(stack).charts]


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    return package(tmp_path, Charts(PROJECT).chart(NAME).version)


def test_some_stack_has_the_agent() -> None:
    """Without one, the tests below would test nothing."""
    assert "production" in WITH_AGENT


@pytest.mark.parametrize("stack", WITH_AGENT)
def test_the_agent_is_called_after_the_cluster(stack: str, chart: Path) -> None:
    """Two clusters of one name are one cluster in Buoyant Cloud."""
    rendered = helm.objects(helm.text_of(evaluate(stack).charts[NAME], chart))
    assert rendered["ConfigMap", NAME, "agent-metadata"]["data"]["agent_name"] == stack


@pytest.mark.parametrize("stack", WITH_AGENT)
def test_the_credentials_are_a_secret_that_the_chart_does_not_make(stack: str, chart: Path) -> None:
    """Helm keeps all values in the cluster: a credential there would be a second copy."""
    rendered = helm.objects(helm.text_of(evaluate(stack).charts[NAME], chart))
    assert not [key for key in rendered if key[0] == "Secret"]
    made = {
        secret["spec"]["target"]["name"]: {item["secretKey"] for item in secret["spec"]["data"]}
        for secret in evaluate(stack).of_kind("ExternalSecret")
        if secret["metadata"]["namespace"] == NAME
    }
    agent = helm.pod_spec(rendered["Deployment", NAME, "buoyant-cloud-agent"])["containers"][0]
    read = [entry["valueFrom"]["secretKeyRef"] for entry in agent["env"]]
    assert {ref["name"] for ref in read} == {CREDENTIALS}
    assert made == {CREDENTIALS: {ref["key"] for ref in read}}


def test_the_chart_of_ours_has_the_version_that_the_program_asks_for(chart: Path) -> None:
    """A Helm release refuses an archive of another version."""
    version = Charts(PROJECT).chart(NAME).version
    assert f"version: {version}\n" in helm.files_of(chart)[f"{NAME}/Chart.yaml"]
