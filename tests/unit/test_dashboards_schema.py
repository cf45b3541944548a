"""The dashboards against Grafana's published models: a key that those do not know does nothing."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from components.dashboards.grafana import render
from tests.unit.dashboard_samples import dashboards, view

_SDK = "grafana_foundation_sdk"


def through_the_models(document: dict[str, Any]) -> Any:
    """The dashboard read and written by the models; what they do not know is lost on the way."""
    pytest.importorskip(_SDK, reason=f"{_SDK} is not installed: `make venv`")
    importlib.import_module(f"{_SDK}.cog.plugins").register_default_plugins()
    model = importlib.import_module(f"{_SDK}.models.dashboard").Dashboard
    encoder = importlib.import_module(f"{_SDK}.cog.encoder").JSONEncoder
    return json.loads(json.dumps(model.from_json(document), cls=encoder))


def lost(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """The places in which the second is not what the first was."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key in after:
                yield from lost(value, after[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}"
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from lost(one, other, f"{path}[{index}]")
    elif before != after:
        yield path


@pytest.mark.parametrize("each", dashboards(), ids=lambda each: each.name)
def test_grafanas_models_know_every_key(each: Any) -> None:
    """A misspelt option is no error anywhere: the panel just looks otherwise."""
    document = json.loads(render.text(each, view()))
    assert list(lost(document, through_the_models(document))) == []
    # What the models write by themselves is what their Grafana reads without a migration.
    assert through_the_models({})["schemaVersion"] == document["schemaVersion"]


def test_a_misspelt_key_is_found() -> None:
    """In a dashboard, a query, an option and a field: each has a model of its own."""
    document = json.loads(render.text(dashboards()[0], view()))
    panel = next(panel for panel in document["panels"] if panel["type"] == "timeseries")
    for part in (
        document,
        panel["targets"][0],
        panel["options"]["legend"],
        panel["fieldConfig"]["defaults"]["custom"],
    ):
        part["shwLegend"] = True
    assert len(list(lost(document, through_the_models(document)))) == 4
