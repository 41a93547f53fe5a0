# Every target is safe to repeat. `make help` lists them.
SHELL := /bin/bash -eu -o pipefail
.DEFAULT_GOAL := help
PYTHON ?= python3
PYTHONS := >=3.11,<3.15
VENV := .venv
BIN := $(VENV)/bin
# The installer: the one on PATH, or the locked one, which any python3 can install.
UV := $(if $(shell command -v uv),,.tools/uv/.installed)
export PATH := $(CURDIR)/$(BIN):$(PATH):$(CURDIR)/.tools/uv/bin
# Bytecode is compiled once at install. Without it, dbt and Airflow start seconds slower.
unexport PYTHONDONTWRITEBYTECODE
# These need a part of the environment only. Once everything is installed, it serves them, too.
RUNS := run up down status env manifest
INSTALLED := $(VENV)/.$(if $(WORKERS)$(wildcard $(VENV)/.installed)$(filter-out $(RUNS),$(MAKECMDGOALS)),installed,runnable)
# Programs whose requirements conflict with ours. Each has a separate environment, created on demand.
TOOLS := audit checkov cloud datamodel lakehouse spark
# Where the tests of the product run: here, or in a copy with exactly the sample.
TREE := python -m tests.tree
# PYTEST_ARGS may select tests of one suite only. pytest exits with 5 if it selects none.
SOME := $(if $(PYTEST_ARGS),|| [ $$? = 5 ])
MANIFEST := dbt/target/manifest.json
# A release that is younger than a week is not taken: most malicious ones are found within days.
WEEK_AGO = $(shell $(PYTHON) -c 'import datetime as d; print(d.date.today() - d.timedelta(days=7))')
LOCK = uv pip compile --exclude-newer $(WEEK_AGO) --universal --python-version 3.11 --generate-hashes \
	--excludes requirements/excluded.in --no-emit-index-url --no-emit-find-links --quiet --custom-compile-command "make lock"

.PHONY: help setup source run up down status env doctor test test-e2e test-alerts test-fault soak chaos sim test-cloud test-lakehouse test-celery test-compose \
	lint lint-types lint-style lint-wheels format lock audit manifest docs pictures mutants bench bench-pipeline \
	bench-day bench-lakehouse bench-health bench-history clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED) $(MANIFEST) ## Install everything this project needs into .venv (hash-locked)

.tools/uv/.installed: requirements/uv.txt
	@$(PYTHON) -m local.doctor --problems
	@$(PYTHON) -m venv --clear .tools/uv
	@.tools/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(VENV)/.runnable: requirements/local.txt
$(VENV)/.installed: requirements/dev.txt
# With a fitting interpreter of this machine, or one that uv downloads. PYTHON=python3.12 decides.
$(VENV)/.%: $(UV)
	@$(PYTHON) -m local.doctor --problems
	@test -x $(BIN)/python || uv venv --quiet --python '$(if $(filter file,$(origin PYTHON)),$(PYTHONS),$(PYTHON))' $(VENV)
	@echo "installing the locked requirements into $(VENV) ..."
	@uv pip sync --python $(BIN)/python --require-hashes --compile-bytecode --quiet $(filter %.txt,$^)
	@touch $@

.tools/%/.installed: requirements/tools/%.txt $(INSTALLED)
	@echo "installing $* into .tools/$* ..."
	@uv venv --quiet --clear --python $(BIN)/python .tools/$*
	@uv pip sync --python .tools/$*/bin/python --require-hashes --compile-bytecode --quiet $<
	@touch $@

# Cosmos builds the DAG from the manifest. Parsing needs no database. The date of a folder tells that a
# file in it was deleted.
manifest: $(MANIFEST) ## Build dbt's manifest, from which Cosmos builds the DAG
$(MANIFEST): $(INSTALLED) $(wildcard dbt/*.yml) \
		$(shell find dbt/models dbt/macros dbt/tests -type d -o -name '*.sql' -o -name '*.yml')
	@cd dbt && dbt --quiet parse --no-partial-parse --profiles-dir .  # a partial one loses descriptions
	@touch $@

docs: setup ## Write dbt's documentation and lineage (dbt/target/static_index.html)
	@cd dbt && dbt --quiet docs generate --static --empty-catalog --no-compile --profiles-dir .
	@echo "open dbt/target/static_index.html"

pictures: setup ## Draw the pictures of README.md and docs/ with a real browser (needs Chromium)
	@python -m tests.pictures
	@python -m tests.pictures.recording

run: setup ## Run the main job on the local stack (API=https://... | POSTS=137 SEED=7 | DAY=2026-01-31)
	@python -m local run $(if $(DAY),--day $(DAY)) $(if $(API),--api $(API)) \
		$(if $(POSTS),--posts $(POSTS)) $(if $(SEED),--seed $(SEED)) \
		$(if $(WORKERS),--workers $(WORKERS))

source: setup .tools/datamodel/.installed ## Add a source (URL='https://api.example.com/v1/orders' NAME=orders AUTH=bearer | REMOVE=posts)
	@$(if $(REMOVE),python -m tests.tree keep '$(REMOVE)' && python -m scripts.source remove $(REMOVE),\
		python -m scripts.source add '$(URL)' '$(NAME)' $(if $(AUTH),--auth '$(AUTH)'))
	@ruff check --quiet --fix --select F401 sources && ruff format --quiet sources
	@$(MAKE) --no-print-directory manifest

up: setup ## Start the local stack and leave it running (WORKERS=2: Celery)
	@python -m local up $(if $(API),--api $(API)) $(if $(POSTS),--posts $(POSTS)) $(if $(SEED),--seed $(SEED)) \
		$(if $(WORKERS),--workers $(WORKERS))

status: $(INSTALLED) ## Show what runs, where it listens, which alerts arrived and if the pipeline is healthy
	@python -m local status

doctor: ## Show what this machine has, and what would make a run fail
	@$(PYTHON) -m local.doctor

down: $(INSTALLED) ## Stop the local stack (PURGE=1 also deletes its state)
	@python -m local down $(if $(PURGE),--purge)

env: setup ## Write .env for docker compose, with new secrets (PROFILES=local,celery)
	@python -m local.dotenv --profiles "$(PROFILES)"

# Suites that start no stack run two at a time. Stacks run one after the other.
test: setup .tools/datamodel/.installed ## Run the tests
	@python -m pytest tests/declared $(PYTEST_ARGS) $(SOME)
	@$(TREE) pytest --numprocesses 2 --dist loadfile tests/unit tests/protocol tests/integration tests/browser $(PYTEST_ARGS) $(SOME)
	@$(TREE) pytest tests/fault tests/e2e --ignore tests/fault/pipeline/test_faults.py $(PYTEST_ARGS) $(SOME)

test-e2e: setup .tools/datamodel/.installed ## Test rerun, clear, backfill, pause and failure on the real stack
	@$(TREE) pytest tests/e2e -m thorough --ignore tests/e2e/alerts --ignore tests/e2e/test_alert_delivery.py $(PYTEST_ARGS)

test-alerts: setup ## Cause every class of alert on the real stack, and refuse its delivery in every way
	@$(TREE) pytest tests/e2e/alerts tests/e2e/test_alert_delivery.py -m thorough $(PYTEST_ARGS)

test-fault: setup ## Inject every fault into the real stack, and count every record (FIRST=1: one of each class)
	@$(TREE) pytest $(if $(FIRST),tests/fault/pipeline/test_faults.py,tests/fault tests/integration/erase/test_erase.py -m fault) $(PYTEST_ARGS)

soak: setup ## Run through days of faults and count every record (DAYS=30 SEED=1, WRITE=1 into docs)
	@$(TREE) tests.soak --days $(or $(DAYS),30) --seed $(or $(SEED),1) $(if $(WRITE),--write)

chaos: setup ## Stop Postgres every 5 to 40 seconds while days land, and count (MINUTES=30 SEED=1, WRITE=1 into docs)
	@$(TREE) tests.chaos --minutes $(or $(MINUTES),30) --seed $(or $(SEED),1) $(if $(WRITE),--write)

sim: setup ## Let loaders, builds, an eraser and others move in many orders (N=500 SEED=1), each repeatable by its seed
	@$(TREE) pytest tests/sim $(PYTEST_ARGS)
	@$(TREE) tests.sim --schedules $(or $(N),500) --seed $(or $(SEED),1)

test-cloud: setup .tools/cloud/.installed ## Apply terraform/ to a cloud on loopback, test every identity, destroy
	@$(TREE) pytest tests/cloud $(PYTEST_ARGS)

test-lakehouse: setup .tools/spark/.installed .tools/lakehouse/.installed ## Run the main job on Delta tables and a Spark Connect engine, kill both, compare with PostgreSQL
	@$(TREE) pytest tests/lakehouse $(PYTEST_ARGS)

test-celery: setup ## Run the main job on two Celery workers, and kill one in the middle of a load
	@PIPELINE_TEST_WORKERS=2 $(TREE) pytest tests/e2e/test_main_job.py $(PYTEST_ARGS)
	@PIPELINE_TEST_WORKERS=2 $(TREE) pytest tests/celery $(PYTEST_ARGS)

test-compose: setup ## Start docker-compose.yaml on a container engine, kill every part of it, and attack it
	@$(TREE) pytest tests/compose $(PYTEST_ARGS)

mutants: setup ## Break the code on purpose: each committed patch must fail its named test
	@$(TREE) tests.mutants

bench: setup ## Measure the claims of docs/benchmarks.md and write them there
	@$(TREE) benchmarks.load --write

bench-pipeline: setup ## Measure landing to marts, and waiting, and write them there (PEERS=1: also other tools)
	@$(TREE) benchmarks.pipeline --write $(if $(PEERS),--peers)

bench-day: setup ## Measure a day of a million records from landing to marts, and write it there
	@$(TREE) benchmarks.large_day --write

bench-lakehouse: setup .tools/spark/.installed .tools/lakehouse/.installed ## Measure large days on PostgreSQL and on a lakehouse, and write it into docs/scaling.md
	@$(TREE) benchmarks.lakehouse --write

bench-health: setup ## Measure a request to the health page with two years of ledger, and write it there
	@$(TREE) benchmarks.health --write

bench-history: setup ## Measure a day's transform over a year of history, and on the first day, and write it there
	@$(TREE) benchmarks.history --write

lint: lint-types lint-style lint-wheels ## Run every linter (make -j2 lint: two at a time)

lint-types: setup ## Check the types
	@mypy

# Every requirement must have a wheel: nobody needs a compiler.
lint-wheels: $(INSTALLED) ## Look for a wheel of each requirement on each system and Python that is supported
	@for system in x86_64-manylinux_2_28 aarch64-manylinux_2_28 aarch64-apple-darwin; do \
		for python in 3.11 3.12 3.13 3.14; do \
			uv pip sync --dry-run --quiet --require-hashes --only-binary :all: --python-platform $$system \
				--python-version $$python --target .tools/wheels requirements/dev.txt || \
				{ echo "not installable: $$system, Python $$python" >&2; exit 1; }; done; done

lint-style: setup .tools/checkov/.installed ## Run every linter except the type checker
	@ruff format --check --quiet .
	@ruff check --quiet .
	@sqlfluff lint --disable-progress-bar --nocolor dbt | tail -n 40
	@yamllint --strict .
	@if command -v shellcheck >/dev/null; then shellcheck .ci/run .ci/mirror; \
		else echo "shellcheck has no wheel for this machine: shell scripts are not checked"; fi
	@hadolint Dockerfile
	@.tools/checkov/bin/checkov --quiet --compact --skip-download --directory . \
		--framework terraform dockerfile --skip-path '^/?\.' >.tools/checkov.log || { cat .tools/checkov.log; exit 1; }
	@if command -v terraform >/dev/null; then terraform fmt -check -recursive terraform; \
		else echo "terraform is not on PATH: its form is not checked"; fi
	@bandit --quiet --recursive --severity-level medium sources scripts callbacks dags local deploy benchmarks
	@# Names of secrets and of their backend, not their values.
	@git ls-files -- ':!requirements/*.txt' ':!tests' | xargs detect-secrets-hook --exclude-secrets '^(pipeline-[a-z]+$$|arn:aws:|airflow\.providers)'
	@zizmor --offline --quiet .github
	@python -m tests.language

format: $(INSTALLED) ## Format the code and fix what the linters can fix
	@ruff format .
	@ruff check --fix .

audit: setup .tools/audit/.installed ## Look up the known vulnerabilities of every locked requirement
	@for file in requirements/*.txt requirements/tools/*.txt; do echo "$$file" && \
		.tools/audit/bin/pip-audit --strict --require-hashes --disable-pip --requirement "$$file" || exit 1; done

lock: $(INSTALLED) ## Resolve the requirements again and lock them with hashes
	@$(LOCK) requirements/uv.in --output-file requirements/uv.txt
	@$(LOCK) requirements/dev.in --output-file requirements/dev.txt
	@for tool in $(TOOLS); do \
		$(LOCK) requirements/tools/$$tool.in --output-file requirements/tools/$$tool.txt; done
	@for part in runtime local; do $(LOCK) requirements/$$part.in \
		--constraint requirements/dev.txt --output-file requirements/$$part.txt; done

clean: ## Delete the virtual environment, the tools' caches and dbt/target (not the stack's state)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dbt/target
