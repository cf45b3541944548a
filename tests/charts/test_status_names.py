"""What `bot status` looks for is what the pinned charts make."""

from __future__ import annotations

from bot.mesh.status import control_plane, extensions
from tests.charts import helm
from tests.charts.program import evaluate

STACK = "production"


def names(release: str, kind: str) -> set[str]:
    """The names of the objects of a kind that a release makes."""
    use = evaluate(STACK).charts[release]
    made = helm.objects(helm.text_of(use, helm.archive(use)))
    return {name for found, _, name in made if found == kind}


def test_the_crds_are_those_of_the_chart_in_its_newest_version() -> None:
    """`linkerd check` takes the last version of each; a CRD that a release adds is missed else."""
    use = evaluate(STACK).charts["linkerd-crds"]
    made = helm.objects(helm.text_of(use, helm.archive(use)))
    found = {
        f"{name}/{crd['spec']['versions'][-1]['name']}"
        for (kind, _, name), crd in made.items()
        if kind == "CustomResourceDefinition"
    }
    assert found == set(control_plane.CRDS)


def test_the_control_plane_is_called_as_the_chart_calls_it() -> None:
    """A name that the next release changes would make every status fail."""
    release = "linkerd-control-plane"
    assert set(control_plane.DEPLOYMENTS) == names(release, "Deployment")
    assert set(control_plane.ROLES) <= names(release, "ClusterRole")
    assert set(control_plane.ROLES) <= names(release, "ClusterRoleBinding")
    assert set(control_plane.DEPLOYMENTS) <= names(release, "ServiceAccount")
    assert {control_plane.INJECTOR} == names(release, "MutatingWebhookConfiguration")
    assert set(control_plane.VALIDATORS) == names(release, "ValidatingWebhookConfiguration")
    assert set(control_plane.BUDGETS) == names(release, "PodDisruptionBudget")


def test_viz_is_called_as_the_chart_calls_it() -> None:
    """The same of the extension."""
    assert set(extensions.ROLES) <= names("linkerd-viz", "ClusterRole")
    assert set(extensions.BINDINGS) <= names("linkerd-viz", "ClusterRoleBinding")
    assert set(extensions.COMPONENTS) <= names("linkerd-viz", "Deployment")
    assert extensions.TAP in names("linkerd-viz", "APIService")
