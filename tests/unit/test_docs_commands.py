"""Every command in the documentation can be typed as it stands, and every link leads somewhere."""

from __future__ import annotations

import functools
import itertools
import re
import shlex
import sys
from pathlib import Path

import pytest

from tests.programs import ran

PROJECT = Path(__file__).resolve().parents[2]
PAGES = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md")])
OURS = ("bot", "sandbox", "stack", "tests")
# What we use of programs that are not ours: their subcommands, each with its options.
KNOWN: dict[str, dict[str, set[str]]] = {
    "pulumi": {
        "preview": {"-s"},
        "up": {"-s"},
        "login": set(),
        "stack init": set(),
        "stack output": {"--stack"},
        "config set": {"--secret", "--path"},
        "cancel": {"--stack"},
    },
    "kubectl": {
        "config view": {"--context", "--raw", "--minify", "--flatten", "-o"},
        "create token": {"--context"},
        "get": {"--context", "-n", "--raw", "--all-namespaces"},
        "describe": {"-n"},
        "logs": {"-n", "--selector", "--container", "--prefix", "--tail"},
        "port-forward": {"-n"},
        "wait": {"-n", "--for", "--timeout"},
        "delete secret": {"-n"},
        "delete crd": set(),
        "label namespace": {"--overwrite"},
        "rollout restart": {"-n"},
        "rollout status": {"-n", "--timeout"},
    },
    "vault": {
        "policy write": set(),
        "secrets enable": {"-path"},
        "secrets tune": {"-max-lease-ttl"},
        "write": {"-field"},
        "policy delete": set(),
        "token create": {"-policy", "-ttl", "-field"},
        "read": set(),
        "list": set(),
        "kv put": {"-mount"},
        "status": set(),
        "operator unseal": set(),
    },
    "linkerd": {"check": {"--context"}},
    "amtool": {
        "config routes test": {"--alertmanager.url"},
        "alert add": {"--alertmanager.url", "--annotation"},
        "alert query": {"--alertmanager.url"},
        "silence add": {"--alertmanager.url", "--author", "--comment", "--duration"},
        "silence query": {"--alertmanager.url"},
    },
    "gcloud": {"container clusters update": {"--location", "--workload-policies"}},
    "oc": {
        "adm policy add-scc-to-group": set(),
        "adm policy add-scc-to-user": {"-z", "-n"},
    },
    "cmctl": {"renew": {"-n"}},
    "cut": {"": {"-d.", "-f2"}},
    "tr": {"": set()},
    "base64": {"": {"-d"}},
    "pre-commit": {"install": set()},
    "rm": {"": set()},
    "sed": {"": {"-i.bak"}},
    "sh": {"": {"-eu"}},
    "sleep": {"": set()},
    ".": {"": set()},
}


def commands() -> list[tuple[str, str]]:
    """Each line of each `sh` block, with its page."""
    return [
        (str(page.relative_to(PROJECT)), line)
        for page in PAGES
        for block in re.findall(
            r"^ *```sh\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE
        )
        for line in map(str.strip, block.splitlines())
        if line and not line.startswith("#")
    ]


def mentioned() -> list[tuple[str, str]]:
    """What stands between backticks and is a command of ours; NAME and <name> are a stack here."""
    found = []
    for page in PAGES:
        text = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
        for words in re.findall(r"`((?:make|python -m|bot) [^`]+)`", text):
            line = re.sub(r"<\w+>|\bNAME\b", "staging", " ".join(words.split()))
            found.append((str(page.relative_to(PROJECT)), re.sub("^bot ", "python -m bot ", line)))
    return sorted(set(found))


def fault(line: str) -> str | None:
    """What is wrong with a command line; None when it can be typed."""
    for part in line.split(" | "):
        words = shlex.split(part)
        if words[0] == "make":
            found = _make_fault(words[1:])
        elif words[:2] == ["python", "-m"]:
            found = _module_fault(words[2], words[3:])
        else:
            found = _known_fault(words)
        if found:
            return found
    return None


def _make_fault(words: list[str]) -> str | None:
    makefile = (PROJECT / "Makefile").read_text()
    for word in words:
        name, is_setting, _ = word.partition("=")
        if is_setting and not re.search(rf"\b{name}\b", makefile):
            return f"the Makefile knows no {name}"
        if not is_setting and not re.search(rf"^{name}:.*## ", makefile, re.MULTILINE):
            return f"there is no target {name}"
    return None


def _module_fault(module: str, words: list[str]) -> str | None:
    if module.split(".")[0] not in (*OURS, "pytest", "ruff"):
        return f"{module} is no module of ours"
    if absent := [
        w for w in words if "/" in w and module == "pytest" and not (PROJECT / w).exists()
    ]:
        return f"{absent[0]} is not there"
    subcommand = words[0] if words and not words[0].startswith("-") else ""
    text = _help(module, subcommand)
    if text is None:
        return f"python -m {module} {subcommand} has no --help"
    unknown = [w for w in words if w.startswith("-") and not re.search(rf"{w}\b", text)]
    stacks = [v for w, v in itertools.pairwise(words) if w == "--stack"]
    missing = [name for name in stacks if not (PROJECT / f"Pulumi.{name}.yaml").is_file()]
    return f"python -m {module} {subcommand}: {unknown + missing}" if unknown + missing else None


@functools.cache
def _help(module: str, subcommand: str) -> str | None:
    words = [subcommand] if subcommand else []
    done = ran(
        [sys.executable, "-m", module, *words, "--help"],
        cwd=PROJECT,
    )  # fmt: skip
    return done.stdout if done.returncode == 0 else None


def _known_fault(words: list[str]) -> str | None:
    program, rest = words[0], words[1:]
    if program not in KNOWN:
        return f"{program} is no program that the page says one needs"
    options = {word.split("=")[0] for word in rest if word.startswith("-") and word != "-"}
    for subcommand, known in KNOWN[program].items():
        if f" {subcommand}" in f" {' '.join(rest)}" and options <= known:
            return None
    return f"{program}: no such subcommand, or an option it has not: {' '.join(rest)}"


@pytest.mark.parametrize(("page", "line"), [*commands(), *mentioned()])
def test_a_command_can_be_typed_as_it_stands(page: str, line: str) -> None:
    """A page whose command fails is worse than no page."""
    assert fault(line) is None, page


@pytest.mark.parametrize(
    "line",
    [
        "make sandbocks",
        "make charts CHARTS_PLACE=/tmp",
        "python -m bot upp --stack staging",
        "python -m bot up --stack nowhere",
        "python -m bot up --stack staging --force",
        "pulumi stack init staging --secret",
        "kubectl drain node",
        "curl https://example.com",
        "make plan | kubectl drain node",
        "python -m pytest tests/unit/test_nothing.py",
        "python -m pip install pulumi",
    ],
)
def test_a_wrong_command_is_found(line: str) -> None:
    """The check itself must bite."""
    assert fault(line) is not None


def test_the_readme_has_the_two_commands() -> None:
    """Whoever opens the repository sees them first."""
    lines = [line for page, line in commands() if page == "README.md"]
    assert lines[:2] == ["make sandbox", "make test"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_a_link_leads_to_a_file_and_heading_that_are_there(page: Path) -> None:
    """Files get renamed; the links to them do not by themselves."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.is_file(), target
        headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
        slugs = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
        assert not anchor or anchor in slugs, target


def test_every_page_is_linked_from_an_overview() -> None:
    """A page that nobody links is a page that nobody reads."""
    overviews = [PROJECT / "README.md", PROJECT / "docs/README.md"]
    overviews.append(PROJECT / "docs/components/README.md")
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in overviews
        for target in re.findall(r"\]\(([^)\s]+\.md[^)\s]*)\)", page.read_text())
        if not target.startswith("https://")
    }
    assert set(PAGES) - linked <= set(overviews)


def test_no_page_leaves_something_to_do() -> None:
    """What is not written yet is an issue, not a mark in a page."""
    for page in PAGES:
        assert not re.search(r"\b(TODO|FIXME|XXX|TBD)\b", page.read_text()), page
