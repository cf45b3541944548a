"""The picture of a run in the read-me: made of what was printed, and of nothing else."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from bot.mesh.status.verification import judge, table
from sandbox.picture import chosen, svg
from tests.unit.made_mesh import config, good
from tests.unit.stack_files import REPO

RUN = [
    "STAND-INS for a plugin",
    "[  1.3 s] vault is open",
    "[ 12.7 s] linkerd begins",
    "no changes, 225 resources unchanged",
    "what         expected   seen",
    f"a <webhook>  verified   {'long ' * 40}  ok",
    "Deployments  15 of 15   14 of 15  FAIL",
    "1 of 2 checks passed",
    "  export VAULT_TOKEN=$(cat .sandbox/vault/root-token)",
    "update 24 s, all in all 41 s",
]


def test_the_table_is_shown_and_what_scrolls_by_is_not() -> None:
    """A reader looks for a few seconds: what is proven, and how long it took."""
    lines = chosen(RUN)
    assert lines[0] == "$ make sandbox"
    assert lines[1] == "[  1.3 s] vault is open"
    assert lines[-1] == "update 24 s, all in all 41 s"
    assert not [line for line in lines if "begins" in line or "TOKEN" in line or "STAND" in line]
    [webhook] = [line for line in lines if line.startswith("a <webhook>")]
    assert webhook.endswith("…  ok")
    assert max(map(len, lines)) <= 132


def test_a_proof_that_fails_is_shown_as_failed() -> None:
    """A picture that can only be green is an advertisement."""
    assert any(line.endswith("FAIL") for line in chosen(RUN))


def test_the_picture_is_well_formed_and_says_what_was_printed() -> None:
    """Whoever cannot see it, or has another font, still has the text in its order."""
    lines = chosen(RUN)
    root = ET.fromstring(svg(lines))  # noqa: S314  (our own text)
    texts = ["".join(each.itertext()) for each in root if each.tag.endswith("text")]
    assert "".join(texts) == "".join(lines)


def test_the_picture_of_the_read_me_is_of_a_run_with_todays_proofs() -> None:
    """One that shows other rows than the command was forgotten: see sandbox/picture.py."""
    shown = (REPO / "docs" / "sandbox.svg").read_text(encoding="utf-8")
    root = ET.fromstring(shown)  # noqa: S314
    texts = ["".join(each.itertext()).strip() for each in root if each.tag.endswith("text")]
    rows = table(judge(good(), config()))
    expected = [line.split("  ")[0].strip() for line in rows[1:-1]]
    found = [text.split("  ")[0] for text in texts]
    assert [name for name in expected if name not in found] == []
    assert f"{len(expected)} checks passed" in texts
    assert "sandbox.svg" in (REPO / "README.md").read_text(encoding="utf-8")
