"""What Helm makes of our values: the same every time, and nothing secret in it."""

from __future__ import annotations

import base64
import binascii
import io
import json
import os
import re
import tarfile
import time
from pathlib import Path

import pytest

from tests.charts import helm
from tests.charts.program import NOT_PUBLIC, STACKS, USES, ChartUse, evaluate

# Each gives something else at every call; from Helm's and Sprig's lists of template functions.
VARYING = (
    r"gen(?:PrivateKey|CA|CAWithKey|SelfSignedCert|SelfSignedCertWithKey|SignedCert|"
    r"SignedCertWithKey)|rand(?:AlphaNum|Alpha|Ascii|Numeric|Bytes|Int)|uuidv4|shuffle|htpasswd|"
    r"bcrypt|encryptAES|ago|getHostByName|lookup"
)
# A description of a field may speak of one; this is one.
KEY = r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}"
ACTION = re.compile(r"\{\{.*?\}\}", re.DOTALL)


def without_chance(chart: Path, folder: Path) -> Path:
    """The chart with every function of chance or time replaced by one that is neither.

    A result taken apart (`$ca.Cert`) then fails to render, and one printed shows in the text.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as out, tarfile.open(chart) as tar:
        for member in tar:
            source = tar.extractfile(member)
            if source is None:
                continue
            content = source.read()
            if "/templates/" in member.name and not member.name.endswith(("/NOTES.txt",)):
                content = ACTION.sub(_constant, content.decode()).encode()
            info = tarfile.TarInfo(member.name)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    target = folder / chart.name
    target.write_bytes(packed.getvalue())
    return target


def _constant(action: re.Match[str]) -> str:
    text = re.sub(rf"(?<![\w.$\"-])(?:{VARYING})(?=[\s)])", 'print "CONSTANT"', action[0])
    return re.sub(r"(?<![\w.$\"-])now(?=[\s)|])", '(toDate "2006-01-02" "2001-02-03")', text)


@pytest.mark.parametrize(("stack", "name"), USES)
def test_chance_and_time_have_no_part_in_the_result(stack: str, name: str, tmp_path: Path) -> None:
    """A certificate or a time made while rendering is a diff in every preview, for ever."""
    use = evaluate(stack).charts[name]
    chart = helm.archive(use)
    assert helm.text_of(use, without_chance(chart, tmp_path)) == helm.text_of(use, chart)


@pytest.mark.parametrize("broken", ["profileValidator", "policyValidator", "proxyInjector"])
def test_a_certificate_made_while_rendering_is_found(broken: str, tmp_path: Path) -> None:
    """The search must bite: without its Secret, each webhook's certificate comes from Sprig."""
    use = evaluate("production").charts["linkerd-control-plane"]
    chart = helm.archive(use)
    plain = {k: v for k, v in use.values.items() if k != broken}
    altered = ChartUse(use.release, use.namespace, use.path, plain)
    with pytest.raises(AssertionError, match="Cert"):
        helm.text_of(altered, without_chance(chart, tmp_path))


def test_the_time_of_the_heartbeat_is_found(tmp_path: Path) -> None:
    """The chart's own default schedule is ten minutes from now."""
    use = evaluate("production").charts["linkerd-control-plane"]
    chart = helm.archive(use)
    altered = ChartUse(
        use.release, use.namespace, use.path, {**use.values, "disableHeartBeat": False}
    )
    constant = helm.text_of(altered, without_chance(chart, tmp_path))
    assert constant != helm.text_of(altered, chart)


@pytest.mark.skipif(not os.environ.get("CHARTS_SLOW"), reason="takes a minute: set CHARTS_SLOW=1")
def test_two_renderings_a_minute_apart_are_byte_identical() -> None:
    """The rule itself, by the clock: schedules count in minutes."""
    uses = {}
    for stack in STACKS:
        for use in evaluate(stack).charts.values():
            if use.release != NOT_PUBLIC:
                uses[json.dumps([use.release, use.values], sort_keys=True)] = use
    first = {key: _now(use) for key, use in uses.items()}
    time.sleep(61)
    assert {key: _now(use) for key, use in uses.items()} == first


def _now(use: ChartUse) -> str:
    return helm.render_now(use.release, use.namespace, helm.archive(use), json.dumps(use.values))


@pytest.mark.parametrize(("stack", "name"), USES)
def test_no_object_holds_a_private_key(stack: str, name: str) -> None:
    """What is rendered is in the state and in previews, in clear."""
    use = evaluate(stack).charts[name]
    for key, manifest in helm.objects(helm.text_of(use, helm.archive(use))).items():
        assert not any(holds_key(text) for text in helm.strings(manifest)), key


def holds_key(text: str) -> bool:
    """Whether a string holds a PEM private key, plain or as base64."""
    for candidate in (text, *re.findall(r"[A-Za-z0-9+/=]{40,}", text)):
        try:
            decoded = base64.b64decode(candidate, validate=True).decode("latin-1")
        except (binascii.Error, ValueError):
            decoded = ""
        if any(re.search(KEY, form) for form in (candidate, decoded)):
            return True
    return False


def test_a_private_key_made_by_a_chart_is_found() -> None:
    """Upstream's default puts the injector's key into a Secret."""
    use = evaluate("production").charts["linkerd-control-plane"]
    plain = {k: v for k, v in use.values.items() if k != "proxyInjector"}
    altered = ChartUse(use.release, use.namespace, use.path, plain)
    rendered = helm.objects(helm.text_of(altered, helm.archive(use)))
    secret = rendered["Secret", "linkerd", "linkerd-proxy-injector-k8s-tls"]
    assert any(holds_key(text) for text in helm.strings(secret))


@pytest.mark.parametrize(("stack", "name"), USES)
def test_no_object_is_a_hook(stack: str, name: str) -> None:
    """The engine leaves hooks out without a word: what one does must be a resource of ours."""
    use = evaluate(stack).charts[name]
    hooks = [
        key
        for key, manifest in helm.objects(helm.text_of(use, helm.archive(use))).items()
        if "helm.sh/hook" in (manifest["metadata"].get("annotations") or {})
    ]
    assert not hooks


@pytest.mark.parametrize(("stack", "name"), USES)
def test_every_namespaced_object_is_in_a_namespace_of_ours(stack: str, name: str) -> None:
    """An object in a namespace that nobody labels has no pod security and is no part of a plan."""
    use = evaluate(stack).charts[name]
    ours = {obj["metadata"]["name"] for obj in evaluate(stack).of_kind("Namespace")}
    found = {ns for _, ns, _ in helm.objects(helm.text_of(use, helm.archive(use))) if ns}
    # Roles there let an API server extension read what it needs.
    assert found - {"kube-system"} <= ours
