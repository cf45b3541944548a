"""The answers for who is on call: each question, asked of what it is about, and of nothing."""

from __future__ import annotations

from bot.changes.impact import impact
from bot.changes.model import ChartMove, Op
from tests.unit.changes_samples import resource, settings, thing, whole, workload

_ROOT = "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert"


def _template(replicas: int, image: str) -> dict[str, object]:
    return {"replicas": replicas, "template": {"spec": {"containers": [{"image": image}]}}}


def _certificate(**spec: object) -> dict[str, object]:
    return {"spec": {"duration": "48h0m0s", "renewBefore": "25h0m0s", **spec}}


def test_restarts_name_workloads_and_replicas() -> None:
    """`Does it restart the control plane` is the first question of the night."""
    found = impact(
        whole(
            workload("linkerd-viz/tap", _template(1, "a"), _template(1, "b")),
            workload("linkerd/linkerd-identity", _template(3, "a"), _template(3, "b")),
            workload("linkerd/linkerd-destination", _template(3, "a"), _template(2, "b")),
            workload("emojivoto/web", _template(3, "a"), _template(3, "b")),
            workload("linkerd/linkerd-proxy-injector", {"replicas": 2}, {"replicas": 3}),
            thing("DaemonSet", "linkerd-buoyant/m", {"spec": {}}, {"spec": {}}, Op.REPLACE),
            thing("Deployment", "linkerd-viz/web", {"spec": {}}, None),
            resource("kubernetes:helm.sh/v3:Release", "r", {"name": "agent"}, {"name": "agent"}),
        )
    )
    assert found.restarts == (
        "linkerd-destination (3 to 2 replicas)",
        "linkerd-identity (3 replicas)",
        "linkerd-buoyant/m (one on each node)",
        "linkerd-viz/tap (1 replica)",
        "linkerd-viz/web (gone)",
        "Helm release agent (its pods are not known)",
    )


def test_a_component_of_ours_is_the_platform_in_whose_namespace_it_ever_is() -> None:
    """Our trust-manager runs beside a cert-manager that was there, in the namespace of that."""
    at = ("Deployment", "security/trust-manager")
    sides = ({"spec": _template(2, "a")}, {"spec": _template(2, "b")})
    chart = "kubernetes:helm.sh/v4:Chart$"
    ours = thing(*at, *sides, chain=f"linkerd-platform:certificates:CertManager${chart}")
    theirs = thing(*at, *sides, chain=chart)
    assert impact(whole(ours)).restarts == ("security/trust-manager (2 replicas)",)
    assert impact(whole(theirs)).restarts == ()


def test_certificates_are_issued_anew_when_what_they_say_changes() -> None:
    """cert-manager leaves a certificate alone when only its renewal moves."""
    found = impact(
        whole(
            thing(
                "Certificate", "linkerd/a", _certificate(), _certificate(dnsNames=["x"])
            ),
            thing(
                "Certificate", "linkerd/b", _certificate(), _certificate(renewBefore="20h0m0s")
            ),
            thing("Certificate", "linkerd/c", None, _certificate()),
            resource(_ROOT, "r", {"issuerName": "one"}, {"issuerName": "two"}, Op.REPLACE),
        )
    )  # fmt: skip
    assert found.reissued == ("linkerd/a", "root two in Vault")


def test_pods_that_must_restart_are_told_with_the_reason() -> None:
    """What the injector wrote into a pod stays until the pod goes."""
    bundles = [{"spec": {"sources": [{"secret": {"name": n}} for n in names]}} for names in
               (["a"], ["a", "b"])]  # fmt: skip
    found = impact(
        whole(
            settings(
                "proxy: {image: {version: one}, logLevel: warn}",
                "proxy: {image: {version: two}, logLevel: debug}",
            ),
            thing("Bundle", "linkerd-identity-trust-roots", *bundles),
            thing(
                "Namespace", "web", {}, {"metadata": {"annotations": {"linkerd.io/inject": "x"}}}
            ),
            resource("kubernetes:helm.sh/v3:Release", "gateway-api-crds", {"v": 1}, {"v": 2}),
        )
    ).need_restart
    assert found == (
        "every meshed pod keeps its proxy until it restarts (proxy.image.version one to two)",
        "every meshed pod keeps its settings until it restarts (proxy.logLevel)",
        "the control plane, then every meshed pod: pods read roots at start",
        "pods in namespace web: linkerd.io/inject is read at a pod's start",
        "linkerd-destination: it looks up kinds of routes at start",
    )


def test_tracing_restarts_the_control_plane_and_waits_for_the_others() -> None:
    """Half of the pods would send no spans, and nobody would know why."""
    off, on = (
        f"proxy: {{tracing: {{enabled: {enabled}, collector: {{endpoint: {endpoint}}}}}}}"
        for enabled, endpoint in (("false", "''"), ("true", "a:4317"))
    )
    volumes: list[list[object]] = [[], [{"name": "linkerd-podinfo"}]]
    sides = ({"template": {"spec": {"volumes": each}}, "replicas": 3} for each in volumes)
    found = impact(whole(settings(off, on), workload("linkerd/linkerd-identity", *sides)))
    assert found.restarts == ("linkerd-identity (3 replicas)",)
    (told,) = found.need_restart
    assert told.startswith("every meshed pod keeps its settings until it restarts (proxy.tracing.")


def test_proxy_moves_with_the_chart_even_where_its_values_are_not_seen() -> None:
    """A plan without Helm knows no object, but that the chart moves."""
    move = ChartMove(chart="linkerd-control-plane", before="2026.6.3", after="2026.6.4")
    found = impact(whole(moves=(move,)))
    assert found.need_restart == (
        "every meshed pod keeps its proxy until it restarts (the control plane's chart moves)",
    )
    assert found.moves == ("linkerd-control-plane 2026.6.3 to 2026.6.4",)


def test_who_could_be_denied_is_told_from_policy_and_trust() -> None:
    """Denied calls are the first thing that users notice."""
    found = impact(
        whole(
            thing("AuthorizationPolicy", "web/a", {"spec": {}}, None),
            settings("proxy: {defaultInboundPolicy: audit}", "proxy: {defaultInboundPolicy: deny}"),
            thing("ConfigMap", "web/c", {"data": {}}, None),
        )
    ).denied
    assert found == (
        "callers of pods in the whole mesh that no policy matches, after these pods restart",
        "callers that AuthorizationPolicy web/a allowed",
    )


def test_touched_are_sorted_by_what_they_are() -> None:
    """Six kinds of things that cannot be put right by another `up`."""
    found = impact(
        whole(
            thing("CustomResourceDefinition", "a.b", {"spec": {}}, None),
            resource("kubernetes:helm.sh/v3:Release", "x", None, {"name": "linkerd-crds"}),
            thing("Namespace", "web", None, {}),
            resource(_ROOT, "root", {"a": 1}, {"a": 2}),
            resource("vault:index/policy:Policy", "read", {"a": 1}, {"a": 2}),
            thing("MutatingWebhookConfiguration", "hook", {"webhooks": []}, {"webhooks": [1]}),
            resource("pulumi:providers:vault", "vault", {"a": 1}, {"a": 2}),
            thing("ConfigMap", "web/c", None, {}),
        )
    ).touched
    assert {what: set(names) for what, names in found.items()} == {
        "CRDs": {"a.b (delete)", "x (create)"},
        "namespaces": {"web (create)"},
        "anchors": {"root (update)"},
        "PKI": {"root (update)", "read (update)"},
        "webhooks": {"hook (update)"},
        "providers": {"vault (update)"},
    }


def test_nothing_is_answered_with_no() -> None:
    """An answer that is always there is no answer."""
    found = impact(whole(thing("ConfigMap", "web/c", {"data": {"a": 1}}, {"data": {"a": 2}})))
    assert not any((found.restarts, found.reissued, found.need_restart, found.denied, found.moves))
    assert not any(found.touched.values())


def test_what_is_said_of_many_namespaces_is_said_once() -> None:
    """A wave of 60 namespaces would fill a page with one sentence."""
    inject = {"metadata": {"annotations": {"linkerd.io/inject": "enabled"}}}
    namespaces = [thing("Namespace", f"team-{n}", {}, inject) for n in range(4)]
    networks = [
        thing("EgressNetwork", f"team-{n}/egress", None, {"spec": {"trafficPolicy": "Deny"}})
        for n in range(3)
    ]
    found = impact(whole(*namespaces, *networks))
    (restart,) = found.need_restart
    why = "linkerd.io/inject is read at a pod's start"
    assert restart == f"pods in 4 namespaces: {why}: team-0, team-1, team-2, team-3"
    (denied,) = found.denied
    assert denied == (
        "pods in 3 namespaces (team-0, team-1, team-2) that call hosts outside the cluster which "
        "no route allows"
    )
    (one, two) = impact(whole(*namespaces[:2])).need_restart
    assert one == "pods in namespace team-0: linkerd.io/inject is read at a pod's start"
    assert two.startswith("pods in namespace team-1: ")
