# Latchkey. `make help` lists what there is. Python 3.11 or newer and make are all it takes; the rest installs itself.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run sam-local test e2e-stack bench-abuse bench-import bench-hashes bench-refresh check proof sbom format lock \
	build prerequisites \
	deploy clean

# The first Python on the path that is new enough; PYTHON=… overrides it.
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(name) -c 'import sys; print("$(name)" if sys.version_info >= (3, 11) else "")' 2>/dev/null)))
PY := .venv/bin/python
# The settings of samconfig.toml that `build` and `deploy` use; ENV=prod overrides it.
ENV := dev
SAM := SAM_CLI_TELEMETRY=0 .venv-sam/bin/sam
# Every package goes into a .venv, whatever the environment or a pip.conf says of other places.
export PIP_USER := 0
unexport PIP_TARGET PIP_PREFIX PIP_ROOT PIP_PYTHON PIP_DRY_RUN PIP_CONSTRAINT PIP_REQUIREMENT PIP_EDITABLE PYTHONHOME
# Without --no-deps pip would resolve again what the locks have resolved.
PIP_INSTALL := -m pip --disable-pip-version-check --no-input install --quiet --no-deps

help: ## List the commands
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

# PORT, HOST, ISSUER, KEY, LIMITS, ADMIN and DATA reach it as environment: `make run PORT=9000`.
run: .venv/.installed ## Run the whole service on this machine
	@exec $(PY) -m infra.local

# PORT, IMAGE and OPTIONS reach it as environment. It asks for Docker before minutes are spent on the SAM CLI.
sam-local: prerequisites .venv/.installed ## Run it by sam local, in AWS's image of Lambda; needs Docker
	@$(PY) -m infra.sam_local --check
	@$(MAKE) --no-print-directory .venv-sam/.installed
	@exec $(PY) -m infra.sam_local

test: .venv/.installed ## Run all tests
	@rm -rf .latchkey/rights
	@HYPOTHESIS_PROFILE=$${HYPOTHESIS_PROFILE:-thorough} RIGHTS_USED=$(CURDIR)/.latchkey/rights \
	  $(PY) -m pytest --numprocesses auto --dist loadfile
	@$(PY) -m tests.rights_used .latchkey/rights

bench-abuse: .venv/.installed ## Measure what hostile requests cost, in units of the table, CPU and USD; REQUESTS=…
	@$(PY) -m tests.bench.abuse

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

e2e-stack: prerequisites .venv/.installed .venv-sam/.installed ## Deploy the built stack into an emulator, use and update it
	@$(PY) -m pytest tests/proof/test_emulated_stack.py

proof: .venv/.installed .venv-sam/.installed .venv-proof/.installed ## Check what takes minutes: builds, checkov, sam local
	@$(PY) -m pytest tests/proof

sbom: .venv/.installed ## List the packages that Lambda gets, as CycloneDX, in dist
	@$(PY) -m infra.packaging.sbom dist/latchkey.cdx.json

format: .venv/.installed ## Format the code, and mend what the linter can mend
	@$(PY) -m ruff check --fix --quiet || true
	@$(PY) -m ruff format

lock: .venv/.installed ## Make the lock files again; UPGRADE=1 takes newer versions
	@$(PY) -m infra.packaging.locks $(if $(UPGRADE),--upgrade)

build: .venv-sam/.installed ## Build for Lambda, in .aws-sam; ENV=prod for that stack
	@architecture=$$(.venv-sam/bin/python -m infra.packaging.architecture '$(ENV)') && \
	  ARCHITECTURE=$$architecture $(SAM) build --config-env '$(ENV)' --parameter-overrides "Architecture=$$architecture"
	@.venv-sam/bin/python -m infra.packaging.architecture '$(ENV)' pin

# What is missing is said before minutes are spent on the SAM CLI.
prerequisites:
	$(require_python)
	@$(PYTHON) -m infra.packaging.prerequisites

# STACK, REGION and PARAMETERS reach it as environment, and answer its questions: `make deploy REGION=eu-north-1`.
deploy: prerequisites .venv/.installed ## Deploy to your AWS account; the first time it asks how. ENV=prod
	@$(PY) -m infra.packaging.first_deployment '$(ENV)'
	@$(PY) -m infra.packaging.update '$(ENV)'
	@$(MAKE) --no-print-directory build
	@if [ -t 0 ]; then asks=; else asks=--no-confirm-changeset; fi; $(SAM) deploy --config-env '$(ENV)' $$asks

clean: ## Remove what was built and installed
	rm -rf .venv .venv-sam .venv-proof .aws-sam dist tests/e2e/verifiers/node_modules
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.installed: requirements.txt pyproject.toml
	$(call new_venv,.venv,about half a minute)
	@$(PY) $(PIP_INSTALL) --require-hashes --requirement requirements.txt
	@$(PY) $(PIP_INSTALL) --no-build-isolation --editable .
	@touch $@

.venv-sam/.installed: infra/packaging/sam-requirements.txt | prerequisites
	$(call new_venv,.venv-sam,the SAM CLI; about a minute)
	@.venv-sam/bin/python $(PIP_INSTALL) --require-hashes --requirement $<
	@touch $@

.venv-proof/.installed: infra/packaging/proof-requirements.txt
	$(call new_venv,.venv-proof,checkov; about a minute)
	@.venv-proof/bin/python $(PIP_INSTALL) --require-hashes --requirement $<
	@touch $@

define require_python
@test -n '$(PYTHON)' || { echo 'Latchkey needs Python 3.11 or newer; name one: make PYTHON=/path/to/python' >&2; exit 1; }
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
  echo 'Latchkey needs Python 3.11 or newer, and $(PYTHON) is not.' >&2; exit 1; }
endef

define new_venv
$(require_python)
@echo 'Installing into $(1) ($(2)) …'
@$(PYTHON) -m venv $(1) || { echo 'This Python has no venv; on Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
endef
