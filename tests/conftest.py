"""Shared fixtures: a folder for tiny runs.

Tests of the Sawyer tasks skip themselves where metaworld, whose scene files
they load, is not installed."""

import importlib.util
import json
from pathlib import Path

import pytest


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty working folder with tiny.json in it."""
    from tests.tiny_runs import (
        TINY,
    )  # imports PyTorch, which most tests of environments do not need

    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.json").write_text(json.dumps(TINY))
    return tmp_path


def pytest_collection_modifyitems(items):
    if importlib.util.find_spec("metaworld") is not None:
        return
    skip = pytest.mark.skip(reason="metaworld is not installed (pip install --no-deps metaworld)")
    for item in items:
        parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
        if item.get_closest_marker("metaworld") or any(
            "sawyer" in str(value) for value in parameters
        ):
            item.add_marker(skip)
