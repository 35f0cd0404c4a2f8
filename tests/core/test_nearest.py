"""A mistyped name is answered with the intended one."""

from collections.abc import Iterator

import pytest

from rlkit.core.config import known_keys
from rlkit.core.nearest import edit_distance, nearest, nearest_key
from rlkit.launchers.hfr_config import HFRExperiment

KEYS = tuple(known_keys(HFRExperiment))  # PEARL's and HFR's own
ADDED = "ae_"  # letters that are put in; more of them change nothing but the time


def typos(name: str) -> Iterator[str]:
    """All single-letter deletions and transpositions, insertions and substitutions of `ADDED`."""
    for i in range(len(name) + 1):
        yield from (name[:i] + letter + name[i:] for letter in ADDED)
        yield from (name[:i] + letter + name[i + 1 :] for letter in ADDED)
        yield name[:i] + name[i + 1 :]
        yield name[:i] + name[i : i + 2][::-1] + name[i + 2 :]


@pytest.mark.parametrize(
    ("one", "two", "distance"),
    [
        ("", "", 0),
        ("", "abc", 3),
        ("abc", "abc", 0),
        ("abc", "acb", 1),
        ("abc", "ab", 1),
        ("ab", "abc", 1),
        ("abc", "axc", 1),
        ("ca", "abc", 3),  # a letter that was exchanged is not touched again
        ("kitten", "sitting", 3),
    ],
)
def test_the_distance_counts_typing_errors(one, two, distance):
    assert edit_distance(one, two) == edit_distance(two, one) == distance


def test_of_all_single_typing_errors_in_keys_and_sections_99_percent_are_understood():
    wrong, count = [], 0
    for key in KEYS:
        section, _, name = key.rpartition(".")
        for typo in {f"{section}.{word}".lstrip(".") for word in typos(name)} - set(KEYS):
            count += 1
            if nearest_key(typo, KEYS) != key:
                wrong.append(typo)
    assert count > 5000
    assert len(wrong) <= 0.01 * count, wrong


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("algo_parms", "algo_params"),
        ("util_param", "util_params"),
        ("env_parmas", "env_params"),
        ("algo_params.net_size", "net_size"),
        ("base_log_dir", "util_params.base_log_dir"),
        ("algo_params.base_log_dri", "util_params.base_log_dir"),
        ("Seed", "seed"),
        ("algo_params.flush", None),
        ("flush", None),
        ("wandb_project", None),
    ],
)
def test_the_same_name_at_another_level_comes_first_and_nothing_where_nothing_is_near(typed, meant):
    assert nearest_key(typed, KEYS) == meant


def test_a_beginning_is_understood_if_no_name_is_nearer():
    assert nearest("gpu", ["use_it", "gpu_id_number"]) == "gpu_id_number"
    assert nearest("gpus", ["gpu_id_number", "gpu"]) == "gpu"
