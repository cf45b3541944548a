"""`bot traffic shift`: the weights in the text of a stack file, and nothing else of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.cli.dispatch import main
from bot.exit_codes import BAD_INPUT, DONE, REFUSED
from stack import load
from tests.unit.stack_files import REPO

BETA = '- {name: beta, headers: {x-beta: "1"}, to: {cart-canary: 100}}'
BIAS = "        loadBias: {}\n"
CALLS = "            protocol: grpc\n            timeouts: {idle: 30s}\n"
FLOW = f"""\
        routes:
          # who has the header sees it first
          {BETA}  # dark launch
          - {{name: all, path: /, to: {{cart: 95, cart-canary: 5}}}}  # canary
"""
BLOCK = """\
        routes:
          - name: all
            to:
              cart: 95  # stable
              cart-canary: 5  # the new one, ask \u00fc-team
            # a remark after all
"""


def stack_file(folder: Path, service: str) -> Path:
    """A stack file with a service whose traffic is this, and comments around it."""
    text = (REPO / "Pulumi.staging.yaml").read_text(encoding="utf-8")
    config: dict[str, Any] = yaml.safe_load(text)["config"]
    config.pop("linkerd-platform:traffic", None)
    config["linkerd-platform:rollout"] = {
        "waves": [{"name": "one", "state": "on", "namespaces": ["shop"]}]
    }
    for key in ("policy", "egress", "workloads"):
        config.pop(f"linkerd-platform:{key}", None)
    head = yaml.safe_dump({"config": config}, sort_keys=False)
    body = (
        "  linkerd-platform:traffic:  # ours\n    flaggerVersion: 1.41.0\n"
        "    services:\n      shop/cart:  # \u2615\n" + service
    )
    for name in ("Pulumi.yaml", "fleet.yaml"):
        (folder / name).write_text((REPO / name).read_text(encoding="utf-8"), encoding="utf-8")
    file = folder / "Pulumi.staging.yaml"
    file.write_text(head + body, encoding="utf-8")
    return file


@pytest.fixture
def shift(context: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command on a stack file; exit code, the lines that changed, all output, the file."""
    context.project(tmp_path)

    def run(body: str, *words: str) -> tuple[int, list[str], str, Path]:
        file = stack_file(tmp_path, f"        port: 8080\n{body}")
        before = file.read_text(encoding="utf-8")
        code = main(["traffic", "shift", "--stack", "staging", "--service", "shop/cart", *words])
        out, err = capsys.readouterr()
        old, new = before.splitlines(), file.read_text(encoding="utf-8").splitlines()
        return code, [each.strip() for each in new if each not in old], out + err, file

    return run


@pytest.mark.parametrize(
    ("body", "words", "changed"),
    [
        (
            FLOW,
            ("--to", "cart-canary=20"),
            ["- {name: all, path: /, to: {cart: 80, cart-canary: 20}}  # canary"],
        ),
        (
            BLOCK,
            ("--to", "cart-canary=20"),
            ["cart: 80  # stable", "cart-canary: 20  # the new one, ask \u00fc-team"],
        ),
        (
            BLOCK,
            ("--to", "cart=50,cart-canary=30", "--to", "cart-next=20"),
            [
                "cart: 50  # stable",
                "cart-canary: 30  # the new one, ask \u00fc-team",
                "cart-next: 20",
            ],
        ),
        (
            FLOW,
            ("--to", "cart-canary=100"),
            ["- {name: all, path: /, to: {cart: 0, cart-canary: 100}}  # canary"],
        ),
        (
            FLOW,
            ("--route", "beta", "--to", "cart-canary=50,cart-next=50"),
            [f"{BETA.replace('100', '50, cart-next: 50')}  # dark launch"],
        ),
        (
            "        timeouts: {request: 5s}  # as agreed\n",
            ("--to", "cart-canary=5"),
            ["routes:", "- {name: all, to: {cart: 95, cart-canary: 5}}"],
        ),
        (
            f"        routes: [{BETA[2:]}]\n",
            ("--to", "cart-canary=5"),
            [f"routes: [{BETA[2:]}, {{name: all, to: {{cart: 95, cart-canary: 5}}}}]"],
        ),
        (
            "        routes:\n          - name: all  # every one\n",
            ("--to", "cart-canary=5"),
            ["to: {cart: 95, cart-canary: 5}"],
        ),
        (
            f"{BIAS}        otherPorts:\n          - port: 9090\n{CALLS}",
            ("--port", "9090", "--to", "cart-canary=5"),
            ["routes:", "- {name: all, to: {cart: 95, cart-canary: 5}}"],
        ),
    ],
)
def test_the_weights_change_and_no_other_line(
    shift: Any, body: str, words: tuple[str, ...], changed: list[str]
) -> None:
    """Comments say why a route is there, and a reviewer reads the diff."""
    code, lines, output, file = shift(body, *words)
    assert code == DONE, output
    assert lines == changed
    assert f"+++ {file.name}" in output
    config = load.from_file(file)
    service = config.traffic.services["shop/cart"]
    given = [r for p in service.ports for r in p.routes if len(r.to) > 1]
    assert all(sum(route.to.values()) == 100 for route in given)


@pytest.mark.parametrize(
    ("body", "words", "code", "told"),
    [
        (FLOW, ("--to", "cart-canary=60,cart=60"), BAD_INPUT, "the weights make 120, and not 100"),
        (FLOW, ("--to", "cart=50,cart-canary=40"), BAD_INPUT, "the weights make 90, and not 100"),
        (FLOW, ("--to", "cart-canary"), BAD_INPUT, "write SERVICE=PER_CENT"),
        (FLOW, ("--to", "cart-canary=101"), BAD_INPUT, "write SERVICE=PER_CENT"),
        (FLOW, ("--to", "Cart=10"), BAD_INPUT, "--to "),
        (FLOW, ("--to", "cart=1,cart=2"), BAD_INPUT, "is given twice"),
        (FLOW, ("--to", "cart-canary=5"), REFUSED, "has these weights already"),
        (FLOW, ("--route", "bet", "--to", "cart=5"), BAD_INPUT, "no such route; known: beta, all"),
        (
            FLOW,
            ("--port", "1", "--to", "cart=5"),
            BAD_INPUT,
            "no such port in traffic; known: 8080",
        ),
        (
            FLOW.replace("cart-canary: 5}", "cart-canary: 3, cart-next: 2}"),
            ("--to", "cart-canary=20"),
            BAD_INPUT,
            "cart, cart-next of route 'all' of shop/cart would share the other 80",
        ),
        (
            "        delivery: argo\n" + FLOW.replace(f"          {BETA}  # dark launch\n", ""),
            ("--to", "cart-canary=20"),
            REFUSED,
            "delivery argo: Argo Rollouts moves its weights",
        ),
        (
            "        delivery: flagger\n",
            ("--to", "cart-canary=20"),
            REFUSED,
            "delivery flagger: Flagger makes its route",
        ),
        (
            FLOW,
            ("--to", "cart-canary=20", "--service", "shop/card"),
            BAD_INPUT,
            "not in traffic.services; did you mean 'shop/cart'?",
        ),
        (FLOW, ("--to", "cart=80,away/cart=20"), BAD_INPUT, "Pulumi.staging.yaml:"),
    ],
)
def test_what_cannot_be_shifted_leaves_the_file(
    shift: Any, body: str, words: tuple[str, ...], code: int, told: str
) -> None:
    """Weights that others move would be overwritten by them, or theirs by us."""
    ended, lines, output, _ = shift(body, *words)
    assert (ended, lines) == (code, []), output
    assert told in output


def test_a_dry_run_writes_nothing(shift: Any) -> None:
    """The diff alone can be looked at."""
    code, lines, output, _ = shift(FLOW, "--to", "cart-canary=20", "--dry-run")
    assert (code, lines) == (DONE, [])
    assert "+          - {name: all, path: /, to: {cart: 80, cart-canary: 20}}" in output


def test_a_jump_is_told_before_a_reviewer_finds_it(shift: Any) -> None:
    """From 5 to 100 per cent is no canary; the risk of the preview is high for it."""
    _, _, output, _ = shift(FLOW, "--to", "cart-canary=100")
    assert "one backend gets 95 points of a hundred more" in output
    _, _, output, _ = shift(FLOW, "--to", "cart-canary=20")
    assert "points of a hundred more" not in output


def test_the_change_as_a_document(shift: Any) -> None:
    """For a pipeline that opens the pull request."""
    code, _, output, file = shift(FLOW, "--to", "cart-canary=20", "--json")
    document = json.loads(output)
    assert code == DONE
    assert document["after"] == {"cart": 80, "cart-canary": 20}
    assert (document["file"], document["route"]) == (file.name, "all")
    assert document["diff"].startswith(f"--- {file.name}")


def test_line_ends_and_ciphertext_stay_as_they_are(context: Any, tmp_path: Path) -> None:
    """A file of Windows would be a diff of every line, and a masked secret is lost."""
    context.project(tmp_path)
    file = stack_file(tmp_path, f"        port: 8080\n{BLOCK}")
    secret = "v1:" + "Zm9vYmFyYmF6:" + "x" * 40
    text = f"encryptionsalt: {secret}\n{file.read_text(encoding='utf-8')}".replace("\n", "\r\n")
    file.write_bytes(text.encode())
    words = ("--stack", "staging", "--service", "shop/cart", "--to", "cart-next=1,cart=99")
    assert main(["traffic", "shift", *words]) == DONE
    wanted = text.replace("cart: 95", "cart: 99").replace("cart-canary: 5", "cart-canary: 0")
    lines = file.read_bytes().decode().split("\r\n")
    assert [each for each in lines if "cart-next" not in each] == wanted.split("\r\n")
    assert "              cart-next: 1" in lines
