"""Which namespaces are in the mesh, and what their proxies are like."""
