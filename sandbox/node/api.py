"""Objects of the cluster by its own list of what it serves, for a node and for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.clients.https import Answer, Client
from sandbox.node import spec
from sandbox.node.linux import NodeError
from sandbox.node.spec import Manifest


class Objects:
    """Objects of a cluster as pods and tests need them; see `volumes.ClusterReader`."""

    def __init__(self, api: Client) -> None:
        self.api = api
        self._served: dict[str, dict[str, tuple[str, bool]]] = {}

    def data(self, kind: str, namespace: str, name: str) -> Mapping[str, str] | None:
        """The data of a ConfigMap or Secret; None where there is none. Raises NodeError."""
        answer = self.api.request("GET", f"/api/v1/namespaces/{namespace}/{kind}/{name}")
        if answer.status == 404:
            return None
        if not answer.ok:
            raise NodeError(f"{kind} {namespace}/{name}: {answer.why}")
        return answer.body.get("data") or {}

    def token(self, pod: Manifest, audience: str, seconds: int) -> str:
        """A token of the pod's account, bound to it; raises NodeError."""
        namespace, name = spec.name_of(pod)
        account = pod["spec"].get("serviceAccountName", "default")
        bound = {"kind": "Pod", "apiVersion": "v1", "name": name, "uid": pod["metadata"]["uid"]}
        body: dict[str, Any] = {"expirationSeconds": seconds, "boundObjectRef": bound}
        if audience:
            body["audiences"] = [audience]
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        answer = self.api.request("POST", path, {"spec": body})
        if not answer.ok:
            raise NodeError(f"token of {account}: {answer.why}")
        return str(answer.body["status"]["token"])

    def path(self, manifest: Manifest) -> str:
        """Where an object is; raises NodeError for a kind that is not served."""
        return f"{self.listed(manifest)}/{manifest['metadata']['name']}"

    def listed(self, manifest: Manifest) -> str:
        """Where objects of its kind and namespace are; raises NodeError as `path` does."""
        version, kind = manifest["apiVersion"], manifest["kind"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if kind not in self._served.get(version, {}):
            answer = self.api.request("GET", root, seconds=30)
            self._served[version] = {
                each["kind"]: (each["name"], each["namespaced"])
                for each in (answer.body["resources"] if answer.ok else ())
                if "/" not in each["name"]
            }
        if kind not in self._served[version]:
            raise NodeError(f"{version} {kind} is not served")
        plural, namespaced = self._served[version][kind]
        inside = f"/namespaces/{manifest['metadata']['namespace']}" if namespaced else ""
        return f"{root}{inside}/{plural}"

    def apply(self, manifest: Manifest) -> Answer:
        """Server-side apply."""
        return self.api.request(
            "PATCH",
            f"{self.path(manifest)}?fieldManager=sandbox-node&force=true",
            manifest,
            content_type="application/apply-patch+yaml",
            seconds=30,
        )

    def delete(self, manifest: Manifest) -> Answer:
        """Delete an object."""
        return self.api.request("DELETE", self.path(manifest))
