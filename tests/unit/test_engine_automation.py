"""The Automation API under control: one run of the engine each, no secret read, nothing lost."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pulumi
import pytest
import yaml
from pulumi.runtime import config as pulumi_config
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from bot import engine, stacks
from bot.clients import environment
from bot.clients.target import Target
from bot.engine import automation, program, program_server
from bot.exit_codes import BotError
from bot.plan.mock.engine import evaluate, run_program
from bot.plan.mock.monitor import RecordingMonitor
from stack.load import from_file
from tests.programs import ran
from tests.unit import fake_engine
from tests.unit.context import Context
from tests.unit.stack_files import REPO

_CALLS = """
with open("calls", "a") as file:
    file.write(json.dumps([args, {k: v for k, v in os.environ.items()}]) + "\\n")
if args[0] == "stack" and args[1] == "history":
    print(json.dumps([dict(kind="update", startTime="2026-11-28T10:00:00.000Z", message="m",
                           environment={}, config={}, result="succeeded")]))
elif args[0] == "stack" and args[1] == "export":
    print(json.dumps(dict(version=3, deployment=dict(resources=[]))))
else:
    summary()
"""


def calls(folder: Path) -> list[list[str]]:
    """The arguments of each run of the engine."""
    return [json.loads(line)[0] for line in (folder / "calls").read_text().splitlines()]


@pytest.mark.parametrize(
    ("operation", "options", "words"),
    [
        ("preview", {}, ["--suppress-outputs"]),
        ("preview", {"refresh": True}, ["--refresh"]),
        ("up", {"message": "a\n\nB: c"}, ["--yes", "--skip-preview", "--message", "a\n\nB: c"]),
        ("up", {"target": ["urn:a", "urn:b"]}, ["--target", "urn:a", "--target", "urn:b"]),
        ("refresh", {}, ["--yes", "--skip-preview"]),
        ("refresh", {"preview_only": True}, ["--preview-only"]),
        ("destroy", {"exclude_protected": True}, ["--yes", "--exclude-protected"]),
        ("destroy", {"preview_only": True}, ["--preview-only"]),
    ],
)
def test_an_operation_is_one_run_of_the_engine_that_reads_no_secret(
    tmp_path: Path, operation: str, options: dict[str, Any], words: list[str]
) -> None:
    """The API by itself runs up to five, two of them with --show-secrets, and selects the stack."""
    found, where = fake_engine.engine(tmp_path, _CALLS), fake_engine.target(tmp_path)
    assert engine.run(found, where, operation, **options).ok
    (ran,) = calls(tmp_path)
    assert ran[0] == operation
    joined = " ".join(ran)
    assert " ".join(words) in joined or all(word in ran for word in words)
    assert "--show-secrets" not in ran
    assert ran[ran.index("--stack") + 1] == "trust"
    if "--preview-only" in ran:
        assert not {"--yes", "--skip-preview"} & set(ran)


def test_the_program_is_inline(tmp_path: Path) -> None:
    """Without `--client` the engine looks for a language host, and lists packages with it."""
    found, where = fake_engine.engine(tmp_path, _CALLS), fake_engine.target(tmp_path)
    for operation in ("preview", "up", "refresh", "destroy"):
        assert engine.run(found, where, operation).ok
    for words in calls(tmp_path):
        assert words[words.index("--exec-kind") + 1] == "auto.inline"
        assert sum(word.startswith("--client=127.0.0.1:") for word in words) == 1


def test_what_takes_moments_is_the_apis_too_and_reads_no_secret(tmp_path: Path) -> None:
    """`history` and `export_stack` show secrets unless they are told not to."""
    found, where = fake_engine.engine(tmp_path, _CALLS), fake_engine.target(tmp_path)
    with engine.opened(found, where) as stack:
        assert [each.result for each in stack.history(show_secrets=False)] == ["succeeded"]
        stack.cancel()
        stack.set_tag("a:b", "c")
    assert engine.exported(found, where) == {"version": 3, "deployment": {"resources": []}}
    assert not any("--show-secrets" in ran for ran in calls(tmp_path))


def test_a_command_that_hangs_is_ended_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backend that is away must not hold a job until CI ends it."""
    monkeypatch.setattr(automation, "SHORT_SECONDS", 0.5)
    found = fake_engine.engine(tmp_path, "time.sleep(30)")
    init = automation.EngineCommand.__init__
    monkeypatch.setattr(
        automation.EngineCommand, "__init__", lambda self, *a, **k: init(self, *a, timeout=0.5, **k)
    )
    with pytest.raises(BotError, match="pulumi stack did not end in"):
        engine.exported(found, fake_engine.target(tmp_path))


def test_the_names_of_the_automation_api_are_in_one_file() -> None:
    """Whoever knows Pulumi's automation examples looks for them, and for nothing else."""
    file = REPO / "bot" / "engine" / "automation.py"
    text = file.read_text()
    assert len(text.splitlines()) <= 200
    for name in ("LocalWorkspaceOptions", "PulumiCommand", "select_stack", "export_stack", "info"):
        assert name in text
    used = {each.attr for each in ast.walk(ast.parse(text)) if isinstance(each, ast.Attribute)}
    assert {"preview", "up", "refresh", "destroy", "preview_refresh", "preview_destroy"} <= used


# -- environment

_KEPT = (
    "PATH", "HOME", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "SSL_CERT_FILE", "KUBECONFIG",
    "KUBERNETES_SERVICE_HOST", "VAULT_TOKEN", "PULUMI_BACKEND_URL",
    "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_ACCESS_TOKEN",
    "AWS_PROFILE", "AWS_ROLE_ARN", "AZURE_TENANT_ID", "ARM_CLIENT_ID", "CLOUDSDK_CONFIG",
    "GOOGLE_APPLICATION_CREDENTIALS", "LC_ALL", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION",
)  # fmt: skip
_DROPPED = (
    "PULUMI_OPTION_CONFIG_FILE", "PULUMI_OPTION_CWD", "PULUMI_OPTION_TARGET",
    "PULUMI_OPTION_EXCLUDE", "PULUMI_OPTION_PLAN", "PULUMI_OPTION_POLICY_PACK",
    "PULUMI_SKIP_CHECKPOINTS", "PULUMI_PARALLEL", "PULUMI_CONFIG", "PULUMI_DEBUG_PROVIDERS",
    "PULUMI_K8S_DELETE_UNREACHABLE", "PULUMI_K8S_SKIP_UPDATE_UNREACHABLE",
    "PULUMI_K8S_ENABLE_PATCH_FORCE", "PULUMI_EXPERIMENTAL", "PULUMI_RUNTIME_VIRTUALENV",
    "PULUMI_PREFER_YARN", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "KUBECTL_OPTION_X",
    "VAULT_SKIP_VERIFY", "VAULT_NAMESPACE", "TERRAFORM_VAULT_MAX_TTL", "HELM_DRIVER", "LD_PRELOAD",
)  # fmt: skip
_SILENT = (
    "EDITOR", "GITHUB_SHA", "MY_OWN", "SHLVL", "PYTHONDONTWRITEBYTECODE", "VAULT_ADDR",
    "PYTHON_VERSION",
)  # fmt: skip


@pytest.mark.parametrize("name", _KEPT)
def test_what_a_deployment_needs_is_passed_on(tmp_path: Path, name: str) -> None:
    """Credentials of clouds are for exec programs of kubeconfigs, object stores, key services."""
    found = environment.of(fake_engine.target(tmp_path).environment, {name: "x"})
    assert found.values[name] == ("x" if "ACQUISITION" not in name else found.values[name])
    assert found.dropped == ()


@pytest.mark.parametrize("name", _DROPPED)
def test_what_would_change_the_result_unseen_is_dropped_and_named(
    tmp_path: Path, name: str
) -> None:
    """Each is a flag of the engine or of a provider that no review has seen."""
    found = environment.of(fake_engine.target(tmp_path).environment, {name: "x", "PATH": "/bin"})
    assert name not in found.values
    assert found.dropped == (name,)


@pytest.mark.parametrize("name", _SILENT)
def test_what_nobody_meant_for_the_engine_is_dropped_in_silence(tmp_path: Path, name: str) -> None:
    """A line for each variable of a shell would hide the one that matters."""
    found = environment.of(fake_engine.target(tmp_path).environment, {name: "x", "PATH": "/bin"})
    assert name not in found.values
    assert found.dropped == ()


def test_engine_and_program_see_the_same_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program runs in our process, where the SDK makes arguments of such variables."""
    monkeypatch.setenv("PULUMI_OPTION_TARGET", "urn:x")
    monkeypatch.setenv("PULUMI_K8S_DELETE_UNREACHABLE", "true")
    monkeypatch.setenv("MY_OWN", "x")
    found, where = fake_engine.engine(tmp_path, _CALLS), fake_engine.target(tmp_path)
    for _ in range(2):
        assert engine.run(found, where, "preview").ok
    seen = json.loads((tmp_path / "calls").read_text().splitlines()[0])[1]
    assert not {"PULUMI_OPTION_TARGET", "PULUMI_K8S_DELETE_UNREACHABLE", "MY_OWN"} & set(seen)
    assert "PULUMI_K8S_DELETE_UNREACHABLE" not in os.environ
    told = [line for line in capsys.readouterr().err.splitlines() if "not passed on" in line]
    assert len(told) == 1
    assert "PULUMI_K8S_DELETE_UNREACHABLE, PULUMI_OPTION_TARGET" in told[0]


def test_own_variables_of_a_target_come_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sandbox has a backend of its own, whatever the user's shell says."""
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://theirs")
    where = replace(fake_engine.target(tmp_path), environment={"PULUMI_BACKEND_URL": "file:///x"})
    assert environment.of(where.environment).values["PULUMI_BACKEND_URL"] == "file:///x"


# -- the program


def _evaluated(target: Target, config: dict[str, Any]) -> RecordingMonitor:
    """What the inline program registers where the engine hands it this config."""
    monitor = RecordingMonitor(True)
    values = {k: v if isinstance(v, str) else json.dumps(v) for k, v in config.items()}

    async def body() -> None:
        pulumi_config.set_all_config(values)
        await program.evaluate(target)

    run_program(body, monitor, target.stack)
    return monitor


def _config(stack: str) -> dict[str, Any]:
    return dict(yaml.safe_load((REPO / f"Pulumi.{stack}.yaml").read_text())["config"])


def test_the_inline_program_is_the_stacks() -> None:
    """What `pulumi up` evaluates from __main__.py and what the bot evaluates are one program."""
    where = Target("trust", REPO, from_file(REPO / "Pulumi.trust.yaml"), None, {})
    monitor = _evaluated(where, _config("trust"))
    assert any("TrustAnchor" in urn for urn in monitor.recorded)


_OF_A_TEAM = """\
import pulumi
from stack.program import run

async def program(config, charts):
    await run(config, charts, {project!r})
    pulumi.export("team", "ours")
"""


def test_what_a_team_adds_to_the_program_is_evaluated_by_the_bot_and_by_plans_too(
    tmp_path: Path, context: Context
) -> None:
    """Else `pulumi up` makes what the bot deletes."""
    for name in ("Pulumi.trust.yaml", "charts.yaml", "fleet.yaml"):
        shutil.copy(REPO / name, tmp_path)
    (tmp_path / "__main__.py").write_text(_OF_A_TEAM.format(project=str(tmp_path)))
    context.project(tmp_path)
    file = tmp_path / "Pulumi.trust.yaml"
    where = Target("trust", tmp_path, from_file(file), None, {})
    with program.served(where, {}) as served:
        assert served.inline is not None
    assert _evaluated(where, _config("trust")).exports["team"] == "ours"
    assert evaluate(file, tmp_path).exports["team"] == "ours"


def test_a_main_file_without_that_function_runs_in_a_process_of_its_own(
    tmp_path: Path, context: Context
) -> None:
    """It may be any program at all; what it registers is what is previewed and applied."""
    (tmp_path / "__main__.py").write_text("import pulumi\npulumi.export('a', 1)\n")
    context.project(tmp_path)
    with program.served(fake_engine.target(tmp_path), os.environ) as served:
        assert served.inline is None
        assert _answers(served.client)


def test_a_stack_file_that_changed_under_way_is_not_applied() -> None:
    """What was previewed, approved and compared is what the bot has read, and nothing else."""
    where = Target("trust", REPO, from_file(REPO / "Pulumi.trust.yaml"), None, {})
    other = _config("trust")
    other["linkerd-platform:vault"] = {**other["linkerd-platform:vault"], "pkiMount": "elsewhere"}
    with pytest.raises(pulumi.RunError, match="changed during the run"):
        _evaluated(where, other)


def test_faulty_config_is_told_without_a_traceback() -> None:
    """The API prints the traceback of anything but its own RunError."""
    where = Target("trust", REPO, from_file(REPO / "Pulumi.trust.yaml"), None, {})
    with pytest.raises(pulumi.RunError, match="did you mean 'address'"):
        _evaluated(where, {**_config("trust"), "linkerd-platform:vault": {"adress": "x"}})


def test_a_program_ends_with_its_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs in a thread that Python waits for: a killed engine would leave a bot that hangs."""
    began, ended = threading.Event(), threading.Event()

    async def waits(_target: Target) -> None:
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    monkeypatch.setattr(program, "evaluate", waits)
    with program.served(fake_engine.target(tmp_path), {}) as served:
        inline: Callable[[], Any] = served.inline  # type: ignore[assignment]

        def run() -> None:
            with contextlib.suppress(asyncio.CancelledError):
                asyncio.run(inline())

        thread = threading.Thread(target=run)
        thread.start()
        assert began.wait(5)
    assert ended.wait(5)
    thread.join(5)
    assert not thread.is_alive()


def _answers(address: str, seconds: float = 10.0) -> bool:
    with grpc.insecure_channel(address) as channel:
        try:
            stub = language_pb2_grpc.LanguageRuntimeStub(channel)
            grpc.channel_ready_future(channel).result(timeout=seconds)
            return bool(stub.About(language_pb2.AboutRequest(), timeout=seconds).executable)
        except grpc.FutureTimeoutError:
            return False


def test_the_program_of_another_folder_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    """Its modules have the names of ours: `stack` of a revision is not the `stack` of today."""
    (tmp_path / "__main__.py").write_text("")
    with program.served(fake_engine.target(tmp_path), os.environ) as served:
        assert served.inline is None
        assert _answers(served.client)
    assert not _answers(served.client, 1.0)


def test_a_program_that_ends_by_itself_says_why(tmp_path: Path) -> None:
    """The engine says no more than that it ended; the reason is what the program wrote."""
    file = tmp_path / "__main__.py"
    file.write_text("import sys\nprint('vault.adress: unknown key', file=sys.stderr)\nsys.exit(2)")
    with pytest.raises(pulumi.RunError, match=r"^vault\.adress: unknown key$"):
        program_server.evaluated(file)
    file.write_text("import sys\nsys.exit(0)")
    program_server.evaluated(file)


def test_that_process_ends_with_the_bot(tmp_path: Path) -> None:
    """Also where the bot is killed, which can stop nothing."""
    (tmp_path / "__main__.py").write_text("")
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom bot.engine import program\n"
        "from tests.unit import fake_engine\n"
        f"with program.served(fake_engine.target(Path({str(tmp_path)!r})), os.environ) as served:\n"
        "    print(served.client, flush=True)\n    os.kill(os.getpid(), 9)\n"
    )
    done = ran([sys.executable, "-c", script], cwd=REPO)
    address = done.stdout.strip()
    assert address
    deadline = time.monotonic() + 10
    while _answers(address, 0.5):
        assert time.monotonic() < deadline, "the program is still served"


def test_only_the_bots_own_project_is_inline() -> None:
    """A copy of the project has files that may differ from the modules that are loaded here."""
    assert stacks.PROJECT_DIR.resolve() == REPO.resolve()
    where = Target("trust", REPO, from_file(REPO / "Pulumi.trust.yaml"), None, {})
    with program.served(where, {}) as served:
        assert served.inline is not None
        assert served.client == ""
