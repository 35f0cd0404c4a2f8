# make check is what CI runs; the other targets use the current environment.
.PHONY: check quick style types docs test

check:
	.ci/run

quick: style types docs test

style:
	python -m ruff check .
	python -m ruff format --check .

types:
	python -m mypy

docs:
	NO_MKDOCS_2_WARNING=1 python -m mkdocs build --strict --quiet

test:
	python -m pytest -q $(T)
