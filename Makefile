# What one does with this repository. A machine needs Python 3.11 (or newer), git and make; uv is
# used where it is present. `make demo ARGS="--port 8001"`, `make test ARGS=tests/demo` pass words on.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
UV := $(shell uv --version >/dev/null 2>&1 && echo uv)
ARGS ?=

TEMPLATES := templates demo/thirdparty/templates $(wildcard demo/pages/templates)
COMPILE := pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

.PHONY: help install install-production demo test chromium otherserver proxies check format lock
.PHONY: check-style check-types check-imports check-templates check-migrations check-lock check-advisories

help:
	@echo "make demo      the product and another system beside it: open, click, try"
	@echo "make test      all tests"
	@echo "make check     style, types, imports, templates, migrations, lock, advisories"
	@echo "make format    let the formatter write"
	@echo "make lock      write requirements*.txt anew from pyproject.toml"
	@echo "make install   only .venv, with all that running and testing need"
	@echo "make install-production   what running needs and nothing else; VENV=path for another place than .venv"

install: .venv/.installed

# The lock is whole, so pip looks for nothing beyond it (--no-deps). Asked to, it takes the newest
# release of what somebody requires with an extra, and then refuses it for want of a hash.
.venv/.installed: requirements-dev.txt
	@echo "Installing into .venv (a minute at most) ..."
ifeq ($(UV),uv)
	@uv venv --quiet --allow-existing --python $(PYTHON) .venv
	@uv pip sync --quiet --require-hashes --python $(BIN)/python requirements-dev.txt
else
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements-dev.txt
endif
	@touch $@

# Made anew, so that nothing else is in it: a folder that holds more than an environment is refused.
VENV ?= .venv

install-production:
	@test ! -e $(VENV) -o -f $(VENV)/pyvenv.cfg || { echo "$(VENV) is there and is no environment: give VENV=path."; exit 1; }
	@echo "Installing what running needs into $(VENV) (a minute at most) ..."
ifeq ($(UV),uv)
	@uv venv --quiet --clear --python $(PYTHON) $(VENV)
	@uv pip sync --quiet --require-hashes --python $(VENV)/bin/python requirements.txt
else
	@$(PYTHON) -m venv --clear $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements.txt
endif
	@echo "Done: $(VENV)/bin/gunicorn serves config.wsgi:application."

demo: install
	@$(BIN)/python -m demo.first_env
	@exec $(BIN)/python manage.py demo $(ARGS)

test: install chromium otherserver proxies
	@exec $(BIN)/python -m tests -n 2 $(ARGS)

# The journeys want a browser. Where this may not install one, they are left out and said to be.
chromium: install
	@test -x /usr/bin/chromium || .ci/chromium

# A second real OAuth server. Where it cannot be installed, its tests are left out and said to be.
otherserver: install
	@.ci/otherserver

# The proxies of deploy/. Where they cannot be fetched, their tests are left out and said to be.
proxies: install
	@.ci/proxies

check: check-style check-types check-imports check-templates check-migrations check-lock check-advisories

check-style: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

check-types: install
	$(BIN)/mypy .

check-imports: install
	$(BIN)/lint-imports

check-templates: install
	$(BIN)/djlint --quiet --check $(TEMPLATES)
	$(BIN)/djlint --quiet --lint $(TEMPLATES)

check-migrations: install
	$(BIN)/python manage.py makemigrations --settings tests.settings --check --dry-run

# Versions are compared, not hashes: a wheel that is added to a release later changes nothing here.
check-lock: install
	@rm -rf .venv/lock-check && mkdir .venv/lock-check
	@cp pyproject.toml requirements.txt requirements-dev.txt .venv/lock-check/
	@cd .venv/lock-check && ../bin/uv $(COMPILE) pyproject.toml --extra dev --output-file requirements-dev.txt
	@cd .venv/lock-check && ../bin/uv $(COMPILE) pyproject.toml --constraints requirements-dev.txt --output-file requirements.txt
	@for file in requirements.txt requirements-dev.txt; do \
	  grep == $$file >.venv/lock-check/written; grep == .venv/lock-check/$$file >.venv/lock-check/wanted; \
	  diff .venv/lock-check/written .venv/lock-check/wanted \
	  || { echo "$$file is not in step with pyproject.toml: run make lock."; exit 1; }; \
	done

# Fails for a known vulnerability; where no source of advisories answers, it says so and goes on.
check-advisories: install
	@$(BIN)/python .ci/advisories.py

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	-$(BIN)/djlint --quiet --reformat $(TEMPLATES)

lock: install
	$(BIN)/uv $(COMPILE) pyproject.toml --extra dev --output-file requirements-dev.txt
	$(BIN)/uv $(COMPILE) pyproject.toml --constraints requirements-dev.txt --output-file requirements.txt
