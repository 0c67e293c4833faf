# Everything that is needed is installed into .venv; only Python >= 3.11 and make have to be there.
PYTHON ?= python3
VENV ?= .venv
AIRFLOW ?= 3.3
PY := $(VENV)/bin/python
SECONDS ?= 300
PYTHONS_TESTS := tests/hooks tests/operators tests/plugins tests/sensors tests/test_*.py

.PHONY: help setup demo test test-wheel test-slow soak test-pythons test-celery test-e2e coverage screenshots \
	lint docs bench dist release-check lock clean

help:  ## show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready  ## install everything into .venv

$(VENV)/.ready: requirements/airflow-$(AIRFLOW).txt requirements/uv.txt pyproject.toml scripts/setup_venv.sh
	@sh scripts/setup_venv.sh "$(PYTHON)" "$(VENV)" requirements/airflow-$(AIRFLOW).txt
	@touch "$(VENV)/.ready"

demo: setup  ## recordings into an emulated Edge Impulse, through real Airflow (KEEP=1 keeps its page open)
	@"$(PY)" scripts/demo.py $(if $(KEEP),--keep)

test: setup  ## all tests that take a moment
	@"$(PY)" -m pytest -m "not slow" -n 2 $(ARGS)

test-wheel: dist  ## the same tests on the installed wheel, with the sources out of reach
	@sh scripts/test_wheel.sh "$(PY)" -n 2 $(ARGS)

test-slow: setup  ## the tests that take longer: gigabytes, kills, every fault at every request
	@"$(PY)" -m pytest -m slow -n 2 tests/slow tests/faults $(ARGS)

soak: setup  ## minutes of syncs, uploads and kills in bad weather; what must not grow is measured (SECONDS=300)
	@"$(PY)" -m tests.soak $(SECONDS)

test-pythons:  ## what meets Airflow, on the other Pythons that this machine has, with the installed wheel
	@for version in 3.12 3.13; do \
		python=$$(sh scripts/find_python.sh $$version); \
		if [ -z "$$python" ]; then echo "Python $$version is not on this machine: left out."; continue; fi; \
		"$(MAKE)" --no-print-directory test-wheel VENV=.venv-py$$version PYTHON="$$python" ARGS="$(PYTHONS_TESTS)" || exit 1; \
	done

test-celery:  ## a sync by two Celery workers, one of them killed; root gets Redis and PostgreSQL installed
	@sh scripts/install_debian.sh redis-server postgresql
	@"$(MAKE)" --no-print-directory setup VENV=.venv-celery AIRFLOW=3.3-celery
	@.venv-celery/bin/python -m pytest tests/celery $(ARGS)

test-e2e:  ## Airflow's interface in a real browser; root gets chromium installed
	@sh scripts/install_debian.sh chromium
	@"$(MAKE)" --no-print-directory setup VENV=.venv-e2e AIRFLOW=3.3-e2e
	@.venv-e2e/bin/python -m pytest tests/e2e $(ARGS)

coverage: setup  ## the lines that the fast and slow tests run (ARGS="-m 'not slow' tests" for the fast ones alone)
	@sh scripts/coverage.sh "$(PY)" $(if $(ARGS),$(ARGS),tests)

screenshots:  ## the pictures in the documents, anew, by test-e2e
	@SCREENSHOTS=docs/images "$(MAKE)" --no-print-directory test-e2e

lint: setup  ## style, types, and that the lock files name no address
	@"$(PY)" -m ruff check .
	@"$(PY)" -m ruff format --check .
	@"$(PY)" -m mypy
	@! grep -nE '://|--(extra-)?index-url|--find-links' requirements/*.txt

docs: setup  ## the documentation site, into docs/_build; a warning is an error
	@"$(PY)" -m sphinx -W --keep-going --quiet -b html docs docs/_build
	@echo "docs/_build/index.html"

bench: setup  ## figures and aims, compared with common alternatives (ARGS=--quick for a small run)
	@sh scripts/install_debian.sh gcc libc6-dev libssl-dev openssl curl rclone iproute2
	@"$(PY)" -m bench $(ARGS)

dist: setup  ## the source distribution, and the wheel from it, into dist/
	@sh scripts/build.sh "$(PY)"

release-check: dist  ## version, changelog, tag, the content of dist/ and its metadata
	@"$(PY)" scripts/release_check.py

lock: setup  ## write the lock files anew (ARGS=--upgrade for the newest versions)
	@sh scripts/lock.sh "$(PY)" $(ARGS)

clean:  ## remove what the targets made
	rm -rf .venv .venv-* .demo .coverage* dist docs/_build .mypy_cache .ruff_cache .pytest_cache
