"""Makes from config/, by `kubectl kustomize`, what is installed without it: `python -m manifests`."""
