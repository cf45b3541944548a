"""The Grafana dashboards of the platform, as data: one module per dashboard."""
