# `make` lists the targets. Each makes what it needs: the virtual environment first of all.
SHELL := /bin/bash -euo pipefail
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.requirements
PACK := policies/.venv
# The resolver of `make lock`; nothing else runs it.
# renovate: datasource=pypi depName=uv
UV := 0.13.9
# All that is installed is in the lock, so nothing is resolved, and what has another digest is refused.
# A job builds nothing from source either: what a build needs is in no lock.
INSTALL := -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
	$(if $(CI),--only-binary :all:) --requirement

.PHONY: help venv lock lock-check test test-unit test-charts test-e2e test-slow lint plan policies \
	charts charts-lock kubeconfig reviewers helm toolchain toolchain-lock actionlint kube-state-metrics \
	prometheus-operator sandbox sandbox-down bench docs clean

help: ## List the targets
	@sed -nE 's/^([a-z0-9-]+):[^#]*## (.*)$$/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) \
		| while IFS=$$'\t' read -r name text; do printf '  make %-19s %s\n' "$$name" "$$text"; done

venv: $(STAMP) ## Make .venv with what requirements.lock pins

# Compiled at once, because the engine starts the program anew for every preview and update.
$(STAMP): requirements.txt requirements.lock
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
		then found=$$python; break; fi; done; \
	if [ -z "$${found:-}" ]; then \
		echo "make: Python 3.11 or newer is needed, and none is on PATH: install it," \
			"or name it as in 'make PYTHON=/path/to/python3.12'" >&2; exit 3; fi; \
	$(PY) -c '' 2>/dev/null || "$$found" -m venv --clear $(VENV)
	@$(PY) $(INSTALL) requirements.lock
	@$(PY) -m compileall -q $(VENV)/lib || true  # some packages ship templates that are no Python
	@touch $@

lock: ## Resolve each requirements.txt anew into its lock (LOCK_FLAGS=--upgrade: the newest of all)
	@$(PYTHON) -m venv --clear .local/uv
	@.local/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV)
	@for folder in . policies; do (cd $$folder && UV_CUSTOM_COMPILE_COMMAND="make lock" \
		$(CURDIR)/.local/uv/bin/uv pip compile requirements.txt --output-file requirements.lock \
		--universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --quiet $(LOCK_FLAGS)); done

lock-check: venv ## Check that the locks are those of requirements.txt, without asking an index
	@$(PY) -m pytest --quiet tests/unit/test_requirements.py

test: venv ## Run every test that this machine can, in three tiers (TEST_MINUTES=60), and count them
	@$(PY) -m tests.run unit charts e2e

test-unit: venv ## Run the unit tests and the linters: seconds, needs nothing else
	@$(PY) -m tests.run unit

test-charts: venv ## Render the charts with our values: needs helm and the archives
	@$(PY) -m tests.run charts

test-e2e: venv ## Run against real servers on loopback: needs Go or the servers' programs
	@$(PY) -m tests.run e2e

test-slow: venv ## Run every test, rotations and renders a minute apart too: takes much longer
	@CHARTS_SLOW=1 E2E_SLOW=1 $(PY) -m tests.run unit charts e2e

lint: venv ## Check style, types and generated documentation
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(PY) -m stack.docs --check

plan: venv ## Show what every stack is made of, without any credentials, into .plan/
	@$(PY) -m bot plan --all --out .plan

policies: $(PACK)/.requirements ## Make policies/.venv, in which the engine runs the policy pack

$(PACK)/.requirements: policies/requirements.txt policies/requirements.lock | $(STAMP)
	@$(PACK)/bin/python -c '' 2>/dev/null || $(PY) -m venv --clear $(PACK)
	@$(PACK)/bin/python $(INSTALL) policies/requirements.lock
	@$(PACK)/bin/python -m compileall -q $(PACK)/lib || true  # as above
	@touch $@

charts: venv ## Download the charts that charts.yaml lists (CHARTS_LOCATION=url, oci:// or folder)
	@$(PY) -m bot.cli.fetch_charts

charts-lock: venv ## Write the digests of the downloaded charts into charts.yaml
	@$(PY) -m bot.cli.fetch_charts --lock

kubeconfig: ## Write $KUBECONFIG_DATA to ~/.kube/config where there is none: for a job of CI
	@if [ -z "$${KUBECONFIG_DATA:-}" ]; then echo "make: KUBECONFIG_DATA is empty: no cluster" >&2; \
	elif [ -e ~/.kube/config ]; then echo "make: ~/.kube/config is there: left as it is" >&2; exit 4; \
	else umask 077; mkdir -p ~/.kube; printenv KUBECONFIG_DATA > ~/.kube/config; fi

reviewers: venv ## Write who approved this run, for a job of CI, into the variable APPROVED_BY
	@$(PY) -m bot.comments.reviewers

helm: venv ## Build the pinned helm into .local/bin, whatever is on PATH: needs Go, two minutes
	@SANDBOX_MIRROR=off $(PY) -m sandbox toolchain --own helm
	@mkdir -p .local/bin && ln -sfn "$$(SANDBOX_MIRROR=off $(PY) -m sandbox toolchain --own helm | awk '/^helm / {print $$2}')" \
		.local/bin/helm
	@if [ -n "$${GITHUB_PATH:-}" ]; then echo "$(CURDIR)/.local/bin" >> "$$GITHUB_PATH"; fi

toolchain: venv ## Download or build the sandbox's servers (SANDBOX_MIRROR=url in front, off to build)
	@$(PY) -m sandbox toolchain

toolchain-lock: venv ## Write the digests of the downloaded programs into sandbox/sources.yaml
	@$(PY) -m sandbox toolchain --lock

actionlint: venv ## Build actionlint, with which test-e2e checks the workflows: needs Go, half a minute
	@$(PY) -m sandbox toolchain actionlint

kube-state-metrics: venv ## Build it, which tells the alerts' test-e2e of Deployments and pods: needs Go
	@$(PY) -m sandbox toolchain kube-state-metrics

prometheus-operator: venv ## Build it and its webhook, which test-e2e has read our objects: needs Go
	@$(PY) -m sandbox toolchain prometheus-operator prometheus-operator-admission-webhook

sandbox: venv ## Deploy to a local cluster made for it (CONTEXT=name or KIND=1 for another, STRICT=1, TRAFFIC=1)
	@$(PY) -m sandbox run $(if $(CONTEXT),--context $(CONTEXT)) $(if $(KIND),--kind) $(if $(STRICT),--strict) \
		$(if $(TRAFFIC),--traffic)

sandbox-down: venv ## Destroy what the sandbox made, and stop its servers
	@$(PY) -m sandbox down

bench: venv ## Measure evaluation, preview and update as ratios
	@$(PY) -m bench

docs: venv ## Write the generated documentation anew
	@$(PY) -m stack.docs
	@$(PY) -m bot.changes.page
	@$(PY) -m bot.mesh.status.page

clean: ## Remove the virtual environment and caches; a running sandbox is left alone
	@rm -rf $(VENV) $(PACK) .plan .local .mypy_cache .ruff_cache .pytest_cache
