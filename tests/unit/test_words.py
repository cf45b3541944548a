"""Value types of the sections about workloads: what they take, and what they say instead."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schema import words


@pytest.mark.parametrize(
    ("check", "good"),
    [
        (words.calendar_date, ["2026-12-01", "2028-02-29"]),
        (words.port_range, ["1", "65535", "8000-8100", "80-80"]),
        (words.quantity, ["1", "0.5", "100m", "64Mi", "1G", "250k"]),
        (words.label_key, ["team", "example.com/team", "a" * 63, "app.kubernetes.io/name"]),
        (words.label_value, ["web", "Web_1.2-x", "a" * 63]),
        (words.project_file, ["plan.yaml", "rollout/staging.yaml", "a/b c/.hidden..yaml"]),
    ],
)
def test_what_is_good_is_taken_as_it_is(check: Callable[[str], str], good: list[str]) -> None:
    """Another form of it would be a change in the next preview."""
    assert [check(text) for text in good] == good


@pytest.mark.parametrize(
    ("check", "bad"),
    [
        (
            words.calendar_date,
            ["2026-02-29", "2026-1-1", "20261201", "01.12.2026", "\uff12026-12-01"],
        ),
        (words.port_range, ["0", "65536", "-1", "80-", "90-80", "1-2-3", "http", "", " 80"]),
        (words.quantity, ["0", "0m", "-1", "1 Mi", "64MB", "", "m", "1e"]),
        (words.label_key, ["", "-a", "a/b/c", "a b", "a" * 64, "A.com/x"]),
        (words.label_value, ["-a", "a b", "a" * 64]),
        (words.project_file, ["", ".", "/a", "../a", "a/../b", "a\\b", "a\nb", "a" * 256]),
        (words.workload, ["legacy", "pod/a", "deploy/", "deploy/A", "/a", "deploy/a/b"]),
    ],
)
def test_what_is_not_is_refused_on_one_line(check: Callable[[str], str], bad: list[str]) -> None:
    """Each of them would be ignored in silence by whoever reads it in the cluster."""
    for text in bad:
        with pytest.raises(ValueError, match=r"is n|refuses") as caught:
            check(text)
        assert "\n" not in str(caught.value), text


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("deploy", "Deployment"),
        ("Deployment", "Deployment"),
        ("sts", "StatefulSet"),
        ("ds", "DaemonSet"),
        ("job", "Job"),
        ("cronjob", "CronJob"),
    ],
)
def test_a_workload_has_the_kind_that_the_api_server_has(written: str, kind: str) -> None:
    """It is compared with owners of pods, and in the guard's expressions."""
    assert words.workload(f"{written}/legacy") == f"{kind}/legacy"
