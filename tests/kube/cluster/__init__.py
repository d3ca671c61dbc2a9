"""A real Kubernetes cluster on one Linux machine, without a container engine or a registry: see docs/e2e.md."""
