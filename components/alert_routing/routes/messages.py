"""What a receiver reads: cluster, environment, namespace, severity, summary and runbook.

Templates of Alertmanager, in line, because an AlertmanagerConfig cannot bring a file of them:
https://prometheus.io/docs/alerting/latest/notifications/
"""

from __future__ import annotations

# Slack and Splunk On-Call cut what is long; the first few say what it is.
MOST = 10
_WHERE = (
    "{{ .CommonLabels.cluster }}{{ with .CommonLabels.namespace }}/{{ . }}{{ end }}"
    "{{ with .CommonLabels.environment }} ({{ . }}){{ end }}"
)
_SEVERITY = "{{ with .CommonLabels.severity }}{{ . | toUpper }} {{ end }}"
TITLE = (
    '{{ if eq .Status "resolved" }}Resolved: {{ end }}'
    f"{_SEVERITY}{{{{ .CommonLabels.alertname }}}} in {_WHERE}"
    '{{ if and (eq .Status "firing") (gt (len .Alerts.Firing) 1) }}'
    ", {{ len .Alerts.Firing }} alerts{{ end }}"
)
_LABELS = "".join(
    f"{{{{ with $alert.Labels.{label} }}}}{label}: {{{{ . }}}}\n{{{{ end }}}}"
    for label in ("cluster", "environment", "namespace", "severity")
)
_MORE = f"{{{{ if gt (len .Alerts) {MOST} }}}}and {{{{ len .Alerts }}}} in all{{{{ end }}}}"


def _each(summary: str, runbook: str) -> str:
    return (
        f"{{{{ range $i, $alert := .Alerts }}}}{{{{ if lt $i {MOST} }}}}"
        f'{{{{ if eq $alert.Status "resolved" }}}}Resolved: {{{{ end }}}}{summary}\n'
        "{{ with $alert.Annotations.description }}{{ . }}\n{{ end }}"
        f"{_LABELS}"
        f"{{{{ with $alert.Annotations.runbook_url }}}}{runbook}\n{{{{ end }}}}\n"
        f"{{{{ end }}}}{{{{ end }}}}{_MORE}"
    )


# https://api.slack.com/reference/messaging/attachments
SLACK_TEXT = _each("*{{ $alert.Annotations.summary }}*", "<{{ . }}|Runbook>")
SLACK_COLOR = (
    '{{ if eq .Status "resolved" }}good'
    '{{ else if eq .CommonLabels.severity "critical" }}danger'
    '{{ else if eq .CommonLabels.severity "info" }}#439FE0'
    "{{ else }}warning{{ end }}"
)
RUNBOOK = "{{ .CommonAnnotations.runbook_url }}"
# Splunk On-Call opens an incident for CRITICAL, for WARNING where it is set to, for INFO never:
# https://help.victorops.com/knowledge-base/incident-fields-glossary/
MESSAGE_TYPE = (
    '{{ if eq .CommonLabels.severity "critical" }}CRITICAL'
    '{{ else if eq .CommonLabels.severity "info" }}INFO'
    "{{ else }}WARNING{{ end }}"
)
STATE_MESSAGE = _each("{{ $alert.Annotations.summary }}", "Runbook: {{ . }}")
MONITORING_TOOL = "Prometheus"
# A key `vo_annotate.u.<title>` becomes a link of the incident:
# https://help.victorops.com/knowledge-base/rest-endpoint-integration-guide/
CUSTOM_FIELDS = {
    "cluster": "{{ .CommonLabels.cluster }}",
    "environment": "{{ .CommonLabels.environment }}",
    "namespace": "{{ .CommonLabels.namespace }}",
    "severity": "{{ .CommonLabels.severity }}",
    "alertname": "{{ .CommonLabels.alertname }}",
    "vo_annotate.u.Runbook": RUNBOOK,
}
