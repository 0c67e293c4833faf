# Needs Python >= 3.11 and make; installs everything else into .venv.
PYTHON ?= python3
VENV ?= .venv
AIRFLOW ?= 3.3
PY := $(VENV)/bin/python
SECONDS ?= 300
PYTHONS_TESTS := tests/hooks tests/operators tests/plugins tests/sensors tests/test_*.py

.PHONY: help setup demo demo-project demo-release test test-wheel test-slow soak test-pythons test-celery test-e2e coverage \
	screenshots lint docs bench dist release-check lock clean

help:  ## show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready  ## install everything into .venv

$(VENV)/.ready: requirements/airflow-$(AIRFLOW).txt requirements/uv.txt pyproject.toml scripts/setup_venv.sh
	@sh scripts/setup_venv.sh "$(PYTHON)" "$(VENV)" requirements/airflow-$(AIRFLOW).txt
	@touch "$(VENV)/.ready"

demo: setup  ## upload recordings to an emulated Edge Impulse with real Airflow (KEEP=1 keeps the emulator's page open)
	@"$(PY)" scripts/demo.py $(if $(KEEP),--keep)

demo-project: setup  ## the same recordings as samples of a project, without an organization (KEEP=1 as for demo)
	@"$(PY)" scripts/demo.py --project $(if $(KEEP),--keep)

demo-release: setup  ## from recordings to firmware with real Airflow, twice: worse recordings are stopped by the gate
	@"$(PY)" scripts/demo_release.py

test: setup  ## the fast tests
	@"$(PY)" -m pytest -m "not slow" -n 2 $(ARGS)

test-wheel: dist  ## the same tests on the installed wheel, with the sources out of reach
	@sh scripts/test_wheel.sh "$(PY)" -n 2 $(ARGS)

test-slow: setup  ## the slow tests: gigabytes, kills, every fault at every request
	@"$(PY)" -m pytest -m slow -n 2 tests/slow tests/faults tests/check tests/studio tests/operators/test_job_kills.py $(ARGS)

soak: setup  ## syncs, uploads and kills under faults for minutes; memory must not grow (SECONDS=300)
	@"$(PY)" -m tests.soak $(SECONDS)

test-pythons:  ## the tests that use Airflow, on Python 3.12 and 3.13 if they are installed, on the installed wheel
	@for version in 3.12 3.13; do \
		python=$$(sh scripts/find_python.sh $$version); \
		if [ -z "$$python" ]; then echo "Python $$version is not installed: skipped."; continue; fi; \
		"$(MAKE)" --no-print-directory test-wheel VENV=.venv-py$$version PYTHON="$$python" ARGS="$(PYTHONS_TESTS)" || exit 1; \
	done

test-celery:  ## a sync on two Celery workers, a job in a triggerer, both killed; installs Redis and PostgreSQL (needs root)
	@sh scripts/install_debian.sh redis-server postgresql
	@"$(MAKE)" --no-print-directory setup VENV=.venv-celery AIRFLOW=3.3-celery
	@.venv-celery/bin/python -m pytest tests/celery $(ARGS)

test-e2e:  ## Airflow's interface in a real browser; installs chromium (needs root)
	@sh scripts/install_debian.sh chromium
	@"$(MAKE)" --no-print-directory setup VENV=.venv-e2e AIRFLOW=3.3-e2e
	@.venv-e2e/bin/python -m pytest tests/e2e $(ARGS)

coverage: setup  ## the lines that the fast and slow tests run (ARGS="-m 'not slow' tests" for the fast ones alone)
	@sh scripts/coverage.sh "$(PY)" $(if $(ARGS),$(ARGS),tests)

screenshots:  ## retake the pictures in the documents with test-e2e
	@SCREENSHOTS=docs/images "$(MAKE)" --no-print-directory test-e2e

lint: setup  ## style, types, words; the lock files must not name an index
	@"$(PY)" -m ruff check .
	@"$(PY)" -m ruff format --check .
	@"$(PY)" -m mypy
	@"$(PY)" scripts/check_words.py
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

lock: setup  ## update the lock files (ARGS=--upgrade for the newest versions)
	@sh scripts/lock.sh "$(PY)" $(ARGS)

clean:  ## remove what the targets have made
	rm -rf .venv .venv-* .demo .coverage* dist docs/_build .mypy_cache .ruff_cache .pytest_cache
