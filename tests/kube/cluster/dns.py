"""Names in the cluster: CoreDNS, built once from its module's sources, as a Deployment behind the Service kube-dns."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from images import cache
from kube.cluster.network import DNS_SERVICE

IMAGE = "localhost/coredns:1"
_SOURCES = Path(__file__).parent / "coredns"


class CoreDNSMissingError(Exception):
    """CoreDNS cannot be had on this machine; the text says why."""


def build() -> Path:
    """The program, in the cache: built there with Go, 2 to 4 minutes, unless it is there.

    Raises CoreDNSMissingError with the reason.
    """
    sources = b"".join(file.read_bytes() for file in sorted(_SOURCES.iterdir()))
    with cache.locked(cache.folder("cluster")) as folder:
        program = folder / f"coredns-{hashlib.sha256(sources).hexdigest()[:16]}"
        if not program.exists():
            _build(program)
    return program


def _build(program: Path) -> None:
    if shutil.which("go") is None:
        raise CoreDNSMissingError("go is not on PATH, so CoreDNS cannot be built, and Debian 12 has no package of it")
    partial = program.with_suffix(".partial")
    command = ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", str(partial), "."]
    built = subprocess.run(
        command, cwd=_SOURCES, env=os.environ | {"CGO_ENABLED": "0"}, capture_output=True, text=True, check=False
    )
    if built.returncode != 0:
        raise CoreDNSMissingError(f"building CoreDNS failed: {built.stderr.strip()[-1000:]}")
    partial.replace(program)


MANIFESTS = f"""\
apiVersion: v1
kind: ServiceAccount
metadata: {{name: coredns, namespace: kube-system}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: system:coredns}}
rules:
  - {{apiGroups: [""], resources: [services, pods, namespaces], verbs: [list, watch]}}
  - {{apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: system:coredns}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: system:coredns}}
subjects: [{{kind: ServiceAccount, name: coredns, namespace: kube-system}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: coredns, namespace: kube-system}}
data:
  # no `forward`: there is no resolver outside; other names do not exist
  Corefile: |
    .:53 {{
      errors
      log
      health
      ready
      kubernetes cluster.local in-addr.arpa ip6.arpa {{
        ttl 5
      }}
      cache 5
    }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: coredns, namespace: kube-system}}
spec:
  replicas: 2
  selector: {{matchLabels: {{k8s-app: kube-dns}}}}
  template:
    metadata: {{labels: {{k8s-app: kube-dns}}}}
    spec:
      serviceAccountName: coredns
      priorityClassName: system-cluster-critical
      dnsPolicy: Default
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector: {{matchLabels: {{k8s-app: kube-dns}}}}
      containers:
        - name: coredns
          image: {IMAGE}
          imagePullPolicy: Never
          args: [-conf, /etc/coredns/Corefile]
          readinessProbe:
            httpGet: {{path: /ready, port: 8181}}
            periodSeconds: 1
          volumeMounts: [{{name: config, mountPath: /etc/coredns}}]
      volumes: [{{name: config, configMap: {{name: coredns}}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: kube-dns, namespace: kube-system, labels: {{k8s-app: kube-dns}}}}
spec:
  clusterIP: {DNS_SERVICE}
  selector: {{k8s-app: kube-dns}}
  ports:
    - {{name: dns, port: 53, protocol: UDP}}
    - {{name: dns-tcp, port: 53, protocol: TCP}}
"""
