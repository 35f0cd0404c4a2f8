"""Expansion of `~` and environment variables, and the settings that are paths."""

from pathlib import Path

import pytest

from rlkit.core.user_paths import expand_path, expand_setting, path_keys
from rlkit.launchers.hfr_config import HFRExperiment


@pytest.fixture(autouse=True)
def home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("DATA", "/data")
    monkeypatch.delenv("NOWHERE", raising=False)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("output", "output"),
        ("~", "/home/me"),
        ("~/outs", "/home/me/outs"),
        ("a/~/b", "a/~/b"),
        ("./~", "./~"),
        ("$DATA/runs", "/data/runs"),
        ("${DATA}s/$DATA", "/datas//data"),
        ("price$", "price$"),
        ("", ""),
    ],
)
def test_a_path_is_expanded(text, expanded):
    assert expand_path(text) == expanded


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("$NOWHERE/runs", "variable NOWHERE is not set"),
        ("a${NOWHERE}", "variable NOWHERE is not"),
        ("~nobody-of-this-name/x", "no home folder ~nobody-of-this-name"),
    ],
)
def test_what_cannot_be_expanded_is_named(text, name):
    with pytest.raises(ValueError, match=name):
        expand_path(text)


def test_a_home_that_holds_a_dollar_sign_is_not_expanded_twice(monkeypatch):
    monkeypatch.setenv("DATA", "/data/$NOWHERE/~")
    assert expand_path("$DATA/x") == "/data/$NOWHERE/~/x"


def test_the_paths_of_a_configuration_are_its_log_folder_and_its_weights():
    assert set(path_keys(HFRExperiment)) == {"util_params.base_log_dir", "path_to_weights"}


def test_a_setting_is_expanded_in_a_copy():
    data = {"a": {"b": "~/x", "c": 1}, "d": None}
    assert expand_setting(data, "a.b") == {"a": {"b": str(Path("/home/me/x")), "c": 1}, "d": None}
    assert data["a"]["b"] == "~/x"
    for key in ("d", "absent", "a.absent", "d.b"):
        assert expand_setting(data, key) == data
