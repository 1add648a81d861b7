"""A real Kubernetes API server on this machine, and the stand-in provider that applies to it."""
