"""What a run of the engine is pointed at: the stack, its file, the environment it runs in."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from bot import stacks
from bot.clients.target import Target
from bot.exit_codes import BadInputError, MissingToolError
from bot.text.output import write_private
from schema import safe_yaml
from schema.input_file import read_text
from stack import load

SANDBOX = "sandbox"
SANDBOX_DIR = ".sandbox"
# Stand-ins for plugins, where the sandbox has needed some (sandbox/providers).
STANDINS_DIR = f"{SANDBOX_DIR}/plugins"
_PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"  # noqa: S105  (the variable's name)


def of(stack: str, project_dir: Path | None = None) -> Target:
    """The target of a stack, with its file validated.

    Raises BadInputError (no such stack, no passphrase), ConfigError (faulty file) and, for the
    sandbox, MissingToolError when it does not run.
    """
    project_dir = project_dir or stacks.PROJECT_DIR
    file = stacks.file_of(stacks.deployable(stack), project_dir)
    if stack == SANDBOX:
        from bot.engine import sandbox_stack

        text = sandbox_stack.content(project_dir)
        own = sandbox_stack.chosen(project_dir)
        elsewhere = own is not None and not own.own_vault
        return sandbox(project_dir, text, {} if elsewhere else embedded_token(project_dir))
    config = load.from_file(file)
    document = safe_yaml.load(read_text(file))
    given = any(os.environ.get(name) is not None for name in (_PASSPHRASE, f"{_PASSPHRASE}_FILE"))
    if "encryptionsalt" in document and not given:
        raise BadInputError(
            f"{file.name}: encryptionsalt: the stack's secrets are encrypted with a passphrase; "
            f"set {_PASSPHRASE} or {_PASSPHRASE}_FILE"
        )
    return Target(stack, project_dir, config, None, {})


def sandbox(project_dir: Path, stack_file: str, environment: Mapping[str, str]) -> Target:
    """The sandbox stack with the content of its file, which may be another than the tracked one.

    State, passphrase and the stack file that the engine writes to lie in `.sandbox/`: the tracked
    file stays as it is. `environment` has the token for Vault.
    """
    folder = project_dir / SANDBOX_DIR / "stack"
    state = project_dir / SANDBOX_DIR / "state"
    for each in (folder, state):
        each.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copyfile(project_dir / "Pulumi.yaml", folder / "Pulumi.yaml")
    file = folder / f"Pulumi.{SANDBOX}.yaml"
    salt = _salt(file)
    write_private(file, f"{stack_file.rstrip()}\n{salt}")
    # Paths in a stack file are relative to the project, which is where the engine runs.
    config = load.from_file(file, project_dir=project_dir)
    return Target(
        SANDBOX,
        project_dir,
        config,
        file,
        {
            "PULUMI_BACKEND_URL": state.resolve().as_uri(),
            _PASSPHRASE: _passphrase(project_dir / SANDBOX_DIR / "passphrase"),
            **_standins_on_path(project_dir / STANDINS_DIR),
            **environment,
        },
        creates=True,
    )


def _standins_on_path(folder: Path) -> dict[str, str]:
    """The folder of stand-ins behind all others on PATH, where it has any."""
    if not any(folder.glob("pulumi-resource-*")):
        return {}
    return {"PATH": os.pathsep.join((os.environ.get("PATH", os.defpath), str(folder.resolve())))}


def embedded_token(project_dir: Path) -> dict[str, str]:
    """The environment in which the engine may manage the embedded Vault; it never is printed."""
    token = project_dir / SANDBOX_DIR / "vault" / "root-token"
    try:
        return {"VAULT_TOKEN": token.read_text().strip()}
    except FileNotFoundError:
        raise MissingToolError(
            "the sandbox is not running: start it with `make sandbox` (python -m sandbox run)"
        ) from None


def _salt(file: Path) -> str:
    lines = file.read_text().splitlines() if file.exists() else []
    return "".join(f"{line}\n" for line in lines if line.startswith("encryptionsalt:"))


def _passphrase(file: Path) -> str:
    if not file.exists():
        write_private(file, secrets.token_urlsafe(32))
    return file.read_text().strip()
