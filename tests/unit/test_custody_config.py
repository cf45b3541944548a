"""What a stack file may say of generations: a rotation that would stop the mesh is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from schema.faults import PROJECT
from stack.load import from_file
from tests.programs import ran
from tests.unit.custody import VARIANTS, sections
from tests.unit.stack_files import REPO, STACK, good, lines_of_file, spoilt, write

A: dict[str, Any] = {"name": "a"}
B: dict[str, Any] = {"name": "b"}

# name -> role, generations, signing, key that the line names, part of the line
REFUSED: dict[str, tuple[str, list[Any], str, str, str]] = {
    "none-listed": ("cluster", [], "a", "generations", "name at least one generation"),
    "signing-not-there": ("cluster", [A, B], "c", "signing", "name one of a, b"),
    "signing-retired": (
        "cluster",
        [A | {"retired": True}, B],
        "a",
        "generations[0].retired",
        "'a' signs the identity issuer: switch `signing` first",
    ),
    "listed-twice-in-two-custodies": (
        "standalone",
        [A, A | {"custody": "cluster"}],
        "a",
        "generations[1].name",
        "'a' is listed twice",
    ),
    "made-without-a-cluster": (
        "owner",
        [A | {"custody": "cluster"}],
        "a",
        "generations[0].custody",
        "use role 'standalone', or source: imported",
    ),
    "unknown-custody": (
        "cluster",
        [A | {"custody": "kms"}],
        "a",
        "generations[0].custody",
        "'vault' or 'cluster'",
    ),
    "unknown-source": (
        "cluster",
        [A | {"source": "import"}],
        "a",
        "generations[0].source",
        "'generated' or 'imported'",
    ),
    "retired-as-text": (
        "cluster",
        [A, B | {"retired": "yes"}],
        "a",
        "generations[1].retired",
        "true or false",
    ),
    "retird-misspelt": (
        "cluster",
        [A, B | {"retird": True}],
        "a",
        "generations[1].retird",
        "did you mean 'retired'?",
    ),
    "called-like-a-key": (
        "cluster",
        [A, {"name": "a-key"}],
        "a",
        "generations[1].name",
        "'a-key' ends in '-key' or '-origin'",
    ),
    "called-like-an-origin": (
        "cluster",
        [A, {"name": "a-origin"}],
        "a",
        "generations[1].name",
        "take another",
    ),
    "issuer-outlives-a-root-that-does-not-sign": (
        "cluster",
        [A, B | {"custody": "cluster", "lifetime": "47h"}],
        "a",
        "generations[1].lifetime",
        "47h must be longer than the issuer it signs (48h)",
    ),
    "issuer-outlives-an-imported-one": (
        "owner",
        [A | {"source": "imported", "lifetime": "24h"}],
        "a",
        "generations[0].lifetime",
        "24h must be longer than the issuer it signs (48h)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_unsafe_list_is_one_line_with_the_key_and_the_fix(name: str, tmp_path: Path) -> None:
    """A program that names a generation that is not there would stop at its first renewal."""
    role, generations, signing, key, part = REFUSED[name]
    trust = {"generations": generations, "signing": signing}
    found = lines_of_file(write(tmp_path, spoilt({("trust",): trust}, role)))
    assert len(found) == 1, found
    assert f": {PROJECT}:trust.{key}: " in found[0]
    assert part in found[0]


def test_retiring_all_is_refused(tmp_path: Path) -> None:
    """An empty bundle trusts nobody; both of its faults are said."""
    trust = {"generations": [A | {"retired": True}], "signing": "a"}
    found = lines_of_file(write(tmp_path, spoilt({("trust",): trust})))
    assert len(found) == 2
    assert any("all are retired: at least one must be trusted" in line for line in found)


# changes, key, part of the line
LIFETIMES: dict[str, tuple[dict[tuple[str | int, ...], Any], str, str]] = {
    "reversed": (
        {("trust", "webhooks"): {"caDuration": "365d", "caRenewBefore": "305d"}},
        "trust.webhooks.caRenewBefore",
        "7320h counts back from the end, so the CA would be renewed at 1440h of 8760h",
    ),
    "just-over-half": (
        {("trust", "webhooks"): {"caDuration": "100d", "caRenewBefore": "1201h"}},
        "trust.webhooks.caRenewBefore",
        "such as 1199h",
    ),
    "token-beyond-the-mount": (
        {("vault", "tokenTtl"): "769h"},
        "vault.tokenTtl",
        "769h is more than Vault gives at this mount: write at most 768h",
    ),
    "credentials-among-keys": (
        {("buoyantCloud", "credentials"): {"vaultPath": "anchor-keys/a"}},
        "buoyantCloud.credentials.vaultPath",
        "a signing cluster may read what is below anchor-keys/",
    ),
    "cluster-called-like-a-policy": (
        {("cluster", "name"): "anchors"},
        "cluster.name",
        "is the name of Vault's policy for all clusters",
    ),
}


@pytest.mark.parametrize("name", LIFETIMES)
def test_what_vault_would_cut_or_overwrite_is_refused(name: str, tmp_path: Path) -> None:
    """Vault and cert-manager do it in silence; a peer's anchor was renewed on day 60 of 365."""
    changes, key, part = LIFETIMES[name]
    found = lines_of_file(write(tmp_path, spoilt(changes)))
    assert len(found) == 1, found
    assert f": {PROJECT}:{key}: " in found[0]
    assert part in found[0]


def test_half_of_a_lifetime_and_a_mount_of_somebody_else_are_accepted(tmp_path: Path) -> None:
    """A limit one second too strict is a bug; another team's auth mount may allow more."""
    changes: dict[tuple[str | int, ...], Any] = {
        ("trust", "webhooks"): {"caDuration": "100d", "caRenewBefore": "50d"},
        ("vault", "tokenTtl"): "769h",
        ("vault", "createAuthMount"): False,
    }
    assert lines_of_file(write(tmp_path, spoilt(changes))) == []
    assert lines_of_file(write(tmp_path, spoilt({("vault", "tokenTtl"): "768h"}))) == []


@pytest.mark.parametrize(("role", "shape"), VARIANTS)
def test_every_step_of_a_rotation_is_a_good_stack_file(
    role: str, shape: str, tmp_path: Path
) -> None:
    """A rule that forbids a step of the runbook would be found in the middle of a rotation."""
    assert lines_of_file(write(tmp_path, sections(role, shape))) == []


@pytest.mark.parametrize("name", ["none-listed", "signing-not-there", "signing-retired"])
def test_a_refused_rotation_ends_with_two_before_any_resource(name: str, tmp_path: Path) -> None:
    """CI tells a bad file from a failed deployment by the code."""
    role, generations, signing, key, part = REFUSED[name]
    trust = {"generations": generations, "signing": signing}
    (tmp_path / "charts.yaml").write_text((REPO / "charts.yaml").read_text(), encoding="utf-8")
    file = write(tmp_path, spoilt({("trust",): trust}, role))
    code = (
        "import sys, pathlib; from bot import stacks; from bot.cli import dispatch; "
        f"stacks.PROJECT_DIR = pathlib.Path({str(tmp_path)!r}); "
        "sys.exit(dispatch.main(sys.argv[1:]))"
    )
    done = ran(
        [sys.executable, "-c", code, "plan", "--stack", STACK, "--json"],
        cwd=REPO,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert f"{file.name}:" in done.stderr
    assert f"trust.{key}: " in done.stderr
    assert part in done.stderr
    assert "Traceback" not in done.stderr


def test_defaults_are_a_generated_root_in_vault(tmp_path: Path) -> None:
    """The safer custody is the one that nobody has to ask for."""
    file = write(tmp_path, good())
    assert "custody" not in yaml.safe_load(file.read_text())["config"][f"{PROJECT}:trust"]
    (generation,) = from_file(file).trust.generations
    assert (generation.custody, generation.source, generation.retired) == (
        "vault",
        "generated",
        False,
    )
