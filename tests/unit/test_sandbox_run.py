"""`make sandbox` where something is missing: what can be shown is shown, and it says so."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bot import engine
from sandbox import providers, run, toolchain
from stack.charts import ChartError
from tests.unit.context import Context


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.parametrize(("strict", "code"), [(False, 0), (True, 3)])
def test_without_engine_the_plan_is_shown_and_both_ends_say_so(
    strict: bool, code: int, context: Context, capfd: pytest.CaptureFixture[str]
) -> None:
    """The first line is read before, the last after the scrolling; CI needs the exit code."""
    context.no_engine(engine.EngineMissing("pulumi is not on PATH: install it"))
    options = argparse.Namespace(context=None, strict=strict, ephemeral=False)
    assert run.run(options) == code
    lines = capfd.readouterr().out.splitlines()
    expected = "NOT DEPLOYED: pulumi is not on PATH: install it"
    assert (lines[0], lines[-1]) == (expected, expected)
    assert "Stack sandbox:" in "\n".join(lines[1:-1])


def test_unusable_context_is_a_bad_argument(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and one line: nothing was started, nothing is to be cleaned up."""
    monkeypatch.delenv("VAULT_TOKEN", raising=False)
    options = argparse.Namespace(context="nowhere", strict=False, ephemeral=False)
    assert run.run(options) == 2
    assert capsys.readouterr().err.startswith("sandbox: --context nowhere: ")


def test_the_cache_is_on_path_behind_everything_else_before_the_engine_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What the user installed comes first; what is said of downloads is not the first line."""
    seen: list[str] = []
    asked: list[str] = []

    def missing() -> engine.Engine:
        seen.extend(os.environ["PATH"].split(os.pathsep))
        raise engine.EngineMissing("pulumi is not on PATH: install it")

    def download(names: Sequence[str], progress: Callable[[str], None]) -> dict[str, Path]:
        asked.extend(names)
        progress("get.pulumi.com: no answer within 5 s; the next source is tried")
        return {}

    monkeypatch.setattr(engine, "find", missing)
    monkeypatch.setattr(toolchain, "download", download)
    monkeypatch.setattr(run, "plan_instead", lambda reason, _strict: print(reason) or 0)
    assert run.run(argparse.Namespace(context=None, strict=False, ephemeral=False)) == 0
    assert seen[-1] == str(tmp_path / "linkerd-platform" / "path")
    assert len(seen) > 1
    assert {"pulumi", "pulumi-resource-vault", "etcd", "vault"} <= set(asked)
    said = capfd.readouterr()
    assert said.out == "pulumi is not on PATH: install it\n"
    assert "get.pulumi.com: no answer" in said.err


@pytest.mark.parametrize("ours", [True, False], ids=["ours", "the user's"])
def test_an_engine_of_ours_without_plugins_is_no_engine(
    ours: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster would be started, and the deployment then fail; a user's engine fetches its own."""
    folder = toolchain.path_folder() if ours else tmp_path / "users"
    folder.mkdir(exist_ok=True)
    (folder / "pulumi").write_text("#!/bin/sh\necho v3.274.1\n")
    (folder / "pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setattr(toolchain, "path_folder", lambda: tmp_path / "linkerd-platform" / "path")
    missing = "pulumi-resource-kubernetes"
    monkeypatch.setattr(toolchain, "find", lambda name: None if name == missing else Path(name))
    reasons: list[str] = []
    monkeypatch.setattr(run, "plan_instead", lambda reason, _strict: reasons.append(reason) or 0)

    def no_charts() -> None:
        raise ChartError("no charts here")

    monkeypatch.setattr(run, "_charts_ready", no_charts)
    assert run.run(argparse.Namespace(context=None, strict=False, ephemeral=False)) == 0
    [reason] = reasons
    if ours:
        assert reason.startswith(f"{missing}: not on PATH and not downloaded. ")
    else:
        assert reason == "no charts here"


@pytest.mark.parametrize(
    ("absent", "said"),
    [
        ((), None),
        (("vault",), "STAND-INS for pulumi-resource-vault, "),
        (("random", "vault"), "STAND-INS for pulumi-resource-random and pulumi-resource-vault, "),
    ],
    ids=["plugins", "one", "none"],
)
def test_stand_ins_are_used_for_what_is_missing_alone_and_both_ends_say_so(
    absent: Sequence[str],
    said: str | None,
    tmp_path: Path,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Who has a plugin gets it, and who has none must know that this is the sandbox's own way."""
    providers.place(tmp_path, ["random", "vault"])
    missing = [f"pulumi-resource-{name}" for name in absent]
    monkeypatch.setattr(run, "PROJECT", tmp_path)
    monkeypatch.setattr(toolchain, "download", lambda *_: {})
    monkeypatch.setattr(toolchain, "find", lambda name: None if name in missing else Path(name))
    context.engine()
    monkeypatch.setattr(run, "_charts_ready", lambda: None)

    def deployed(*_: object) -> int:
        placed = (tmp_path / ".sandbox" / "plugins").iterdir()
        assert sorted(file.name for file in placed) == missing
        print("deployed and proven")
        return 0

    monkeypatch.setattr(run, "_on_embedded", deployed)
    assert run.run(argparse.Namespace(context=None, strict=True, ephemeral=False)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == lines[-1]
    assert lines[0].startswith(said or "deployed and proven")
