"""What meshed workloads may reach outside the cluster."""
