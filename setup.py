"""Builds the distribution; what it is called and what it needs is in pyproject.toml.

`components/` and `schema/` lie at the top of this project, and in the distribution below
`linkerd_platform`: a folder of that name is what many programs have, and it would hide ours.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

PACKAGE = "linkerd_platform"
_IMPORT = re.compile(r"^(\s*(?:from|import) )(?=(?:components|schema)\b)", re.MULTILINE)


class BuildPy(build_py):
    """Names the components by where they are then, and adds the list of charts."""

    def build_module(self, module: str, module_file: str, package: str) -> tuple[str, bool]:
        """Copy a module with its imports of what moves made to suit."""
        target, copied = super().build_module(module, module_file, package)
        text = Path(target).read_text(encoding="utf-8")
        Path(target).write_text(_IMPORT.sub(rf"\1{PACKAGE}.", text), encoding="utf-8")
        return target, copied

    def run(self) -> None:
        """Build everything; the list lies beside the components, as it does here."""
        super().run()
        target = Path(self.build_lib, PACKAGE)
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy2("charts.yaml", target)
        (target / "py.typed").touch()


below = [f"components.{name}" for name in find_packages("components")]
setup(
    packages=[PACKAGE, *(f"{PACKAGE}.{name}" for name in ("components", "schema", *below))],
    package_dir={f"{PACKAGE}.{name}": name for name in ("components", "schema")},
    cmdclass={"build_py": BuildPy},
)
