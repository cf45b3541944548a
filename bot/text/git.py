"""Git as the commands need it: revisions resolved, and trees exported without running anything.

No checkout, hook, submodule, filter, attribute or replacement has a say: blobs are read as they
are (git-ls-tree(1), git-cat-file(1)). `git archive` is not used, because a tree's own
`export-ignore` would hide files from whoever reads the export.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from bot.exit_codes import BadInputError, MissingToolError

SHORT = 12  # characters of a commit, for people
TIMEOUT_SECONDS = 60
MAX_EXPORT_BYTES = 256 << 20
_FILE, _PROGRAM, _LINK, _SUBMODULE = "100644", "100755", "120000", "160000"
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
            f"revision {revision!r}: not the name of a commit; give a branch, a tag or a hash"
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


def content(revision: str, path: str, project_dir: Path) -> bytes | None:
    """A file of the project as a commit has it; None where it has none. Raises BadInputError."""
    if not run(project_dir, "ls-tree", "-z", revision, "--", path):
        return None
    return run(project_dir, "cat-file", "blob", f"{revision}:./{path}")


def merge_base(one: str, other: str, project_dir: Path) -> str | None:
    """The best common ancestor of two commits; None where there is none here."""
    done = _git(project_dir, ("merge-base", one, other))
    return done.stdout.decode().strip() or None if done.returncode == 0 else None


def contains(commit: str, older: str, project_dir: Path) -> bool:
    """True when `older` is `commit` or an ancestor of it."""
    return commit == older or merge_base(older, commit, project_dir) == older


def dirty(project_dir: Path) -> bool:
    """True when files of the project differ from the commit or are in none; see `beside`."""
    return bool(beside(project_dir))


def beside(project_dir: Path) -> dict[str, str]:
    """What lies in the project and is not the checked-out commit's: digest by path.

    `deleted` stands for a file that is gone, `submodule` for one that is not as it was committed.
    Every tracked file is read and compared with its blob as it is, so nothing that this clone is
    told has a say: not the index (`git add`, `--assume-unchanged`, `--skip-worktree`), no filter,
    no `core.fileMode`, no `ignore` of a submodule. Only the `.gitignore` files of the commit
    itself hide a file: not `.git/info/exclude`, not the user's own, not one that hides itself.
    """
    project_dir = project_dir.resolve()
    top = Path(os.fsdecode(run(project_dir, "rev-parse", "--show-toplevel").rstrip(b"\n")))
    if not project_dir.is_relative_to(top.resolve()):
        # core.worktree: git would look at another folder, and find nothing here.
        raise BadInputError(f"{project_dir}: its repository has its working tree at {top}")
    committed = {path: (mode, blob) for mode, path, blob in _all_entries("HEAD", project_dir)}
    found = {
        path: said
        for path, (mode, blob) in committed.items()
        if (said := _unlike(project_dir / path, mode, blob))
    }
    for path in _listed(project_dir) - committed.keys():
        found[path] = _digest(project_dir / path)
    return dict(sorted(found.items()))


def _listed(project_dir: Path) -> set[str]:
    """Paths of the index and of what git does not know, but for what the commit's rules ignore."""
    arguments = ("ls-files", "-z", "--cached", "--others")
    listed = run(project_dir, *arguments, "--exclude-per-directory=.gitignore").split(b"\0")
    # With the rules at the top alone a file of rules shows that hides itself and its neighbours.
    with tempfile.NamedTemporaryFile() as rules:
        with suppress(BadInputError):
            rules.write(run(project_dir, "cat-file", "blob", "HEAD:./.gitignore"))
        rules.flush()
        own = run(project_dir, *arguments, f"--exclude-from={rules.name}").split(b"\0")
    listed += [path for path in own if path.rpartition(b"/")[2] == b".gitignore"]
    # A folder that is a repository of its own comes as `name/`.
    return {os.fsdecode(path).rstrip("/") for path in listed if path}


def _unlike(file: Path, mode: str, blob: str) -> str:
    """How a file is not the blob of this mode; empty where it is."""
    if mode == _SUBMODULE:
        return "" if _as_committed(file, blob) else "submodule"
    try:
        found = file.lstat().st_mode
        if stat.S_ISLNK(found):
            content, kind = os.fsencode(file.readlink()), _LINK
        elif stat.S_ISREG(found):
            content, kind = file.read_bytes(), _PROGRAM if found & 0o100 else _FILE
        else:
            return "no file"  # To read a pipe would wait for ever.
    except OSError:
        return "deleted"
    hashed = hashlib.new("sha1" if len(blob) == 40 else "sha256", usedforsecurity=False)
    hashed.update(b"blob %d\0" % len(content))
    hashed.update(content)
    if hashed.hexdigest() == blob and kind == mode:
        return ""
    return _sha256(content)


def _as_committed(folder: Path, commit: str) -> bool:
    """True for a submodule that is not there, or at that commit and without anything beside it."""
    if folder.is_symlink() or not folder.is_dir():
        return not folder.exists() and not folder.is_symlink()
    if not any(folder.iterdir()):
        return True
    try:
        return (folder / ".git").exists() and head(folder) == commit and not beside(folder)
    except BadInputError:
        return False


def _digest(file: Path) -> str:
    if file.is_symlink():
        return _sha256(os.fsencode(file.readlink()))
    try:
        return _sha256(file.read_bytes()) if file.is_file() else "no file"
    except OSError:
        return "unreadable"


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


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
    harmless += ["-c", "core.untrackedCache=false", "-c", "submodule.recurse=false"]
    harmless += ["-c", "core.attributesFile=/dev/null"]
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
    return (each for each in _all_entries(commit, project_dir) if each[0] != _SUBMODULE)


def _all_entries(commit: str, project_dir: Path) -> Iterator[_Entry]:
    # Without --full-tree git lists what is below the project alone, with paths from there.
    listed = run(project_dir, "ls-tree", "-r", "-z", commit)
    for record in listed.split(b"\0"):
        if not record:
            continue
        head_, _, raw = record.partition(b"\t")
        mode, _kind, blob = head_.decode("ascii").split()
        yield mode, _path(raw), blob


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
        raise BadInputError(f"{path!r}: not a path that git would create; the tree is refused")
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
