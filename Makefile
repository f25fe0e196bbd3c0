# make demo   first result in a minute: simulator, embedded PostgreSQL, a full and a recent pull
# make test   lint, types, import contracts and the tests, as CI runs them; make test-slow the long ones
# make benchmark   most of what docs/performance.md shows; its quota alone takes ten minutes, the peers longer
# make lock   rewrite requirements/ from pyproject.toml (needs uv)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
JOBS ?= 2

.PHONY: demo install test test-slow lint types contracts unit test-postgres15 benchmark lock docs format clean

demo: install
	@$(BIN)/syncer demo

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml requirements/runtime.txt requirements/build.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "syncer needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv module is missing; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "making $(VENV) ..." >&2; $(PYTHON) -m venv $(VENV); }
	@echo "installing what syncer needs into $(VENV) ..." >&2
	@$(PIP) install --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements/dev.txt
	@echo "installing the test tools into $(VENV) ..." >&2
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

# The tools of deploy/check, apart from what syncer and its tests need.
$(VENV)-deploy/.installed: requirements/deploy.txt
	@test -x $(VENV)-deploy/bin/python || $(PYTHON) -m venv $(VENV)-deploy
	@$(VENV)-deploy/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/deploy.txt
	@touch $@

test: lint types contracts unit test-postgres15

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

contracts: $(VENV)/.installed-dev
	$(BIN)/lint-imports

unit: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(JOBS) -m 'not slow'

# What takes minutes: sixty days of alerts, a million files, many kills, memory, the built wheel.
test-slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(JOBS) -m slow

# The campaigns of docs/guarantees.md at full length; each prints its figures as Markdown. They are no part of make test.
SEED ?= 1
STEPS ?= 10000
ROUNDS ?= 1000
SECONDS ?= 60
.PHONY: steps campaign planted fuzz
steps: $(VENV)/.installed-dev
	$(BIN)/python -m campaign.steps --steps $(STEPS) --seed $(SEED)
campaign: $(VENV)/.installed-dev
	$(BIN)/python -m campaign.kills --rounds $(ROUNDS) --seed $(SEED) $(if $(WORLDS),--worlds $(WORLDS))
planted: $(VENV)/.installed-dev
	$(BIN)/python -m campaign.planted

# atheris needs an environment of its own; decode needs no library at all.
fuzz: .fuzz/.installed
	.fuzz/bin/python -m campaign.fuzz -max_total_time=$(SECONDS)
.fuzz/.installed: requirements/fuzz.txt
	$(PYTHON) -m venv .fuzz
	.fuzz/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/fuzz.txt
	touch $@

# mutmut needs an environment of its own too, beside what the rooms import.
.PHONY: mutation
mutation: .mutation/.installed
	.mutation/venv/bin/python -m campaign.mutation
.mutation/.installed: requirements/mutation.txt
	$(PYTHON) -m venv .mutation/venv
	.mutation/venv/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/mutation.txt
	touch $@

# The oldest supported server, where this machine has it (Debian 12's postgresql-15); the main run uses the embedded PostgreSQL 18.
POSTGRES15 ?= /usr/lib/postgresql/15/bin
test-postgres15: $(VENV)/.installed-dev
	@if test -x $(POSTGRES15)/postgres; then \
	  set -x; SYNCER_PG_BIN=$(POSTGRES15) $(BIN)/python -m pytest -n $(JOBS) -m 'database and not slow and not one_server' tests/integration tests/migrations; \
	else echo "PostgreSQL 15 not found in $(POSTGRES15): its run is left out (apt-get install postgresql-15)"; fi

# The long ones are run by their names: benchmarks/memory.py, benchmarks/ten_million.py, and each of these with more files.
benchmark: $(VENV)/.installed-dev
	@for each in startup pulls quota peers; do $(BIN)/python benchmarks/$$each.py || exit 1; done

# The parts of the documents that are written from the code; tests compare them.
docs: $(VENV)/.installed-dev
	$(BIN)/python scripts/write_settings_table.py
	$(BIN)/python scripts/write_dashboard.py

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# --universal: one lock for every platform. No index address may enter these files.
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links
lock:
	$(COMPILE) pyproject.toml --group dev --group build -o requirements/dev.txt
	$(COMPILE) pyproject.toml -c requirements/dev.txt -o requirements/runtime.txt
	$(COMPILE) --group build -c requirements/dev.txt -o requirements/build.txt
	$(COMPILE) --group deploy -c requirements/dev.txt -o requirements/deploy.txt

clean:
	rm -rf $(VENV) $(VENV)-deploy .fuzz .mutation dist build .mypy_cache .ruff_cache .pytest_cache
