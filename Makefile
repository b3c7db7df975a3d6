# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The Python the virtual environment is made from; found by itself when empty.
PYTHON ?=
# More arguments for what a target runs: make demo ARGS=-v, make unit ARGS="-k ledger".
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin

# Ansible keeps its temporary files in the checkout, so that an unset, read-only or foreign HOME does not matter.
export ANSIBLE_HOME := $(CURDIR)/.ansible
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

# Scripts in a virtual environment carry its absolute path: after a move of the checkout, or when its Python has gone, it is made again.
VENV_USABLE := $(shell [ ! -e $(VENV)/bin ] || { [ "$$(cat $(VENV)/.made-in 2>/dev/null)" = "$(CURDIR)" ] && $(BIN)/python -c "" 2>/dev/null && echo yes; } || { rm -f $(VENV)/.stamp-run $(VENV)/.stamp-test; echo no; })

.DEFAULT_GOAL := help
.PHONY: help demo test lint unit integration sanity molecule device-matrix exhaustive killed rehearsal bench reference clean
.NOTPARALLEL:

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.stamp-run ## Roll two releases out over a simulated fleet: no root, no containers
	@ANSIBLE_REMOTE_TMP="$(ANSIBLE_HOME)/tmp" $(BIN)/ansible-playbook -i inventory/simulated.yml playbooks/demo.yml $(ARGS)
	@echo; cat .demo/rollouts/demo-v1.1.0/summary.txt; echo; cat .demo/rollouts/demo-v1.2.0/summary.txt

test: $(VENV)/.stamp-test ## Run every check; what cannot run on this machine is skipped by name
	@$(BIN)/python tests/run.py --install-packages $(ARGS)

lint: $(VENV)/.stamp-test ## Run formatters, linters, type checks and documentation checks
	@$(BIN)/python tests/run.py --group lint $(ARGS)

unit: $(VENV)/.stamp-test ## Run unit and property tests
	@$(BIN)/python tests/run.py --group unit $(ARGS)

integration: $(VENV)/.stamp-test ## Run the playbooks over simulated devices
	@$(BIN)/python tests/run.py --group integration $(ARGS)

sanity: $(VENV)/.stamp-test ## Run ansible-test sanity
	@$(BIN)/python tests/run.py --group sanity $(ARGS)

molecule: $(VENV)/.stamp-test ## Build, publish and roll out on systemd containers (root, podman)
	@$(BIN)/python tests/run.py --install-packages --group molecule $(ARGS)

device-matrix: $(VENV)/.stamp-test ## Try every kind of host in every state with every operation, and print the table
	@$(BIN)/python -m tests.matrix $(ARGS)

exhaustive: $(VENV)/.stamp-test ## Run all integration tests, also those that `make test` leaves out because others tell most of it
	@$(BIN)/python -m pytest -q -n 3 --dist worksteal -m "" tests/integration $(ARGS)

killed: $(VENV)/.stamp-test ## Kill the controller at every point of an update, and have the playbook go on
	@$(BIN)/python -m pytest -q -n 2 -m "" tests/integration/rollout/test_killed.py $(ARGS)

rehearsal: $(VENV)/.stamp-test ## Roll out over 1,000 simulated devices, 40% asleep, 2% failing; ARGS="--devices 60 --seed 5"
	@PYTHONPATH=$(VENV)/collections $(BIN)/python -m tests.rehearsal $(ARGS)

bench: $(VENV)/.stamp-test ## Measure a rollout against a playbook by hand and against no Ansible, a pass of the engine, and unchanged variants
	@PYTHONPATH=$(VENV)/collections $(BIN)/python -m tests.benchmarks.engine
	@PYTHONPATH=$(VENV)/collections $(BIN)/python -m tests.benchmarks.images
	@PYTHONPATH=$(VENV)/collections $(BIN)/python -m tests.benchmarks.rollout $(ARGS)

reference: $(VENV)/.stamp-test ## Write docs/reference.md, and all modules, plugins and roles as HTML into .reference/html
	@$(BIN)/python scripts/reference.py
	@rm -rf .reference && mkdir -p -m 755 .reference/rst
	@PATH="$(CURDIR)/$(BIN):$$PATH" ANSIBLE_COLLECTIONS_PATH=$(VENV)/collections $(BIN)/antsibull-docs collection \
	  --use-current --squash-hierarchy --fail-on-error --dest-dir .reference/rst skorionos.bootc
	@# Labels of Ansible's own documentation lead nowhere here; those of the collection are checked by make lint.
	@$(BIN)/sphinx-build -M html .reference/rst .reference -q -C -D project=skorionos.bootc -D html_theme=alabaster \
	  -D extensions=sphinx_antsibull_ext -D highlight_language=YAML+Jinja -D pygments_style=ansible -D suppress_warnings=ref.ref
	@echo ".reference/html/index.html"

clean: ## Remove what these targets made; keeps rollouts/ and releases/
	rm -rf $(VENV) .ansible .demo .reference tests/output .mypy_cache .pytest_cache .ruff_cache .hypothesis changelogs/.plugin-cache.yaml
	rm -f skorionos-bootc-*.tar.gz
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.stamp-run: pyproject.toml scripts/venv.sh scripts/requirements.py
	@MAKECMDGOALS="$(MAKECMDGOALS)" PYTHON="$(PYTHON)" scripts/venv.sh run

$(VENV)/.stamp-test: pyproject.toml scripts/venv.sh scripts/requirements.py $(VENV)/.stamp-run
	@MAKECMDGOALS="$(MAKECMDGOALS)" PYTHON="$(PYTHON)" scripts/venv.sh test
