# Weir. `make demo` shows it, `make test` tests it; both set up all they need (Debian, root).
PYTHON ?= /usr/bin/python3
VENV   ?= .venv
BIN    := $(VENV)/bin
NODES  ?= 2
ROUNDS ?= 5
JOBS   ?= 2
PARTS  := api operator node-probe cli
BUILT_AGAIN := tests/test_images.py::test_built_again_it_is_the_same
export PYTHON VENV

.DEFAULT_GOAL := help
.PHONY: help setup demo test e2e cluster-up cluster-down lint images crds chart lock bench bench-scale protocol fuzz clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 14

setup: ## apt packages, venv, compiled parts
	@scripts/setup.sh

demo: setup ## a small shop of network namespaces, observed live
	@$(BIN)/weir demo

test: setup lint ## every test, JOBS at a time, with real eBPF, servers, kube-apiserver and a cluster
	-PYTHONPATH=tests:. $(BIN)/python -m kube.binaries
	$(BIN)/pytest --numprocesses=$(JOBS) --no-loadscope-reorder --deselect=$(BUILT_AGAIN) || \
	{ echo "What failed is run again, alone: if it passes now, two tests at a time were too many for this machine." && \
	$(BIN)/pytest --last-failed --last-failed-no-failures=none --deselect=$(BUILT_AGAIN); }

cluster-up: setup ## a real Kubernetes cluster on this machine, of NODES nodes; prints how to reach it
	@PYTHONPATH=tests:. $(BIN)/python -m kube.binaries >/dev/null
	@PYTHONPATH=tests:. $(BIN)/python -m kube.cluster up --nodes $(NODES)

cluster-down: setup ## end the cluster of cluster-up
	@PYTHONPATH=tests:. $(BIN)/python -m kube.cluster down

e2e: setup ## only Weir on a real cluster: made for it, or the one of KUBECONFIG; ROUNDS of random faults
	@PYTHONPATH=tests:. $(BIN)/python -m kube.binaries >/dev/null
	WEIR_E2E_ROUNDS=$(ROUNDS) $(BIN)/pytest tests/e2e $(BUILT_AGAIN)

lint: setup ## ruff, mypy, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	for conftest in */tests/conftest.py tests/conftest.py; do $(BIN)/mypy $$conftest || exit 1; done
	$(BIN)/lint-imports

images: setup ## build/images/*.tar for docker, kind, containerd; ARCH=arm64, ENGINE=none, BCC=1, FRESH=1
	$(BIN)/python -m images $(if $(ARCH),--arch=$(ARCH)) $(if $(ENGINE),--engine=$(ENGINE)) $(if $(BCC),--bcc) $(if $(FRESH),--fresh)

crds: setup ## write crds/ and the generated docs from api/
	$(BIN)/python -m weir_api.crd crds
	$(BIN)/python -m weir_api.docs docs/reference

chart: setup ## write charts/weir and what `weir install` carries, from config/ (by kubectl)
	PYTHONPATH=tests:scripts:. $(BIN)/python -m manifests

bench: setup ## print figures; not a test
	$(BIN)/python bench/flows.py
	$(BIN)/python bench/ticks.py
	$(BIN)/python bench/payload.py
	$(BIN)/python bench/calls.py

bench-scale: setup ## what NODES=1000 nodes cost the operator and the API server; minutes
	PYTHONPATH=tests:bench:. $(BIN)/python -m scale --nodes $(or $(NODES),1000)

protocol: setup ## begin an application protocol: NAME=x
	@PYTHONPATH=scripts $(BIN)/python -m protocol $(NAME)

fuzz: setup ## fuzz an application protocol by libFuzzer: PROTOCOL=http1 RUNS=1000000; KEEP=1 writes its corpus
	PYTHONPATH=node-probe/tests $(BIN)/python -m fuzz $(PROTOCOL) --runs=$(or $(RUNS),1000000) $(if $(KEEP),--keep)

lock: setup ## lock the newest versions, with hashes
	cd requirements && for part in dev runtime uv; do ../$(BIN)/uv pip compile -q --upgrade --generate-hashes --python-version 3.11 --no-header $$part.in -o $$part.txt; done
	cd requirements && for part in operator probe build; do ../$(BIN)/uv pip compile -q --upgrade --generate-hashes --python-version 3.11 --no-header -c dev.txt $$part.in -o $$part.txt; done

clean: ## remove what setup and builds made
	rm -rf $(VENV) build
	find node-probe/src \( -name '*.so' -o -name '*.bpf.o' \) -delete
	rm -rf node-probe/build
