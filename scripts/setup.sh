#!/bin/sh
# Everything Weir needs on a bare Debian machine: apt packages, a venv from hash-locked requirements, the compiled parts.
# Each step is skipped when it is already done. Run by make; PYTHON and VENV come from there.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-/usr/bin/python3}
VENV=${VENV:-.venv}
say() { printf '\033[1m»\033[0m %s\n' "$*"; }

missing=
for package in $(grep -v '^#' requirements/apt.txt); do
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
	say "apt packages:$missing"
	apt-get update -qq
	# policy-rc.d: servers are started by the demo and the tests themselves, not by their packages
	[ -e /usr/sbin/policy-rc.d ] || { printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; made_policy=1; }
	# shellcheck disable=SC2086
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
	[ -z "${made_policy:-}" ] || rm -f /usr/sbin/policy-rc.d
fi

# BCC looks for its headers under the running kernel's name
if [ ! -e "/lib/modules/$(uname -r)" ]; then
	headers=$(find /lib/modules -mindepth 1 -maxdepth 1 -type d | sort -V | tail -n 1)
	[ -z "$headers" ] || { say "kernel headers: $headers"; ln -s "$headers" "/lib/modules/$(uname -r)"; }
fi

locked=$(cat requirements/uv.txt requirements/dev.txt | sha256sum | cut -d' ' -f1)
if [ "$(cat "$VENV/.locked" 2>/dev/null)" != "$locked" ]; then
	say "venv in $VENV from requirements/dev.txt"
	[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
	"$VENV/bin/pip" install -q --require-hashes -r requirements/uv.txt
	"$VENV/bin/uv" pip install -q --python "$VENV" --require-hashes -r requirements/dev.txt
	echo "$locked" >"$VENV/.locked"
fi

built=$({ find api operator cli -name pyproject.toml; find node-probe -name '*.pxd' -o -name '*.bpf.c' -o -name '*.h' -o -name 'setup.py' -o -name pyproject.toml; find node-probe/src -name '*.py'; } | sort | xargs cat | sha256sum | cut -d' ' -f1)
if [ "$(cat "$VENV/.built" 2>/dev/null)" != "$built" ]; then
	say "compile (Cython, BPF) and install the parts"
	"$VENV/bin/uv" pip install -q --python "$VENV" --no-deps --no-build-isolation -e api -e operator -e node-probe -e cli
	echo "$built" >"$VENV/.built"
fi
