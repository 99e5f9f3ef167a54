# Each of these does all of its set-up by itself on a fresh clone: environment in .venv, dependencies, face models.
#   PYTHON=python3.12                  which Python makes the environment (3.11 or newer)
#   PORTRAITIST_TORCH_INDEX=<address>  a package index with torch for the CPU alone, see README.md
OUT ?= out/demo

.PHONY: demo test check setup clean

demo:
	@scripts/demo "$(OUT)"

test:
	@scripts/test

check:
	@scripts/check

setup:
	@scripts/setup

clean:
	rm -rf .venv out build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
