"""How far the namespaces of a cluster are in the mesh, and what comes next."""
