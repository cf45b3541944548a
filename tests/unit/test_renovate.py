"""renovate.json reads every pin of the tree: one that nothing reads would grow old unseen."""

from __future__ import annotations

import ast
import functools
import json
import os
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from sandbox.tools import TOOLS

PROJECT = Path(__file__).resolve().parents[2]
CONFIG = json.loads((PROJECT / "renovate.json").read_text())
# What config:recommended leaves out unless `ignorePaths` says otherwise.
IGNORED = {"node_modules", "bower_components", "vendor", "examples", "test", "tests"}
# The versions are those of setup-python and of pulumi/actions.
_ACTIONS = (
    r"\s*(- )?(uses: [\w-]+/[\w./-]+@([0-9a-f]{40} # v[0-9.]+|v[0-9.]+)"
    r"|runs-on: (ubuntu|macos|windows)-[0-9][\w.-]*|(python|pulumi)-version: \"?[0-9.]+\"?)$"
)
# Of each manager of Renovate's own: the files that it looks at, and the lines that it reads there
# (its lib/modules/manager; compared with `renovate --platform=local --dry-run=extract`, 44.121).
MANAGERS = {
    "pip_requirements": (
        r"(^|/)[\w-]*requirements([-._]\w+)?\.(txt|pip)$",
        r"[A-Za-z0-9][\w.-]*(\[[^\]]+\])?\s*==\s*[\w.!+-]+\s*(;.*|#.*|\\)?$",
    ),
    "pep621": (r"(^|/)pyproject\.toml$", r".*\"[A-Za-z0-9][\w.-]*(\[[^\]]+\])?\s*[=~<>!]=?"),
    "gomod": (
        r"(^|/)go\.mod$",
        r"(require|replace)?\s+\S+(\s+v\S+)?(\s+=>\s+\S+)?\s+v\S+(\s*// indirect)?$|go ",
    ),
    "github-actions": (
        r"(^|/)\.github/(workflows|actions)/.+\.ya?ml$|(^|/)action\.ya?ml$",
        _ACTIONS,
    ),
}
# A version alone or behind a name or in an address, or an image: a text that is nothing else.
_PINNED = re.compile(
    r"(?:\S*[@:/=-])?(?:v|[a-z]+-)?[0-9]+\.[0-9]+\.[0-9]+(?!\.?[0-9])(?:[-+/@]\S*|\.\D\S*)?"
    r"|\S+/\S+:(?:v|[a-z]+-)?[0-9][\w.-]*(?:@sha256:\w+)?|\S+@sha256:\S+"
)


class Pin(NamedTuple):
    """Lines of a file, counted from 1, that name a version or a digest."""

    file: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.file}:{self.first}"


def _python(text: str) -> Iterator[tuple[int, int]]:
    """Texts of a program that pin something; the values in an f-string count as {}."""
    nodes, parts = list(ast.walk(ast.parse(text))), set()
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            parts |= {id(part) for part in node.values}
            texts = (str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values)
            said = "".join(texts)
        elif isinstance(node, ast.Constant) and id(node) not in parts:
            said = str(node.value) if isinstance(node.value, str) else ""
        else:
            continue
        if _PINNED.fullmatch(said):
            yield node.lineno, node.end_lineno or node.lineno


def _pyproject(text: str) -> Iterator[tuple[int, int]]:
    content = tomllib.loads(text)
    project = content.get("project", {})
    lists = [content.get("build-system", {}).get("requires", []), project.get("dependencies", [])]
    lists += [*project.get("optional-dependencies", {}).values()]
    lists += [*content.get("dependency-groups", {}).values()]
    for entry in (each for one in lists for each in one):
        if re.search("[0-9]", entry):
            yield from _lines(re.escape(entry))(text)


def _lines(form: str) -> Callable[[str], Iterator[tuple[int, int]]]:
    def found(text: str) -> Iterator[tuple[int, int]]:
        for number, line in enumerate(text.splitlines(), 1):
            if re.search(form, line):
                yield number, number

    return found


# Where pins are, whatever reads them: the file, and what of it is one. Versions in tests/ and in
# bench/ are samples, that of linkerd_platform is our own, and a lock is made by `make lock`.
PLACES: tuple[tuple[str, Callable[[str], Iterator[tuple[int, int]]]], ...] = (
    (r"(?!bench/|tests/|linkerd_platform/).+\.py", _python),
    (r"(.+/)?[\w.-]*requirements[\w.-]*\.(txt|in)", _lines(r"^[A-Za-z0-9]")),
    (r"(.+/)?pyproject\.toml", _pyproject),
    (r"(.+/)?go\.mod", _lines(r"^(?!\s*//).*\sv[0-9]+\.|^(go|toolchain) ")),
    (r"(.+/)?Makefile|.+\.mk", _lines(r"^\w+\s*[:?]?=\s*[\"']?v?[0-9]+(\.[0-9]+)+")),
    (r"(.+/)?(Docker|Container)file[\w.-]*", _lines(r"^(?i:from) |sha256:")),
    (r"(.+/)?\.(tool-versions|(python|node|go)-version)", _lines(r"[0-9]")),
    (
        r"\.github/.+\.ya?ml",
        _lines(
            r"\buses:\s*(?!\./)\S|\b(ubuntu|macos|windows)-[0-9]|\b(image|container): \S+[:@]"
            r"|(?i:version)\S*:\s*[\"']?v?[0-9]"
        ),
    ),
    (
        r"(?!\.github/|tests/|docs/).*\.ya?ml",
        _lines(
            r"^\s*(- )?(version|rev|tag):\s*[\"']?v?[0-9]+\."
            r"|^\s*(- )?image:\s*[^\s{]+(:v?[0-9][\w.-]*|@sha256:)[^{]*$"
        ),
    ),
    (r"tests/unit/test_workflow_pins\.py", _lines(r"\b[0-9a-f]{40}\b")),
)


@functools.cache
def pins(root: Path) -> list[Pin]:
    """Every pin below a folder; what is not committed lies in folders with a dot."""
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(d for d in folders if d == ".github" or d[0] not in "._")
        for name in sorted(names):
            path = Path(folder, name).relative_to(root).as_posix()
            for form, read in PLACES:
                if re.fullmatch(form, path):
                    text = (root / path).read_text(encoding="utf-8")
                    found += [Pin(path, first, last) for first, last in read(text)]
    return found


def read_by_rules(root: Path, file: str, config: dict[str, Any]) -> Iterator[tuple[range, str]]:
    """The lines of a file that a manager reads; with a rule of ours, the name that it finds."""
    if "ignorePaths" not in config and IGNORED & set(Path(file).parts):
        return
    text, enabled = (root / file).read_text(encoding="utf-8"), config["enabledManagers"]
    for manager in enabled:
        files, form = MANAGERS.get(manager, ("(?!)", ""))
        if re.search(files, file):
            for number, line in enumerate(text.splitlines(), 1):
                if re.match(form, line):
                    yield range(number, number + 1), ""
    for rule in config["customManagers"] if "custom.regex" in enabled else ():
        if any(re.search(form.strip("/"), file) for form in rule["managerFilePatterns"]):
            for form in rule["matchStrings"]:
                for match in re.finditer(form.replace("(?<", "(?P<"), text):
                    groups = {key: value for key, value in match.groupdict().items() if value}
                    assert {"currentValue", "currentDigest"} & groups.keys()
                    assert "depName" in groups
                    assert "datasource" in groups or "datasourceTemplate" in rule
                    lines = [text.count("\n", 0, match.start(g)) + 1 for g in groups]
                    yield range(min(lines), max(lines) + 1), groups["depName"]


def unread(root: Path, config: dict[str, Any]) -> list[str]:
    """Where the pins are that no rule reads: file:line."""
    found = pins(root)
    lines = {
        file: {line for covered, _ in read_by_rules(root, file, config) for line in covered}
        for file in {pin.file for pin in found}
    }
    return [str(pin) for pin in found if lines[pin.file].isdisjoint(range(pin.first, pin.last + 1))]


def setting(key: str, default: Any, *, config: dict[str, Any] = CONFIG, **dependency: str) -> Any:
    """What packageRules say of a dependency, the last that says something."""
    keys = {"matchManagers": "manager", "matchPackageNames": "name", "matchFileNames": "file",
            "matchDepTypes": "type"}  # fmt: skip
    for rule in config["packageRules"]:
        conditions = [name for name in rule if name.startswith("match")]
        if all(dependency.get(keys[name]) in rule[name] for name in conditions):
            default = rule.get(key, default)
    return default


def test_every_pin_is_read() -> None:
    """Each place that is named here needs a rule in renovate.json, or a `renovate:` comment."""
    assert unread(PROJECT, CONFIG) == []


@pytest.mark.parametrize(
    ("file", "text", "line"),
    [
        ("Dockerfile", "# ours\nFROM docker.io/library/debian:13.1\n", 2),
        ("Makefile", "UV := 0.13.9\n", 1),
        ("sandbox/tools.py", 'TOOLS = (\n    Tool("etcd", "etcd", "3.6.16"),\n)\n', 2),
        ("bot/plan/render.py", '"""Text."""\nKUBE_VERSION = "1.35.0"\n', 2),
        ("components/tracing/component.py", 'IMAGE = f"{REGISTRY}/proxy-init:2.4.1"\n', 1),
        ("new/place.py", 'VERSION = "1.2.3"\n', 1),
        ("stack/charts.py", 'URL = "https://a.b/download/v1.2.3/c.yaml"\n', 1),
        ("components/tracing/component.py", f'IMAGE = "{"a" * 3}/b@sha256:{"0" * 64}"\n', 1),
        ("charts.yaml", "charts:\n  viz:\n    version: 1.2.3\n    repository: https://a.b\n", 3),
        ("examples/shop.yaml", "- image: shop:1.2\n", 1),
        (".pre-commit-config.yaml", "repos:\n- repo: https://a.b/c\n  rev: v1.2.3\n", 3),
        (".tool-versions", "helm 3.22.0\n", 1),
        ("pyproject.toml", '[build-system]\nrequires = ["a @ https://b.c/a-1.2.zip"]\n', 2),
        ("tools/requirements-dev.in", "ruff==0.17.5\n", 1),
        (".github/workflows/a.yml", f"    - uses: actions/cache@{'0' * 40}\n", 1),
        (".github/workflows/a.yml", "env:\n  HELM_VERSION: v3.22.0\n", 2),
        (".github/workflows/a.yml", "    runs-on: ${{ vars.R || format('ubuntu-24.04') }}\n", 1),
        ("tests/unit/test_workflow_pins.py", f'A = "{"0" * 40}"\n', 1),
    ],
)
def test_a_pin_that_no_rule_reads_is_named(tmp_path: Path, file: str, text: str, line: int) -> None:
    """The check itself must bite, and say where."""
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)
    assert unread(tmp_path, CONFIG) == [f"{file}:{line}"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("components/a.py", f'A = "docker.io/a/b:1.2.3@sha256:{"0" * 64}"\n'),
        ("components/a.py", 'A = "docker.io/a/b:edge-26.6.3"\n'),
        ("components/a.py", f'A = "docker.io/a/b@sha256:{"0" * 64}"\n'),
        ("examples/shop.yaml", "- image: registry.example:5000/shop:1.2.3\n"),
        ("pyproject.toml", '[project]\ndependencies = ["pulumi==3.272.0"]\n'),
        ("tools/go.mod", "require example.com/a v1.2.3\n"),
    ],
)
def test_a_pin_in_a_form_that_is_known_is_read(tmp_path: Path, file: str, text: str) -> None:
    """The same rule serves the next one."""
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)
    assert len(pins(tmp_path)) == 1
    assert unread(tmp_path, CONFIG) == []


@pytest.mark.parametrize("rule", CONFIG["customManagers"], ids=lambda rule: rule["description"])
def test_every_rule_is_needed(rule: dict[str, Any]) -> None:
    """One that reads nothing was for a place that has moved."""
    rest = [each for each in CONFIG["customManagers"] if each is not rule]
    assert unread(PROJECT, {**CONFIG, "customManagers": rest})
    for form in rule["matchStrings"]:
        assert not re.search(r"\(\?(<?[=!])|\\[1-9]", form), "RE2 has neither"


@pytest.mark.parametrize("manager", ["custom.regex", "github-actions", "gomod", "pip_requirements"])
def test_every_manager_is_enabled(manager: str) -> None:
    """Without its name in the list its files are not looked at."""
    rest = [each for each in CONFIG["enabledManagers"] if each != manager]
    assert unread(PROJECT, {**CONFIG, "enabledManagers": rest})


def test_no_folder_is_left_out() -> None:
    """config:recommended would leave out tests/ and examples/."""
    assert CONFIG["ignorePaths"] == []
    without = {key: value for key, value in CONFIG.items() if key != "ignorePaths"}
    assert all(each.startswith(("tests/", "examples/")) for each in unread(PROJECT, without))
    assert unread(PROJECT, without)


BUILT = [tool for tool in TOOLS.values() if tool.module]


@pytest.mark.parametrize("tool", BUILT, ids=lambda tool: tool.name)
def test_a_tool_is_raised_in_both_of_its_files_at_once(tool: Any) -> None:
    """A test compares them, so one alone is a branch that fails; one name makes one branch."""
    file = f"sandbox/toolchain/{tool.module}/go.mod"
    module = (PROJECT / file).read_text()
    named = {
        name
        for place in ("sandbox/tools.py", "sandbox/upstream.py")
        for lines, name in read_by_rules(PROJECT, place, CONFIG)
        if f'"{tool.version}"' in "\n".join(
            (PROJECT / place).read_text().splitlines()[lines.start - 1 : lines.stop - 1]
        )
    }  # fmt: skip
    pin = tool.pin or f"v{tool.version}"
    (name,) = (each for each in named if re.search(rf"\s{re.escape(each)} {pin}\b", module))
    frozen = bool(tool.pin)
    assert setting("enabled", True, manager="gomod", name=name, file=file) is not frozen
    assert setting("enabled", True, name=name, file="sandbox/tools.py") is not frozen


def test_what_is_held_asks_first() -> None:
    """charts.yaml says why it is held; a branch every week would only be closed."""
    charts = yaml.safe_load((PROJECT / "charts.yaml").read_text())
    held = [name for name, chart in charts["charts"].items() if "held" in chart]
    assert "held" in charts["manifests"]["gateway-api"]
    for name in [*held, "kubernetes-sigs/gateway-api", "linkerd/linkerd2"]:
        assert setting("dependencyDashboardApproval", False, name=name), name
    assert not setting("dependencyDashboardApproval", False, name="cert-manager")


def test_every_package_that_a_rule_names_is_pinned_somewhere() -> None:
    """A rule for a package that is gone is read for nothing."""
    text = "\n".join((PROJECT / file).read_text() for file in {pin.file for pin in pins(PROJECT)})
    for rule in CONFIG["packageRules"]:
        for name in rule.get("matchPackageNames", ()):
            assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text), name
