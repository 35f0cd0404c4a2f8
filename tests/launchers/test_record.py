"""The record of a run: variant.json."""

import json
import math

import pytest

from rlkit.launchers.record import write_variant


def test_the_variant_is_indented_sorted_json(tmp_path):
    write_variant(tmp_path, {"seed": 1, "algo_params": {"kl_lambda": 0.1}})
    write_variant(tmp_path, {"seed": 2, "algo_params": {"kl_lambda": 0.1}})
    assert (
        tmp_path / "variant.json"
    ).read_text() == '{\n  "algo_params": {\n    "kl_lambda": 0.1\n  },\n  "seed": 2\n}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["variant.json"]


def test_a_variant_that_json_cannot_hold_leaves_the_old_one(tmp_path):
    write_variant(tmp_path, {"seed": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_variant(tmp_path, {"seed": math.nan})
    assert json.loads((tmp_path / "variant.json").read_text()) == {"seed": 1}
