"""Git as the commands need it: revisions resolved, and trees exported without running anything.

No checkout, hook, submodule, filter, attribute or replacement has a say: blobs are read as they
are (git-ls-tree(1), git-cat-file(1)). `git archive` is not used, because a tree's own
`export-ignore` would hide files from whoever reads the export.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from bot.exit_codes import BadInputError, MissingToolError

SHORT = 12  # characters of a commit, for people
TIMEOUT_SECONDS = 60
MAX_EXPORT_BYTES = 256 << 20
_FILE, _PROGRAM, _LINK = "100644", "100755", "120000"
# A revision is a name, a hash or an expression on one; never an option, a range or a path in it.
_REVISION = re.compile(r"[A-Za-z0-9_@][\w./@{}^~+#-]{0,249}")


def run(project_dir: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """Output of a git command in a project.

    Raises MissingToolError without git, BadInputError with git's own reason where it refuses.
    """
    done = _git(project_dir, arguments, stdin)
    if done.returncode:
        none = b"not a git repository" in done.stderr
        hint = f"; {project_dir} must be a clone of the project" if none else ""
        raise BadInputError(f"git {arguments[0]}: {_reason(done.stderr)}{hint}")
    return done.stdout


def resolve(revision: str, project_dir: Path) -> str:
    """The commit that a revision names, as its whole hash; raises BadInputError.

    A shallow clone has few commits, which the error says where that may be why.
    """
    if not _REVISION.fullmatch(revision) or ".." in revision:
        raise BadInputError(
            f"revision {revision!r}: no name of a commit; give a branch, a tag or a hash"
        )
    arguments = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    done = _git(project_dir, arguments)
    commit = done.stdout.decode("ascii", "replace").strip()
    if done.returncode == 0 and re.fullmatch(r"[0-9a-f]{40}([0-9a-f]{24})?", commit):
        return commit
    shallow = run(project_dir, "rev-parse", "--is-shallow-repository").strip() == b"true"
    hint = (
        "this clone is shallow: fetch the whole history (`git fetch --unshallow`, or "
        "`fetch-depth: 0` for actions/checkout)"
        if shallow
        else "see `git log`, or fetch the branch first"
    )
    raise BadInputError(f"revision {revision!r}: git knows no such commit; {hint}")


def head(project_dir: Path) -> str:
    """The checked-out commit; raises BadInputError outside a repository or before any commit."""
    return resolve("HEAD", project_dir)


def merge_base(one: str, other: str, project_dir: Path) -> str | None:
    """The best common ancestor of two commits; None where there is none here."""
    done = _git(project_dir, ("merge-base", one, other))
    return done.stdout.decode().strip() or None if done.returncode == 0 else None


def contains(commit: str, older: str, project_dir: Path) -> bool:
    """True when `older` is `commit` or an ancestor of it."""
    return commit == older or merge_base(older, commit, project_dir) == older


def dirty(project_dir: Path) -> bool:
    """True when files of the project differ from the commit or are in none; ignored ones do not.

    So do files that git was told not to look at (`git update-index --assume-unchanged` and
    `--skip-worktree`): whatever they hold, `git status` calls them unchanged.
    """
    options = ("--porcelain", "--untracked-files=all", "-z", "--", ".")
    if run(project_dir, *_without_filters(project_dir), "status", *options):
        return True
    # `S`: not to be in the tree; a letter in lower case: assumed unchanged (git-ls-files(1), -v).
    listed = run(project_dir, "ls-files", "-v", "-z", "--", ".").split(b"\0")
    return any(entry[:1].islower() or entry[:1] == b"S" for entry in listed)


def _without_filters(project_dir: Path) -> list[str]:
    """Options by which no filter is run that a setting names and a tree's attributes ask for."""
    named = _git(project_dir, ("config", "--name-only", "-z", "--get-regexp", r"^filter\."))
    options = []
    for key in named.stdout.decode("utf-8", "surrogateescape").split("\0"):
        driver, _, setting = key.rpartition(".")
        if setting in ("clean", "smudge", "process", "required") and "=" not in driver:
            options += ["-c", f"{key}={'false' if setting == 'required' else ''}"]
    return options


def export(
    commit: str,
    project_dir: Path,
    folder: Path,
    leave_out: Sequence[str] = (),
    only: Collection[str] | None = None,
) -> Path:
    """Write the project's files as a commit has them into `folder`, which must have none of them.

    commit: as `resolve` gives it. leave_out: names at the top of the project to leave out. only:
    paths that are wanted, None for all. Raises BadInputError for a tree that holds a link to a
    place outside, a path that leaves the folder, or more than `MAX_EXPORT_BYTES`. Submodules are
    left out.
    """
    if not re.fullmatch(r"[0-9a-f]{40,64}", commit):
        raise BadInputError(f"commit {commit!r}: resolve the revision first")
    entries = [
        entry for entry in _entries(commit, project_dir) if _wanted(entry[1], leave_out, only)
    ]
    # Links last, so that no file is written through one.
    entries.sort(key=lambda entry: entry[0] == _LINK)
    for mode, path, content in _contents(entries, project_dir):
        _place(folder, path, content, mode)
    _refuse_escapes(folder, [path for mode, path, _ in entries if mode == _LINK], commit[:SHORT])
    return folder


def export_working_tree(
    project_dir: Path,
    folder: Path,
    leave_out: Sequence[str] = (),
    only: Collection[str] | None = None,
) -> Path:
    """As `export`, with the files as they lie there, committed or not; ignored ones are left out.

    So both sides of a comparison hold what git has or could have, and nothing else.
    """
    listed = run(project_dir, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    links, total = [], 0
    for path in sorted({_path(raw) for raw in listed.split(b"\0") if raw}):
        source = project_dir / path
        there = source.is_symlink() or source.is_file()
        if not there or not _wanted(path, leave_out, only):
            continue  # left out, deleted and not yet committed as such, or a submodule
        if source.is_symlink():
            links.append(path)
            continue
        total += source.stat().st_size
        _refuse_size(total)
        mode = _PROGRAM if os.access(source, os.X_OK) else _FILE
        if not source.resolve().is_relative_to(project_dir.resolve()):
            raise BadInputError(f"{path!r}: lies behind a link that leaves the project")
        _place(folder, path, source.read_bytes(), mode)
    for path in links:
        _place(folder, path, os.fsencode((project_dir / path).readlink()), _LINK)
    _refuse_escapes(folder, links, "the working tree")
    return folder


def _git(
    project_dir: Path, arguments: Sequence[str], stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    # Hooks' variables (GIT_DIR, GIT_INDEX_FILE) would name another repository; a replacement
    # object would stand for another commit; a missing object must not be fetched.
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    fixed = {
        "LC_ALL": "C",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
    }
    # Programs that a repository's own settings may name.
    harmless = ["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]
    harmless += ["-c", "core.attributesFile=/dev/null", "-c", "submodule.recurse=false"]
    try:
        return subprocess.run(
            ["git", *harmless, *arguments],
            cwd=project_dir,
            env=kept | fixed,
            input=stdin,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise MissingToolError(
            "git is not on PATH: install it (https://git-scm.com/downloads)"
        ) from None
    except subprocess.TimeoutExpired:
        raise BadInputError(f"git {arguments[0]}: no answer in {TIMEOUT_SECONDS} s") from None


def _reason(stderr: bytes) -> str:
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    said = "".join(c if c.isprintable() else "?" for c in lines[0]) if lines else "no reason given"
    return said.removeprefix("fatal: ").removeprefix("error: ")[:300]


_Entry = tuple[str, str, str]  # mode, path below the project, hash of the blob


def _wanted(path: str, leave_out: Sequence[str], only: Collection[str] | None) -> bool:
    return path.split("/")[0] not in leave_out and (only is None or path in only)


def _entries(commit: str, project_dir: Path) -> Iterator[_Entry]:
    # Without --full-tree git lists what is below the project alone, with paths from there.
    listed = run(project_dir, "ls-tree", "-r", "-z", commit)
    for record in listed.split(b"\0"):
        if not record:
            continue
        head_, _, raw = record.partition(b"\t")
        mode, kind, blob = head_.decode("ascii").split()
        path = _path(raw)
        if kind == "blob":
            yield mode, path, blob


def _contents(entries: Sequence[_Entry], project_dir: Path) -> Iterator[tuple[str, str, bytes]]:
    wanted = "".join(f"{blob}\n" for _, _, blob in entries).encode()
    sizes = run(project_dir, "cat-file", "--batch-check=%(objectsize)", stdin=wanted).split(b"\n")
    _refuse_size(sum(int(size) for size in sizes if size.isdigit()))
    answer = run(project_dir, "cat-file", "--batch", stdin=wanted)
    at = 0
    for mode, path, blob in entries:
        line_end = answer.index(b"\n", at)
        said = answer[at:line_end].decode("ascii", "replace").split()
        if len(said) != 3 or said[0] != blob:
            raise BadInputError(f"{path!r}: git has no content for it here: fetch it first")
        start, size = line_end + 1, int(said[2])
        yield mode, path, answer[start : start + size]
        at = start + size + 1


def _path(raw: bytes) -> str:
    """A path of a tree; raises BadInputError where a made-up tree would lead outside."""
    path = os.fsdecode(raw)
    parts = path.split("/")
    if any(part in ("", ".", "..") or part.lower() == ".git" for part in parts):
        raise BadInputError(f"{path!r}: no path that git would make; the tree is refused")
    return path


def _place(folder: Path, path: str, content: bytes, mode: str) -> None:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        raise BadInputError(f"{path!r}: lies behind a link that leads outside; the tree is refused")
    if mode == _LINK:
        target.symlink_to(os.fsdecode(content))
        return
    # Fails where something is there already: a made-up tree may list a path twice.
    with target.open("xb") as file:
        file.write(content)
    target.chmod(0o700 if mode == _PROGRAM else 0o600)


def _refuse_size(total: int) -> None:
    if total > MAX_EXPORT_BYTES:
        raise BadInputError(f"the tree holds over {MAX_EXPORT_BYTES >> 20} MiB: too much to export")


def _refuse_escapes(folder: Path, links: Sequence[str], where: str) -> None:
    root = folder.resolve()
    for path in links:
        link = folder / path
        target = link.readlink()
        # A loop resolves to nowhere, and nothing can be read through it.
        if target.is_absolute() or not link.resolve().is_relative_to(root):
            raise BadInputError(
                f"{path!r}: a link of {where} that leads outside of it ({str(target)!r})"
            )
