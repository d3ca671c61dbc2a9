#!/bin/sh
# The compilers: Python's headers are the target's, and gcc when it is another machine's.
. /stages/target.sh
native=$(dpkg --print-architecture)
cross=
[ "$TARGETARCH" = "$native" ] || cross=gcc-$(echo $machine | tr _ -)-linux-gnu
dpkg --add-architecture "$TARGETARCH"
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
	python3-venv gcc libc6-dev clang libbpf-dev $cross "libpython3-dev:$TARGETARCH"
