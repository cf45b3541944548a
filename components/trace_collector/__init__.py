"""What the component `Tracing` is made from: the collector's config, its objects, Jaeger."""
