"""Tests of the Sawyer tasks skip themselves where metaworld, whose scene files they load, is not installed."""

import importlib.util

import pytest


def pytest_collection_modifyitems(items):
    if importlib.util.find_spec("metaworld") is not None:
        return
    skip = pytest.mark.skip(reason="metaworld is not installed (pip install --no-deps metaworld)")
    for item in items:
        parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
        if item.get_closest_marker("metaworld") or any("sawyer" in str(value) for value in parameters):
            item.add_marker(skip)
