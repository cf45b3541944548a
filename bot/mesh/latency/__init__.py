"""What the mesh costs in latency and throughput, as pairs of one run."""
