"""The servers that are asked: a cluster's API server and Vault, as their clients."""
