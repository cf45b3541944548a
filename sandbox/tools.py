"""The programs of the sandbox and their versions: the one place where these stand.

What is built is a Go module under `sandbox/toolchain/`; what is downloaded is in `sources.yaml`.
The comment `renovate:` above a version says where newer ones are published (renovate.json).
"""

from __future__ import annotations

from dataclasses import dataclass

from sandbox import upstream

_COMPONENT_BASE = "k8s.io/component-base/version"
_KUBE_FLAGS = (
    # Without its version an API server calls itself v0.0.0 and charts with kubeVersion refuse it.
    f"-X {_COMPONENT_BASE}.gitVersion=v{{version}} "
    f"-X {_COMPONENT_BASE}.gitMajor={{major}} -X {_COMPONENT_BASE}.gitMinor={{minor}}"
)
_HELM = "helm.sh/helm/v3/internal/version"
_CHARTUTIL = "helm.sh/helm/v3/pkg/chartutil"


@dataclass(frozen=True)
class Tool:
    """One program of the sandbox.

    module: folder under sandbox/toolchain, empty where none can be built; package: what `go build`
    links from there; pin: how its go.mod names the version, where that is not v and the version.
    minutes: build time on two cores with nothing downloaded yet.
    link: flags for the linker. on_path: arguments that make an installed one tell its version, and
    what it must then say. Both may have {version}, {major} and {minor}.
    released: the version that upstream's files have, where it is another than what is built.
    """

    name: str
    module: str
    version: str
    package: str = ""
    minutes: int = 0
    link: str = ""
    on_path: tuple[str, str] | None = None
    pin: str = ""
    released: str = ""

    @property
    def upstream_version(self) -> str:
        """Return the version that is downloaded."""
        return self.released or self.version

    @property
    def ldflags(self) -> str:
        """Return the flags for the linker."""
        return self.filled(self.link)

    def filled(self, text: str) -> str:
        """Return `text` with the version filled in."""
        major, minor, *_ = [*self.version.split("."), ""]
        return text.format(version=self.version, major=major, minor=minor)


TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            "etcd",
            "etcd",
            # renovate: datasource=go depName=go.etcd.io/etcd/server/v3
            "3.6.16",
            "go.etcd.io/etcd/server/v3",
            2,
            on_path=("--version", "etcd Version: {major}.{minor}."),
        ),
        *(
            Tool(
                name,
                "kubernetes",
                # renovate: datasource=go depName=k8s.io/kubernetes
                "1.35.4",
                f"k8s.io/kubernetes/cmd/{name}",
                minutes,
                _KUBE_FLAGS,
                ("--version", "Kubernetes v{major}.{minor}."),
            )
            for name, minutes in (
                ("kube-apiserver", 5),
                ("kube-controller-manager", 2),
                ("kube-scheduler", 1),
            )
        ),
        Tool(
            "kwok",
            "kwok",
            # renovate: datasource=go depName=sigs.k8s.io/kwok
            "0.8.0",
            "sigs.k8s.io/kwok/cmd/kwok",
            2,
            on_path=("--version", "v{major}.{minor}."),
        ),
        Tool(
            "vault",
            "vault",
            # renovate: datasource=go depName=github.com/hashicorp/vault
            "1.21.1",
            "github.com/hashicorp/vault",
            8,
            on_path=("version", "Vault v{major}.{minor}."),
        ),
        # renovate: datasource=go depName=github.com/cert-manager/cert-manager
        Tool("cert-manager", "cert-manager", "1.21.1", ".", 2),
        # renovate: datasource=go depName=github.com/cert-manager/trust-manager
        Tool("trust-manager", "trust-manager", "0.24.0", ".", 1),
        Tool(
            "external-secrets",
            "external-secrets",
            upstream.EXTERNAL_SECRETS_VERSION,
            ".",
            3,
        ),
        Tool(
            "helm",
            "helm",
            # renovate: datasource=go depName=helm.sh/helm/v3
            "3.22.0",
            "helm.sh/helm/v3/cmd/helm",
            2,
            # `helm template` checks a chart's kubeVersion against these.
            f"-X {_HELM}.version=v{{version}} "
            f"-X {_CHARTUTIL}.k8sVersionMajor=1 -X {_CHARTUTIL}.k8sVersionMinor=35",
            ("version --short", "v{major}."),
        ),
        Tool(
            "actionlint",
            "actionlint",
            # renovate: datasource=go depName=github.com/rhysd/actionlint
            "1.7.12",
            "github.com/rhysd/actionlint/cmd/actionlint",
            1,
            on_path=("--version", "{major}.{minor}."),
        ),
        Tool(
            "kube-state-metrics",
            "kube-state-metrics",
            # renovate: datasource=go depName=k8s.io/kube-state-metrics/v2
            "2.19.1",
            "k8s.io/kube-state-metrics/v2",
            3,
            "-X github.com/prometheus/common/version.Version=v{version}",
            ("version", "v{major}.{minor}."),
        ),
        *(
            Tool(
                name,
                "prometheus-operator",
                # renovate: datasource=go depName=github.com/prometheus-operator/prometheus-operator
                "0.93.0",
                f"github.com/prometheus-operator/prometheus-operator/cmd/{command}",
                minutes,
                "-X github.com/prometheus/common/version.Version={version}",
                ("--version", "version {major}.{minor}."),
            )
            for name, command, minutes in (
                ("prometheus-operator", "operator", 4),
                ("prometheus-operator-admission-webhook", "admission-webhook", 1),
            )
        ),
        Tool(
            "envoy-gateway",
            "envoy-gateway",
            # renovate: datasource=go depName=github.com/envoyproxy/gateway
            "1.9.1",
            "github.com/envoyproxy/gateway/cmd/envoy-gateway",
            12,
        ),
        Tool(
            "kind",
            "kind",
            # renovate: datasource=go depName=sigs.k8s.io/kind
            "0.33.0",
            "sigs.k8s.io/kind",
            1,
            on_path=("version", "kind v{major}."),
        ),
        # The engine. With it goes whatever Pulumi its user has installed: any of major version 3.
        Tool(
            "pulumi",
            "pulumi",
            # renovate: datasource=go depName=github.com/pulumi/pulumi/pkg/v3
            "3.274.1",
            "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
            5,
            # Without its version the engine prints none, and its tools refuse to work with it.
            "-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{version}",
            ("version", "v{major}."),
        ),
        # Not published as modules: Python's language host (a program run inline needs none), the
        # providers for Vault and random.
        *(
            # renovate: datasource=go depName=github.com/pulumi/pulumi/pkg/v3
            Tool(name, "", "3.274.1", on_path=("", ""))
            for name in ("pulumi-language-python", "pulumi-language-python-exec")
        ),
        Tool(
            "pulumi-resource-kubernetes",
            "pulumi-resource-kubernetes",
            # renovate: datasource=go depName=github.com/pulumi/pulumi-kubernetes/provider/v4
            "4.25.0",
            ".",
            8,
            "-X github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version.Version={version}",
            ("", ""),
            # The one version of the provider's module that was ever published.
            # renovate: datasource=go depName=github.com/pulumi/pulumi-kubernetes/provider/v4
            pin="v4.0.0-20260115033456-f47bc2d6f199",
            # renovate: datasource=pypi depName=pulumi-kubernetes
            released="4.34.2",
        ),
        # renovate: datasource=pypi depName=pulumi-vault
        Tool("pulumi-resource-vault", "", "7.14.0", on_path=("", "")),
        # renovate: datasource=pypi depName=pulumi-random
        Tool("pulumi-resource-random", "", "4.21.4", on_path=("", "")),
        # The mesh itself, as production runs it: of the release that charts.yaml names.
        *(
            # renovate: datasource=github-releases depName=linkerd/linkerd2
            Tool(name, "", "edge-26.6.3", on_path=("", ""))
            for name in (
                *("linkerd", "linkerd-controller", "linkerd-policy-controller"),
                *("linkerd2-proxy", "linkerd2-proxy-identity", "linkerd2-proxy-init"),
            )
        ),
    )
}
# Tools of tests, built when somebody asks for them.
TEST_TOOLS = (
    "helm",
    "actionlint",
    "kube-state-metrics",
    "prometheus-operator",
    "prometheus-operator-admission-webhook",
)
# Built for whoever names them: kind needs Docker, the other Linkerd's programs beside it.
ASKED_FOR = ("kind", "envoy-gateway")
ENGINE_TOOLS = tuple(name for name in TOOLS if name.startswith("pulumi"))
MESH_TOOLS = tuple(name for name in TOOLS if name.startswith("linkerd"))
_OTHERS = (*ASKED_FOR, *TEST_TOOLS, *ENGINE_TOOLS, *MESH_TOOLS)
SERVERS = tuple(name for name in TOOLS if name not in _OTHERS)
