"""Charts that the sandbox makes of Go modules, beside those that upstream publishes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from sandbox import controllers, module_charts
from stack.charts import MADE
from tests.charts import helm
from tests.charts.program import ChartUse, evaluate

STACK = "sandbox"
CRD = "CustomResourceDefinition"
SAME = ("cert-manager", "cert-manager-crds", "trust-manager", "trust-manager-crds")
OTHER = ("external-secrets", "external-secrets-crds")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The archives by their release names; needs Go and the modules."""
    folder = tmp_path_factory.mktemp("modules")
    try:
        versions = module_charts.make(module_charts.NAMES, folder)
    except module_charts.NoModuleError as error:
        pytest.skip(f"charts out of Go modules: {error}")
    return {
        release: folder / MADE / f"{release}-{version}.tgz"
        for name, version in versions.items()
        for release in (name, f"{name}-crds")
    }


def _objects(use: ChartUse, archive: Path) -> dict[helm.Key, helm.Manifest]:
    return helm.objects(helm.text_of(dataclasses.replace(use, path=str(archive)), archive))


@pytest.mark.parametrize("release", [*SAME, "gateway-api-crds"])
def test_it_renders_to_what_upstream_publishes(release: str, made: dict[str, Path]) -> None:
    """With our values, object for object: what the sandbox proves is then true of production."""
    use = evaluate(STACK).charts[release]
    published = helm.objects(helm.text_of(use, helm.archive(use)))
    assert len(published) > 1 or release.startswith("trust-manager")
    assert _objects(use, made[release]) == published


@pytest.mark.parametrize("release", OTHER)
def test_of_another_version_it_has_no_object_that_upstream_does_not_have(
    release: str, made: dict[str, Path]
) -> None:
    """The newest module is older than the release: what it makes must be called the same."""
    use = evaluate(STACK).charts[release]
    published = helm.objects(helm.text_of(use, helm.archive(use)))
    objects = _objects(use, made[release])
    assert len(objects) > 10
    assert objects.keys() <= published.keys()


def test_the_crds_are_what_the_operators_of_the_sandbox_wait_for(made: dict[str, Path]) -> None:
    """One that is missing would keep an operator from ever starting."""
    served = set()
    for release in ("cert-manager-crds", "trust-manager-crds", "external-secrets-crds"):
        for manifest in _objects(evaluate(STACK).charts[release], made[release]).values():
            spec = manifest["spec"]
            versions = [each["name"] for each in spec["versions"] if each["served"]]
            plural = spec["names"]["plural"]
            served |= {(f"{spec['group']}/{version}", plural) for version in versions}
    wanted = {
        (group, plural)
        for kinds in controllers.SERVED.values()
        for group, plurals in kinds.items()
        for plural in plurals
    }
    assert wanted <= served


def test_the_chart_beside_the_crds_has_none(made: dict[str, Path]) -> None:
    """Each CRD has one owner: two would fight over its fields, or delete it twice."""
    for release in ("cert-manager", "trust-manager", "external-secrets"):
        objects = _objects(evaluate(STACK).charts[release], made[release])
        assert not [key for key in objects if key[0] == CRD]
