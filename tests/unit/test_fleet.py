"""fleet.yaml decides who is compared with whom, and who gets a change before whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from schema.faults import ConfigError
from stack import fleet
from stack.fleet import Fleet

PROJECT = Path(__file__).resolve().parents[2]
GOOD = """\
owner: trust
waves:
  - name: canary
    clusters:
      - stack: staging
        environment: staging
  - name: production
    approval: required
    clusters:
      - stack: europe
        environment: production
      - stack: america
        environment: production
"""


def project(folder: Path, text: str) -> Path:
    """A folder with a fleet file, and stack files for the stacks that the samples name."""
    (folder / fleet.FILE).write_text(text, encoding="utf-8")
    for name in ("trust", "staging", "europe", "america"):
        (folder / f"Pulumi.{name}.yaml").write_text("", encoding="utf-8")
    return folder


def good(folder: Path) -> Fleet:
    found = fleet.read(project(folder, GOOD))
    assert found
    return found


def said(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        fleet.read(project(folder, text))
    return str(caught.value).splitlines()


def test_the_project_s_own_fleet_deploys_staging_first_and_asks_for_production() -> None:
    """The tracked file is the example that everybody copies."""
    found = fleet.read(PROJECT)
    assert found
    assert found.before("production") == ("staging",)
    wave = found.wave_of("production")
    assert wave
    assert wave.approval == "required"


def test_stacks_are_in_the_order_of_the_file_the_owner_first(tmp_path: Path) -> None:
    """Commands go through them in this order."""
    found = good(tmp_path)
    assert found.clusters == ("staging", "europe", "america")
    assert found.stacks == ("trust", "staging", "europe", "america")


def test_a_stack_comes_after_the_waves_before_its_own_and_not_after_its_own(tmp_path: Path) -> None:
    """Stacks of one wave run together: to wait for each other would be a deadlock."""
    found = good(tmp_path)
    assert found.before("america") == ("staging",)
    assert found.before("staging") == ()
    assert found.before("trust") == ()
    assert found.before("sandbox") == ()


def test_wave_and_environment_of_a_stack(tmp_path: Path) -> None:
    """The owner and a stack outside have neither, which is no error."""
    found = good(tmp_path)
    waves = {name: found.wave_of(name) for name in (*found.stacks, "sandbox")}
    assert {name: wave and wave.name for name, wave in waves.items()} == {
        "trust": None,
        "staging": "canary",
        "europe": "production",
        "america": "production",
        "sandbox": None,
    }
    assert found.environment_of("america") == "production"
    assert found.environment_of("trust") is None
    assert found.wave("canary") == waves["staging"]
    assert found.wave("kanary") is None


def test_approval_is_asked_for_only_where_the_file_says_so(tmp_path: Path) -> None:
    """The default is none: a canary that waits for somebody is no canary."""
    assert [wave.approval for wave in good(tmp_path).waves] == ["none", "required"]


def test_a_stack_alone_is_a_fleet_of_one() -> None:
    """Its anchor is compared with nobody's."""
    assert Fleet.alone("sandbox").stacks == ("sandbox",)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("owner: trust", "owner: [trust]", "1: owner: should be text"),
        ("owner: trust\n", "", "owner: missing: name the stack that makes the trust anchor"),
        ("owner: trust", "owner: trsut", "1: owner: there is no file Pulumi.trsut.yaml; did you"),
        ("owner: trust", "owner: trust_", "1: owner: 'trust_' is no name of a stack"),
        ("owner: trust", "owner:", "1: owner: should be text, in quotes where YAML takes it for "),
        ("    approval:", "    aproval:", "8: waves[1].aproval: unknown key; did you mean 'appro"),
        ("required", "yes-please", "8: waves[1].approval: should be none or required, but it is"),
        ("- stack: staging", "- stak: staging", "5: waves[0].clusters[0].stak: unknown key; did "),
        ("stack: europe", "stack: euorpe", "10: waves[1].clusters[0].stack: there is no file Pul"),
        ("stack: america", "stack: europe", "12: waves[1].clusters[1].stack: 'europe' is in wave"),
        ("stack: america", "stack: staging", "12: waves[1].clusters[1].stack: 'staging' is in wa"),
        ("stack: america", "stack: trust", "12: waves[1].clusters[1].stack: 'trust' is the owner"),
        ("name: production", "name: canary", "7: waves[1].name: 'canary' is a wave already"),
        (
            "name: production",
            "name: Main wave",
            "7: waves[1].name: 'Main wave' is not a Kubernetes name",
        ),
        ("        environment: staging\n", "", "5: waves[0].clusters[0].environment: missing: nam"),
        ("owner: trust", "owner: trust\nowner: europe", "2: owner is a duplicate"),
    ],
)
def test_a_fault_is_told_with_its_line_its_key_and_what_to_write(
    tmp_path: Path, old: str, new: str, fault: str
) -> None:
    """Read loosely, the file would put a cluster into no wave, and nobody would wait for it."""
    assert old in GOOD
    lines = said(tmp_path, GOOD.replace(old, new, 1))
    place = fault if fault[0].isalpha() else f"fleet.yaml:{fault}"
    assert any(line.removeprefix("fleet.yaml: ").startswith(place) for line in lines), lines


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("owner: trust\nwaves: []\n", "fleet.yaml:2: waves: is empty: list a wave"),
        (
            "owner: trust\nwaves:\n  - name: a\n    clusters: []\n",
            "fleet.yaml:4: waves[0].clusters: is empty: list a cluster",
        ),
        ("owner: trust\nwaves: staging\n", "fleet.yaml:2: waves: should be a list, but it is"),
        (
            "owner: trust\nwaves:\n  - staging\n",
            "fleet.yaml:3: waves[0]: should be a section with keys of its own: name, approval, ",
        ),
        ("- trust\n", "fleet.yaml: should be a section with keys of its own: owner, waves"),
        ("owner: [", "fleet.yaml: cannot be read"),
        ("", "fleet.yaml: owner: missing"),
        (
            "owner: trust\nclusters:\n  - staging\n",
            "fleet.yaml:2: clusters: unknown key; clusters are listed by wave",
        ),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    """Also the shape that the file had before there were waves."""
    assert any(line.startswith(fault) for line in said(tmp_path, text)), said(tmp_path, text)


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    """One run for each would be a run for nothing."""
    lines = said(tmp_path, "owner: trust_\nwaves:\n  - nam: a\n    clusters: [{stack: staging}]\n")
    assert [line.split(": ")[1] for line in lines] == [
        "owner",
        "waves[0].name",
        "waves[0].nam",
        "waves[0].clusters[0].environment",
    ]
