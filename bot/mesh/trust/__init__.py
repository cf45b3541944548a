"""The trust anchor of a fleet as it is seen: generations, leaves, and whether a step is safe."""
