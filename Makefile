# Needs Python >= 3.11 with pip and venv, and make; everything else is installed into this folder.
# A set-up is done once per content of pyproject.toml; `make clean` forgets all of them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_QUIET := 1

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
KEY := $(shell cksum < pyproject.toml | tr -d ' ')
TORCH := torch==2.13.0
TENSORFLOW := tensorflow==2.21.0
CLIENTS := triton kserve tensorflow_serving mlflow sagemaker vertex node schemathesis \
  sentence_embedding

# --- what can be asked for -----------------------------------------------------------------

.PHONY: help
help:
	@echo 'make demo             train, pack and serve two small models on http://127.0.0.1:8080'
	@echo 'make test             the suite of every part, about twelve minutes'
	@echo 'make test-faults      attacks, crashes, floods, full disks: what a service must live through'
	@echo 'make check            lint, formatting, types, floors, budgets, and every block of the docs'
	@echo 'make test-frameworks  torch, TensorFlow and other versions of scikit-learn, each in its own environment'
	@echo 'make test-oracles     the guards and costs against PyOD, crepes, MAPIE, scikit-learn, SciPy, river, Ciw'
	@echo 'make test-clients     clients of Triton, KServe, TensorFlow Serving, MLflow, the clouds; schemathesis'
	@echo 'make test-pages       every page in a real browser (Chromium): both themes, accessibility, weight'
	@echo 'make bench            every promise about speed, measured beside the peers (some minutes)'
	@echo 'make soak             every promise about reliability, at full length (hours; MINUTES=60 of it soak)'
	@echo 'make site             the documentation as web pages in ./site, which need no server'
	@echo 'make reference        write the generated pages of docs/reference again'
	@echo 'make clean            remove every environment and everything the above left behind'

.PHONY: demo
demo: .venv/demo-$(KEY)
	@.venv/bin/python examples/demo.py $(PORT)

# Files of tests go to three processes, which wait for a quarter of their time, in the order of their
# names: those that share a server stay together. Each has one thread for matrices: more of them would
# wait for each other, which takes as much of the processor as the work.
PYTEST := OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 .venv/bin/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder
APART := frameworks oracles clients browser house reliability hostile
.PHONY: test
test: .venv/test-$(KEY)
	@$(PYTEST) $(APART:%=--ignore tests/%)

.PHONY: test-faults
test-faults: .venv/test-$(KEY)
	@$(PYTEST) -m 'not alone' tests/reliability tests/hostile
	@.venv/bin/python -m pytest -q -m alone tests/reliability

.PHONY: check
check: .venv/test-$(KEY)
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/pyright
	@.venv/bin/lint-imports
	@.venv/bin/python -m pytest -q -n 2 --dist worksteal tests/house

.PHONY: test-frameworks
test-frameworks: .venv/test-$(KEY) .venvs/torch/ready-$(KEY) .venvs/tensorflow/ready-$(KEY)
	@.venvs/torch/bin/python -m pytest -q -m frameworks -k torch tests/frameworks
	@.venvs/tensorflow/bin/python -m pytest -q -m frameworks -k tensorflow tests/frameworks
	@.venv/bin/python -m pytest -q tests/frameworks/test_environments.py

.PHONY: test-oracles
test-oracles: .venvs/oracles/ready-$(KEY)
	@.venvs/oracles/bin/python -m pytest -q -m oracles tests/oracles

# Foreign clients run without Fairlead in their environment, against a server in ours.
.PHONY: test-clients
test-clients: .venv/test-$(KEY) $(CLIENTS:%=.venvs/clients/%/ready-$(KEY))
	@for client in $(CLIENTS); do echo "$$client:"; \
	  .venvs/clients/$$client/bin/python -m pytest -q -o filterwarnings=default \
	    --confcutdir tests/clients tests/clients/test_$${client}*.py; done

.PHONY: test-pages
test-pages: .venvs/pages/ready-$(KEY)
	@.venvs/pages/bin/python -m pytest -q --confcutdir tests/browser tests/browser

.PHONY: bench
bench: .venv/test-$(KEY)
	@.venv/bin/python -m benchmarks.install
	@.venv/bin/python -m benchmarks

# Each prints what it found and ends with 1 where a promise is not kept; all of them run.
SOAKED := swaps halves many kills restarts hang crossed poison dead neighbours overload storm rollouts
.PHONY: soak
soak: .venv/test-$(KEY)
	@failed=0; for promise in $(SOAKED); do echo "== $$promise"; \
	  .venv/bin/python -m benchmarks.reliability.$$promise || failed=1; done; \
	echo '== soak'; .venv/bin/python -m benchmarks.reliability.soak --minutes $(or $(MINUTES),60) \
	  || failed=1; exit $$failed

.PHONY: reference
reference: .venv/test-$(KEY)
	@.venv/bin/python scripts/reference.py

.PHONY: site
site: .venvs/site/ready-$(KEY)
	@.venvs/site/bin/python -m scripts.site site --base $(or $(BASE),/)

.PHONY: clean
clean:
	rm -rf .venv .venvs site benchmarks/.home .demo .fairlead .pytest_cache .ruff_cache .hypothesis .import_linter_cache

# --- environments --------------------------------------------------------------------------

# install(environment, requirements): makes the environment if it is not there, and fills it.
define install
	@test -n '$(PYTHON)' || { echo 'Python 3.11 or newer is needed (set PYTHON=...)' >&2; exit 2; }
	@test -x $(1)/bin/python || { echo 'making $(1)'; $(PYTHON) -m venv $(1); }
	@echo 'installing into $(1)'
	@$(1)/bin/python -m pip install --upgrade 'pip>=25.1'
	@$(1)/bin/python -m pip install $(2)
	@rm -f $(@D)/$(firstword $(subst -, ,$(@F)))-*
	@touch $@
endef

.venv/demo-$(KEY):
	$(call install,.venv,--editable '.[sklearn$(comma)pandas]')

.venv/test-$(KEY):
	$(call install,.venv,--editable . --group test --group check)

.venvs/torch/ready-$(KEY):
	$(call install,.venvs/torch,--editable '.[torch]' '$(TORCH)' --group pytest)

.venvs/tensorflow/ready-$(KEY):
	$(call install,.venvs/tensorflow,--editable '.[tensorflow]' '$(TENSORFLOW)' --group pytest)

.venvs/oracles/ready-$(KEY):
	$(call install,.venvs/oracles,--editable '.[onnx]' --group oracles)

.venvs/site/ready-$(KEY):
	$(call install,.venvs/site,--editable . --group site)

.venvs/pages/ready-$(KEY):
	$(call install,.venvs/pages,--editable . --group pages)

.venvs/clients/node/ready-$(KEY):
	$(call install,.venvs/clients/node,--group client-node)
	@cd .venvs/clients/node && npm install --silent --no-audit --no-fund \
	  '@grpc/grpc-js@^1.13' '@grpc/proto-loader@^0.8'

.venvs/clients/sentence_embedding/ready-$(KEY):
	$(call install,.venvs/clients/sentence_embedding,'$(TORCH)' --requirement tests/clients/requirements-embedding.txt)

.venvs/clients/%/ready-$(KEY):
	$(call install,.venvs/clients/$*,--group client-$*)

comma := ,
