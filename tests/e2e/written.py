"""What a mesh has written by now, and what must not be in it."""

from __future__ import annotations

from tests.e2e.trust_mesh import TrustMesh


def files(mesh: TrustMesh, *more: str) -> dict[str, bytes]:
    """State with its history, and logs of the servers; `more` are other folders of the copy."""
    folder = mesh.copy.folder
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for place in (".sandbox/state", ".sandbox/log", *more)
        for file in sorted((folder / place).rglob("*"))
        if file.is_file()
    }


def secrets(mesh: TrustMesh) -> list[str]:
    """The sandbox's own secrets, and how any token of Vault or of an account begins."""
    names = ("vault/root-token", "vault/unseal-key", "passphrase")
    return [*(_private(mesh, name) for name in names), "hvs.", "eyJhbGciOi"]


def _private(mesh: TrustMesh, name: str) -> str:
    text = (mesh.copy.folder / ".sandbox" / name).read_text(encoding="utf-8").strip()
    assert len(text) > 10
    return text
