"""What tests are written with: the page's example runs, and of each stand-in there is one."""

from __future__ import annotations

import re
from collections.abc import Callable

import pulumi
import pytest
from pulumi.runtime import settings

from components.base import KubernetesObject
from tests.recorder import record
from tests.unit.stack_files import REPO

CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}}


def test_the_example_of_the_page_is_a_test_that_passes() -> None:
    """Whoever writes a first test copies it."""
    page = (REPO / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Callable[[], None]] = {}
    exec(example, names)  # noqa: S102  (the page is ours)
    (test,) = [each for name, each in names.items() if name.startswith("test_")]
    test()


def test_a_program_can_be_awaited_and_leaves_nothing_behind() -> None:
    """The next test would find the root and the settings of this one."""

    async def program() -> None:
        first = KubernetesObject("first", CONFIG_MAP)
        KubernetesObject("second", CONFIG_MAP, pulumi.ResourceOptions(depends_on=[first]))

    made = record(program)
    assert made.comes_after(made.named("second"), made.named("first"))
    assert pulumi.runtime.get_root_resource() is None
    assert settings.get_project() != "linkerd-platform"


def test_what_a_program_raises_is_raised() -> None:
    """A test would pass on half of what it asks for."""

    def twice() -> None:
        KubernetesObject("twice", CONFIG_MAP)
        KubernetesObject("twice", CONFIG_MAP)

    with pytest.raises(ValueError, match="two resources with the URN"):
        record(twice)


@pytest.mark.parametrize(
    ("call", "home"),
    [
        ("x509.CertificateBuilder()", "tests/certificates.py"),
        ("runtime.set_mocks(", "tests/recorder.py"),
        ('setattr(bot_engine, "find"', "tests/unit/context.py"),
        ("(automation.EngineCommand):", "tests/unit/fake_engine.py"),
    ],
)
def test_of_each_stand_in_there_is_one(call: str, home: str) -> None:
    """Two of a kind behave in two ways, and each is mended alone."""
    own = "tests/unit/test_recorder.py"
    found = {
        str(file.relative_to(REPO))
        for file in (REPO / "tests").rglob("*.py")
        if call in file.read_text(encoding="utf-8")
    }
    assert found - {own} == {home}
