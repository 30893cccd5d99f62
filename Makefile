# Latchkey. `make help` lists what there is. Python 3.11 or newer and make are all it takes; the rest installs itself.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test bench-import bench-hashes bench-refresh check format lock build deploy clean

# The first Python on the path that is new enough; PYTHON=… overrides it.
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(name) -c 'import sys; print("$(name)" if sys.version_info >= (3, 11) else "")' 2>/dev/null)))
PY := .venv/bin/python
SAM := SAM_CLI_TELEMETRY=0 .venv-sam/bin/sam
# Without --no-deps pip would resolve again what the locks have resolved.
PIP_INSTALL := -m pip --disable-pip-version-check --no-input install --quiet --no-deps

help: ## List the commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

# PORT, HOST, ISSUER, KEY, LIMITS, ADMIN and DATA reach it as environment: `make run PORT=9000`.
run: .venv/.installed ## Run the whole service on this machine
	@exec $(PY) -m infra.local

test: .venv/.installed ## Run all tests
	@HYPOTHESIS_PROFILE=$${HYPOTHESIS_PROFILE:-thorough} $(PY) -m pytest --numprocesses auto --dist loadfile

bench-import: .venv/.installed ## Import 10,000 users into a twin and measure; USERS=… and DATA=1
	@$(PY) -m tests.bench.import_users

bench-hashes: .venv/.installed ## Measure what the hashes of other systems cost, without the CPU's SHA instructions
	@OPENSSL_ia32cap=:~0x20000000 OPENSSL_armcap=0 $(PY) -m tests.bench.foreign_hashes

bench-refresh: .venv/.installed ## Simulate phones and thieves for the refresh limits; SCALE=0.1 for a look
	@$(PY) -m tests.bench.refresh

check: .venv/.installed ## Lint, types, template, locks
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check
	@$(PY) -m mypy
	@.venv/bin/cfn-lint template.yaml
	@$(PY) -m infra.packaging.locks --check
	@$(PY) -m infra.packaging.tidiness

format: .venv/.installed ## Format the code, and mend what the linter can mend
	@$(PY) -m ruff check --fix --quiet || true
	@$(PY) -m ruff format

lock: .venv/.installed ## Make the lock files again; UPGRADE=1 takes newer versions
	@$(PY) -m infra.packaging.locks $(if $(UPGRADE),--upgrade)

build: .venv-sam/.installed ## Build for Lambda, in .aws-sam
	@python3.13 -c '' 2>/dev/null || { \
	  echo 'sam build needs a python3.13 that runs, since the functions run on it; with pyenv, set PYENV_VERSION.' >&2; \
	  exit 1; }
	@architecture=$$(.venv-sam/bin/python -m infra.packaging.architecture) && \
	  $(SAM) build --parameter-overrides "Architecture=$$architecture"
	@.venv-sam/bin/python -m infra.packaging.architecture pin

deploy: .venv/.installed ## Deploy to your AWS account; the first time it asks how
	@$(PY) -m infra.packaging.update
	@$(MAKE) --no-print-directory build
	@$(SAM) deploy $(shell grep -q '^region' samconfig.toml || echo --guided)

clean: ## Remove what was built and installed
	rm -rf .venv .venv-sam .aws-sam .mypy_cache .pytest_cache .ruff_cache .hypothesis tests/e2e/verifiers/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.installed: requirements.txt pyproject.toml
	$(call new_venv,.venv,about half a minute)
	@$(PY) $(PIP_INSTALL) --require-hashes --requirement requirements.txt
	@$(PY) $(PIP_INSTALL) --no-build-isolation --editable .
	@touch $@

.venv-sam/.installed: infra/packaging/sam-requirements.txt
	$(call new_venv,.venv-sam,the SAM CLI; about a minute)
	@.venv-sam/bin/python $(PIP_INSTALL) --require-hashes --requirement $<
	@touch $@

define new_venv
@test -n '$(PYTHON)' || { echo 'Latchkey needs Python 3.11 or newer; name one: make PYTHON=/path/to/python' >&2; exit 1; }
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
  echo 'Latchkey needs Python 3.11 or newer, and $(PYTHON) is not.' >&2; exit 1; }
@echo 'Installing into $(1) ($(2)) …'
@$(PYTHON) -m venv $(1) || { echo 'This Python has no venv; on Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
endef
