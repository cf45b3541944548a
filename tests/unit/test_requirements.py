"""What is installed is what the locks say: every dependency, each with its digests."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).resolve().parents[2]
FOLDERS = (PROJECT, PROJECT / "policies")
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def pins(text: str) -> dict[str, str]:
    """The direct pins of a requirements.txt: `name==version`, one a line."""
    found = {}
    for line in text.splitlines():
        bare = line.partition(" #")[0].strip()
        if bare and not bare.startswith("#"):
            name, _, version = bare.partition("==")
            found[canonicalize_name(name)] = version
    return found


def faults(requirements: str, lock: str) -> list[str]:
    """What is wrong with a lock, told without asking an index."""
    found, locked = [], {}
    for entry in re.sub(r"[ ]*\\\n", " ", lock).splitlines():
        bare = entry.partition("# ")[0].strip()
        if not bare or entry.startswith("#"):
            continue
        name, hashes = bare.partition(" --hash")[0], _HASH.findall(bare)
        if bare.startswith("-") or "://" in bare:
            found.append(f"{bare}: neither options nor addresses belong into a lock")
            continue
        pinned = re.fullmatch(r"([A-Za-z0-9._-]+)==([^\s;*]+)( ; .+)?", name.strip())
        if pinned is None:
            found.append(f"{name}: no exact version")
            continue
        if not hashes or _HASH.sub("", bare).strip() != name.strip():
            found.append(f"{name}: not every digest is one, or there is none")
        locked[canonicalize_name(pinned[1])] = pinned[2]
    for name, version in pins(requirements).items():
        if locked.get(name) != version:
            found.append(f"{name}: {version} is asked for and {locked.get(name)} is locked")
    return found


DIGEST = f"--hash=sha256:{'0' * 64}"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_lock_is_that_of_the_pins(folder: Path) -> None:
    """A pin that moves without its lock would not be what is installed: run `make lock`."""
    requirements = (folder / "requirements.txt").read_text()
    assert all(re.fullmatch(r"[0-9][^*,<>~ ]*", each) for each in pins(requirements).values())
    assert faults(requirements, (folder / "requirements.lock").read_text()) == []


@pytest.mark.parametrize(
    "lock",
    [
        "",
        f"a==2 {DIGEST}",
        "a==1",
        f"a==1 {DIGEST[:-1]}",
        f"a==1 {DIGEST.replace('sha256', 'md5')}",
        f"a==1 {DIGEST}\nb>=1 {DIGEST}",
        f"a==1 {DIGEST}\nb==1.* {DIGEST}",
        f"a==1 {DIGEST}\nb==1",
        f"a==1 {DIGEST}\nb @ https://example.com/b.whl {DIGEST}",
        f"a==1 {DIGEST}\n--index-url https://example.com/simple",
        f"a==1 {DIGEST}\n-r other.txt",
        f"a==1 {DIGEST}\n-e .",
    ],
)
def test_a_lock_that_is_none_is_found(lock: str) -> None:
    """The check itself must bite."""
    assert faults("a==1\n", f"{lock}\n")
    assert faults("a==1\n", f"a==1 \\\n    {DIGEST} \\\n    {DIGEST}\n    # via x\n") == []


def test_nothing_is_locked_that_nobody_needs() -> None:
    """A package that somebody slipped into the lock has digests too."""
    lock = (PROJECT / "requirements.lock").read_text()
    locked = {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}
    needed: set[str] = set()
    waiting = list(pins((PROJECT / "requirements.txt").read_text()))
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        needed.add(name)
        try:
            requires = metadata.requires(name) or ()
        except metadata.PackageNotFoundError:
            continue  # for another system
        waiting += [
            canonicalize_name(each.name)
            for each in map(Requirement, requires)
            if each.marker is None or "extra" not in str(each.marker)
        ]
    assert locked <= needed


def test_what_is_installed_here_is_what_is_locked() -> None:
    """An environment that is older than the lock tests something else: run `make venv`."""
    lock = (PROJECT / "requirements.lock").read_text()
    for name, version in re.findall(r"^([\w.-]+)==([^\s;]+) \\$", lock, re.MULTILINE):
        assert metadata.version(name) == version


@pytest.mark.parametrize("target", ["$(STAMP)", "$(PACK)/.requirements"])
def test_make_installs_from_the_lock_alone(target: str) -> None:
    """One `pip install` beside it would let in what nobody has locked."""
    makefile = (PROJECT / "Makefile").read_text()
    rule = makefile.split(f"\n{target}:")[1].split("\n\n")[0]
    assert rule.count("requirements.lock") == 2  # it is made anew with the lock, and from it
    assert "pip" not in rule.replace("$(INSTALL)", "")
    (install,) = re.findall(r"^INSTALL := (.*)$", makefile, re.MULTILINE)
    assert {"--require-hashes", "--no-deps"} <= set(install.split())
