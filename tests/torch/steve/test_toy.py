"""The toy chain: targets by hand, and the curves of the published table."""

import itertools

import numpy as np
import pytest

from rlkit.torch.steve.toy import NUM_STATES, VARIANTS, Variant, learn, moved, target


def tables(trials: int = 3, members: int = 8) -> np.ndarray:
    """Critics with the true values."""
    return np.broadcast_to(np.arange(NUM_STATES + 1.0), (trials, members, NUM_STATES + 1)) * 1.0


@pytest.mark.parametrize("name", ["ensemble", "mve_oracle", "steve_oracle"])
def test_the_right_critics_stay_right_under_the_right_model(name):
    values = tables()
    values[:, :, NUM_STATES] = 0
    for state in (0, 50, 97, 100):
        found, weight = target(values, np.full(3, state), VARIANTS[name], np.random.default_rng(0))
        np.testing.assert_allclose(found, state)
        assert name != "steve_oracle" or np.allclose(weight, 1 / 6)  # all variances are 0


def test_variances_over_critics_make_the_weights():
    values = tables(1, 2)
    values[:, :, NUM_STATES] = 0
    values[:, 1, 96] += 4.0  # the critics disagree about the first successor only
    found, weight = target(
        values, np.array([95]), Variant(2, 5, False, True), np.random.default_rng(0)
    )
    assert weight[0] == pytest.approx(1e-8 / (4 + 1e-8) / 5, rel=1e-3)
    assert found[0] == pytest.approx(95, abs=1e-7)


def test_the_noisy_model_jumps_one_time_in_ten_and_not_from_the_end():
    state = np.full(20_000, 30)
    found = moved(state, True, np.random.default_rng(0))
    assert 0.09 < (found != 31).mean() < 0.11
    assert found.min() == 0 and found.max() == 100
    end = np.full(1000, NUM_STATES)
    assert (moved(end, True, np.random.default_rng(0)) == NUM_STATES).all()


@pytest.mark.parametrize("name", VARIANTS)
def test_a_short_run_begins_as_the_published_one(name):
    points = list(learn(VARIANTS[name], 60, 5, np.random.default_rng(1)))
    errors = np.array([point.errors.mean() for point in points])
    begin = 1670 if name == "baseline" else 962
    assert errors[0] == pytest.approx(begin, rel=0.15)
    assert errors[-1] < 1.1 * errors[0]
    use = points[-1].model_use
    assert use.any() == name.startswith("steve") and (use >= 0).all()


@pytest.mark.slow
def test_the_published_order_after_10000_steps():
    final, first = {}, {}
    for number, name in enumerate(VARIANTS):
        points = learn(VARIANTS[name], 10_000, 10, np.random.default_rng(number))
        errors = np.array([point.errors.mean() for point in points])
        below = np.flatnonzero(errors < 1)
        final[name], first[name] = errors[-1], below[0] if len(below) else None
    assert final["mve_noisy"] > 1500 > final["baseline"] > final["ensemble"]
    assert final["ensemble"] > 0.01 > final["steve_noisy"] > final["mve_oracle"]
    assert first["steve_oracle"] < 3200 and final["steve_oracle"] < 1e-6
    numbers = [first[name] for name in ("mve_oracle", "steve_oracle", "steve_noisy")]
    assert all(one < two for one, two in itertools.pairwise(numbers))
