"""The Buoyant Cloud agent in `bot status`: credentials from the real Vault by the real operator.

The agent's chart is not public: one of ours with the same objects stands for it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.clients import vault as vault_client
from bot.engine import sandbox_stack
from bot.exit_codes import DONE, REFUSED
from sandbox import toolchain
from stack.charts import cache_dir
from tests.charts.buoyant import package
from tests.e2e.project import Copy
from tests.e2e.runbook import blocks
from tests.e2e.test_status import MERGE, status, until
from tests.programs import ran

pytestmark = pytest.mark.e2e
VERSION = "0.40.6"
PAGE = "buoyant-cloud.md"
ENTRY = "/v1/linkerd/kv/data/buoyant-cloud"
NAMESPACE = "/apis/apps/v1/namespaces/linkerd-buoyant"
SUBJECT = "buoyant-cloud"


@pytest.fixture(scope="module")
def agent(mesh: tuple[Copy, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """The sandbox with the agent, its stand-in among the archives; afterwards it is as before."""
    copy = mesh[0]
    file = copy.folder / sandbox_stack.TRACKED
    tracked = file.read_text(encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHARTS_DIR", str(charts(tmp_path_factory.mktemp("charts"))))
        try:
            credentials(copy, "an-id", "a-secret")
            document = yaml.safe_load(tracked)
            document["config"]["linkerd-platform:buoyantCloud"] = {"enabled": True}
            file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
            up(copy)
            yield copy
        finally:
            file.write_text(tracked, encoding="utf-8")
            # The namespace and the right to read the entry go with the agent.
            up(copy, "--allow", "namespace", "--allow", "anchor")


def charts(folder: Path) -> Path:
    """The archives of this machine, and the stand-in."""
    for file in cache_dir().iterdir():
        if file.is_file() and not file.name.startswith("linkerd-buoyant-"):
            (folder / file.name).symlink_to(file)
    package(folder, VERSION)
    return folder


def up(copy: Copy, *words: str) -> None:
    """Apply the stack file."""
    done = copy.run("bot", "up", "--stack", "sandbox", "--yes", *words)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def credentials(copy: Copy, client_id: str, client_secret: str) -> None:
    """Write the entry in Vault."""
    with vault_client.connected(copy.target) as client:
        data = {"client_id": client_id, "client_secret": client_secret}
        assert client.request("POST", ENTRY, {"data": data}).ok


def own(document: dict[str, Any]) -> dict[str, str]:
    """The state of each line about the agent."""
    found = [each for each in document["checks"] if each["subject"] == SUBJECT]
    return {each["check"].partition("/")[2]: each["state"] for each in found}


def test_an_agent_with_its_credentials_is_healthy(agent: Copy) -> None:
    """From Vault by External Secrets into a Secret, and from there into the agent."""
    code, document = until(agent, set())
    assert code == DONE
    names = ("namespace", "synced", "credentials", "metadata", "agent", "metrics", "version")
    assert own(document) == dict.fromkeys(names, "ok")
    assert "a-secret" not in json.dumps(document)


def test_an_agent_that_does_not_run_is_named(agent: Copy) -> None:
    """The portal shows it as away without a reason; here the page to go on with is named."""
    path = f"{NAMESPACE}/deployments/buoyant-cloud-agent"

    def scale(replicas: int) -> None:
        patch = {"spec": {"replicas": replicas}}
        assert agent.api.request("PATCH", path, patch, content_type=MERGE).ok

    scale(0)
    try:
        code, document = until(agent, {"buoyant-cloud/agent"})
    finally:
        scale(1)
    assert code == REFUSED
    (line,) = [each for each in document["checks"] if each["state"] == "fail"]
    assert line["next"] == f"docs/runbooks/{PAGE}"
    until(agent, set())


def test_credentials_that_are_empty_are_found(agent: Copy) -> None:
    """The operator syncs an empty text as well as any other, and calls that ready."""
    path = "/apis/external-secrets.io/v1/namespaces/linkerd-buoyant/externalsecrets/"
    path += "buoyant-cloud-org-credentials"

    def synced(mark: str) -> None:
        patch = {"metadata": {"annotations": {"force-sync": mark}}}
        assert agent.api.request("PATCH", path, patch, content_type=MERGE).ok

    credentials(agent, "an-id", "")
    try:
        synced("empty")
        code, document = until(agent, {"buoyant-cloud/credentials"})
    finally:
        credentials(agent, "an-id", "a-secret")
        synced("whole")
    assert code == REFUSED
    assert own(document)["synced"] == "ok"
    until(agent, set())


def test_the_commands_of_the_page_run_as_written(agent: Copy, tmp_path: Path) -> None:
    """But for the log of an agent, whose pod is simulated: it has none."""
    settings = agent.settings
    (tmp_path / "vault").symlink_to(toolchain.ensure(["vault"])["vault"])
    path = os.pathsep.join([str(tmp_path), str(Path(sys.prefix) / "bin"), os.environ["PATH"]])
    environment = {
        **agent.environment(),
        **agent.target.environment,
        "PATH": path,
        "KUBECONFIG": str(settings.kubeconfig),
        "VAULT_ADDR": settings.vault_addr,
        "VAULT_CACERT": str(settings.pki_dir / "vault-ca.crt"),
    }
    script = [
        line
        for block in blocks(PAGE)
        if block.heading == "Is the agent healthy"
        for line in block.text.replace("--stack staging", "--stack sandbox").splitlines()
        if " logs " not in line
    ]
    assert len(script) == 5
    done = ran(
        ["bash", "-euo", "pipefail", "-c", "\n".join(script)],
        cwd=agent.folder, env=environment, input="a-new-secret",
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "buoyant-cloud   ok       7 of 7 hold" in done.stdout
    assert "deployment.apps/buoyant-cloud-agent restarted" in done.stdout
    assert status(agent, "--no-linkerd-check")[0] in (DONE, REFUSED)
    until(agent, set())
