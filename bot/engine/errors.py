"""The engine's and the providers' errors in words: what it is, and what to do next."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.engine.process_start import start_time
from bot.text.durations import duration

NO_STACK = re.compile(r"no stack named '[^']+' found")
# How the kubernetes provider begins: the resource is named beside the reason already.
_WRAPPED = re.compile(r'resource "urn:[^"]*" (?=was (not )?successfully)')
_FILLER = re.compile(r"^\d+ errors? occurred:$")
_FOLLOWS = re.compile(
    r"the client connection is closing|grpc_error_to_exception|"
    r"^(update|preview|destroy|refresh) (failed|canceled)$|program exited with non-zero exit code|"
    r"resource monitor shut down"
)
# pulumi pkg/backend/diy/lock.go
_LOCKED = re.compile(r"currently locked by \d+ lock")
_LOCK = re.compile(
    r"created by (?P<user>\S+)@(?P<host>\S+) \(pid (?P<pid>\d+)\) at (?P<at>\S+)",
)


@dataclass(frozen=True)
class Lock:
    """Who holds a stack. `age` in seconds."""

    user: str
    host: str
    pid: int
    age: float

    @property
    def stale(self) -> bool:
        """True when its process was of this machine and is gone: nothing will ever release it."""
        return self.host == socket.gethostname() and start_time(self.pid) is None

    def __str__(self) -> str:
        state = ", which is gone" if self.stale else ""
        return f"{self.user}@{self.host}, process {self.pid}{state}, for {duration(self.age)}"


def locks(text: str, now: datetime | None = None) -> list[Lock]:
    """The locks that the engine reports; empty when the stack is not locked."""
    if not _LOCKED.search(text):
        return []
    now = now or datetime.now(UTC)
    found = []
    for match in _LOCK.finditer(text):
        since = datetime.fromisoformat(match["at"].rstrip(".,").replace("Z", "+00:00"))
        age = max(0.0, (now - since).total_seconds())
        found.append(Lock(match["user"], match["host"], int(match["pid"]), age))
    return found


@dataclass(frozen=True)
class Reason:
    """One cause: how it is recognised, what it is, what to do. `{stack}` is put in."""

    pattern: re.Pattern[str]
    what: str
    next_step: str


def _reason(pattern: str, what: str, next_step: str) -> Reason:
    return Reason(re.compile(pattern, re.IGNORECASE), what, next_step)


# The first that matches is taken: the particular before the general.
REASONS = (
    _reason(
        r"performing HTTP request|unable to open (state directory|bucket)|could not list bucket",
        "the state backend does not answer",
        "check PULUMI_BACKEND_URL and its credentials (`pulumi whoami -v`), then run again",
    ),
    _reason(
        r"failed to load checkpoint: .*(EOF|unexpected end|invalid character)",
        "a crash left the state file incomplete",
        "run `python -m bot up --stack {stack}`: it uses the previous state if that is complete",
    ),
    _reason(
        r"chart archives missing",
        "charts of charts.yaml are not in the cache",
        "run `make charts`, then run again",
    ),
    _reason(
        r"vault is sealed",
        "Vault is sealed",
        "unseal Vault (`vault operator unseal`), then run the command again: it resumes where "
        "this run stopped",
    ),
    _reason(
        r"no secret found at .*/anchors/|no certificate in Vault at anchors/",
        "a generation of the trust anchor is not in Vault",
        "run its owner first (`python -m bot up --stack trust`), or list in `trust.generations` "
        "only what it has published",
    ),
    _reason(
        r"vault.*permission denied|permission denied.*vault|Code: 403.*v1/|/v1/\S*\s+Code: 403",
        "Vault refused the token",
        "set VAULT_TOKEN to a token that may manage the mounts of this stack, then run again",
    ),
    _reason(
        r"failed to configure new Vault client|no vault token found|missing client token",
        "no token for Vault",
        "set VAULT_TOKEN, or log in with `vault login`, then run again",
    ),
    _reason(
        r"lookup-self|/v1/\S* .*(connection refused|no such host|i/o timeout)|vault.*connection "
        r"refused",
        "Vault does not answer",
        "check `vault.address` in the stack file and that Vault runs (`vault status`), then run "
        "again",
    ),
    _reason(
        r"the server has asked for the client to provide credentials",
        "the Kubernetes API server refused the credentials",
        "log in to the cluster again, then run again",
    ),
    _reason(
        r"configured Kubernetes cluster is unreachable|unreachable: unable to load schema|"
        r"dial tcp \S+: connect: connection refused",
        "the Kubernetes API server does not answer",
        "check the context with `kubectl cluster-info`, then run again",
    ),
    _reason(
        r"unable to load (the )?kubeconfig|no configuration has been provided|context .* does not "
        r"exist",
        "no usable kubeconfig",
        "check `cluster.kubeconfig` and `cluster.context` in the stack file, or KUBECONFIG",
    ),
    _reason(
        r"already exists|path is already in use",
        "it exists already, but not in the state",
        "a killed run may have created it: run `python -m bot up --stack {stack}` again; "
        "otherwise import it or delete it",
    ),
    _reason(
        r"cannot be deleted because it is protected|is protected",
        "it is protected",
        "a protected resource is deleted only by `python -m bot destroy --include-protected`",
    ),
    _reason(
        r"conflicts? with .*field manager|Apply failed with \d+ conflict|field conflict",
        "another field manager owns a field of the object",
        "find it with `kubectl get ... --show-managed-fields`, and leave the field to one owner",
    ),
    _reason(
        r"timed? ?out waiting|context deadline exceeded|timeout.*awaiting|"
        r"failed to (fully initialize or )?become live|was not successfully created",
        "it did not become ready in time",
        "see its events (`kubectl describe`), then run again: ready objects are kept",
    ),
    _reason(
        r"no resource plugin|failed to load plugin|could not load plugin",
        "a provider's plugin is missing",
        "install it with `pulumi plugin install`, or put its program on PATH",
    ),
    _reason(
        r"incorrect passphrase|passphrase must be set",
        "the passphrase of the stack's secrets is missing or wrong",
        "set PULUMI_CONFIG_PASSPHRASE, or PULUMI_CONFIG_PASSPHRASE_FILE, then run again",
    ),
    _reason(
        r"PULUMI_ACCESS_TOKEN must be set|not logged in|pulumi login",
        "the engine is not logged in to a state backend",
        "set PULUMI_BACKEND_URL or run `pulumi login`, then run again",
    ),
)
_GENERAL = "see the reason above; run `python -m bot up --stack {stack}` again once it is fixed"


def explain(texts: Iterable[str], stack: str) -> tuple[str | None, str]:
    """What the errors come down to, if it is a known cause, and the next step."""
    whole = "\n".join(texts)
    for reason in REASONS:
        if reason.pattern.search(whole):
            return reason.what, reason.next_step.replace("{stack}", stack)
    return None, _GENERAL.replace("{stack}", stack)


def first_line(text: str, limit: int = 300) -> str:
    """An error in one line, cut to `limit`: without filler, of a traceback the last line."""
    lines = [line.strip(" *\t") for line in _WRAPPED.sub("", text).splitlines()]
    lines = [line for line in lines if line and not _FILLER.search(line)]
    if any(line.startswith("Traceback") for line in lines):
        lines = lines[-1:]
    chosen = " ".join(lines) or "no reason given"
    return chosen if len(chosen) <= limit else f"{chosen[: limit - 1]}…"


def follows(text: str) -> bool:
    """True for an error that only says that another one happened."""
    return bool(_FOLLOWS.search(text))


def stderr_errors(text: str) -> list[str]:
    """The errors on the engine's standard error, each as one text; its own prefix is left out."""
    found: list[str] = []
    for line in text.splitlines():
        if line.startswith("error: "):
            found.append(line.removeprefix("error: "))
        elif found and line.startswith((" ", "\t")):
            found[-1] += f"\n{line}"
    return found
