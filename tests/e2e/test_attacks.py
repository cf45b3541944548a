"""Ways around "what is approved is what is applied", with the real engine and a real Vault.

The same table as tests/unit/test_attacks*.py, of which these are the ones that a stand-in of the
engine could get wrong: what the engine reads and when, its history, its tags, and who may sign.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.clients.https import Unreadable
from bot.clients.target import Target
from bot.deploy import approval, signing
from bot.exit_codes import RefusedError
from components.names import approver_policy, deployer_policy
from sandbox import vault
from tests.e2e import attacked
from tests.e2e.attacked import UP, Attacked
from tests.e2e.delivery import Pipeline

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Attacked:
    """One for all, in the order of the file; each test leaves it committed."""
    if reason := attacked.missing():
        pytest.skip(reason)
    return attacked.made(tmp_path_factory.mktemp("attacked") / "project")


def test_the_honest_way_goes_through(fleet: Attacked) -> None:
    """One digest in terminal, approval and history."""
    told = fleet.preview()
    short = told.rpartition("snapshot ")[2].partition(":")[0]
    assert f"snapshot {short}, up, not signed" in fleet.approve()
    fleet.up()
    assert fleet.applied == "3"
    row = fleet.history()[0]
    assert (row["snapshot"], row["approvedBy"], row["signed"]) == (short, "ada", False)
    assert (row["authentic"], row["clean"], row["outcome"]) == (True, True, "succeeded")


@pytest.mark.parametrize("hidden", [False, True])
def test_a1_what_was_previewed_dirty_is_never_applied(fleet: Attacked, hidden: bool) -> None:
    """Shown 3 to 9 of an edited file, or 9 of a file that git was told not to look at."""
    value = fleet.folder / "value.txt"
    if hidden:
        fleet.git("update-index", "--assume-unchanged", "value.txt")
    value.write_text("9")
    fleet.preview()
    value.write_text("3")
    assert "stale: tree: was dirty (value.txt)" in fleet.approve(code=4)
    fleet.preview()
    fleet.approve()
    value.write_text("9")
    assert "takes only a commit" in fleet.up(4)
    value.write_text("3")
    fleet.git("update-index", "--no-assume-unchanged", "value.txt")
    assert fleet.applied == "3"


def test_a4_edit_while_the_engine_previews_is_not_applied(fleet: Attacked) -> None:
    """What the engine has read by then is one thing, and what it reads next another."""
    value = fleet.folder / "value.txt"
    value.write_text("4")
    fleet.commit()
    fleet.preview()
    fleet.approve()
    told = fleet.meanwhile(lambda: value.write_text("9"), 4, *UP, str(fleet.approval))
    # The program reads the file after that, so that the changes are others too.
    assert "stale: " in told
    assert fleet.applied == "3"
    value.write_text("4")
    fleet.up()
    assert fleet.applied == "4"


def test_a5_fleet_file_that_is_gone_opens_no_gate(fleet: Attacked) -> None:
    """Nor does a copy of the stack file."""
    (fleet.folder / "fleet.yaml").unlink()
    ungated = ("up", "--stack", "trust", "--no-verify", "--yes")
    assert "takes only a commit" in fleet.must(4, *ungated)
    fleet.git("checkout", "-q", ".")
    assert "needs an approval" in fleet.must(4, *ungated)
    copy = fleet.folder / "Pulumi.trust2.yaml"
    copy.write_text((fleet.folder / "Pulumi.trust.yaml").read_text())
    assert "is not in fleet.yaml" in fleet.must(4, "up", "--stack", "trust2", "--yes")
    copy.unlink()


def test_a6_destroy_passes_the_same_gate(fleet: Attacked) -> None:
    """An approval of an update is none of a destruction, and the reverse."""
    destroy = ("destroy", "--stack", "trust", "--include-protected")
    told = fleet.must(4, *destroy, "--yes", "--allow", "stack", "--allow", "namespace")
    assert "needs an approval" in told
    fleet.must(0, *destroy, "--preview", "--out", str(fleet.changes))
    assert "--allow stack" in fleet.approve(code=4)
    fleet.approve("--allow", "stack")
    assert "stale: operation: was destroy, is up" in fleet.up(4)
    assert fleet.applied == "4"
    fleet.must(0, *destroy, "--approved", str(fleet.approval))
    assert fleet.applied is None
    assert fleet.history()[0]["approvedBy"] == "ada"
    fleet.preview()
    fleet.approve()
    fleet.up()


def test_a10_message_that_is_typed_by_hand_is_no_note_of_the_bots(fleet: Attacked) -> None:
    """The engine takes any text for its history."""
    honest = fleet.history()[0]
    (fleet.folder / "value.txt").write_text("9")
    text = "\n".join(
        [
            "up of trust",
            "",
            f"Operation: {honest['operation']}",
            f"Commit: {honest['commit']}",
            "Tree: clean",
            f"Approval: {honest['approval']}",
            "Approved-by: ada",
        ]
    )
    fleet.pulumi("up", "--stack", "trust", "--yes", "--skip-preview", "--message", text)
    fleet.git("checkout", "-q", ".")
    rows = fleet.history()
    assert [row["authentic"] for row in rows[:2]] == [False, True]
    assert "not recorded by the bot" in fleet.must(0, "history", "--stack", "trust")
    fleet.preview()
    fleet.approve()
    fleet.up()
    assert fleet.applied == "4"


def test_document_of_the_snapshot_holds_no_credential(fleet: Attacked) -> None:
    """It goes into artifacts and comments."""
    fleet.preview()
    made = json.loads(fleet.changes.read_text())["snapshot"]
    assert made["environment"]["PULUMI_CONFIG_PASSPHRASE"] == ""
    assert made["servers"]["state"].startswith("file://")
    assert Path(fleet.changes).stat().st_size < 100_000


def test_a9_who_approves_is_vaults_word(pipeline: Pipeline) -> None:
    """With the key, the mount and the policies that the program has made in a real Vault."""
    pipeline.configure({"linkerd": {"logLevel": "debug"}})
    file = pipeline.approve()
    record = approval.read(file)
    assert record.signature.startswith("vault:v1:")
    mount = pipeline.copy.target.config.vault.transit_mount
    approver, deployer = (
        _with_token(pipeline, policy(mount)) for policy in (approver_policy, deployer_policy)
    )
    signing.refuse_unsigned(deployer, signing.signed(approver, record))
    with pytest.raises(Unreadable, match="status 403"):
        signing.signed(deployer, record)
    with pytest.raises(Unreadable, match="status 403"):
        signing.refuse_unsigned(approver, record)
    with pytest.raises(RefusedError, match="was changed after it was signed"):
        signing.refuse_unsigned(deployer, record.model_copy(update={"by": "eve"}))
    key = f"/v1/{mount}/keys/approvals"
    about: Any = vault.request(pipeline.copy.settings, "GET", key)
    assert (about["data"]["type"], about["data"]["exportable"]) == ("ecdsa-p256", False)
    file.write_text(json.dumps({**json.loads(file.read_text()), "by": "eve"}))
    assert "was changed after it was signed" in pipeline.up(4, "--approved", str(file))
    file.write_text(record.model_dump_json())
    pipeline.up(0, "--approved", str(file))
    row = pipeline.history()[0]
    assert (row["signed"], row["snapshot"]) == (True, record.snapshot.short)


def _with_token(pipeline: Pipeline, policy: str) -> Target:
    wanted = {"policies": [policy], "ttl": "20m"}
    made: Any = vault.request(pipeline.copy.settings, "POST", "/v1/auth/token/create", wanted)
    target = pipeline.copy.target
    token = str(made["auth"]["client_token"])
    return replace(target, environment={**target.environment, "VAULT_TOKEN": token})
