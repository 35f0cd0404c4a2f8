"""Log-partitions, distributions over tasks and draws from them, checked by hand."""

import numpy as np
import pytest

from rlkit.data_management.assignment import draw_tasks, entropy, log_mean_exp, probabilities


def test_log_mean_exp_of_three_numbers():
    assert log_mean_exp(np.array([10.0, 12.0, 8.0])) == pytest.approx(11.04431933983179, abs=1e-12)


def test_log_mean_exp_does_not_overflow_and_scales_with_the_temperature():
    assert log_mean_exp(np.array([[3000.0, 3000.0], [-3000.0, -3000.0]])).tolist() == [
        3000.0,
        -3000.0,
    ]
    values = np.array([1.0, 2.0, 4.0])
    assert log_mean_exp(values, 5.0) == pytest.approx(
        5.0 * np.log(np.mean(np.exp(values / 5.0))), abs=1e-12
    )


def test_contexts_whose_utility_is_not_finite_do_not_count():
    values = np.array([[1.0, np.nan, 3.0], [np.inf, np.nan, -np.inf]])
    found = log_mean_exp(values)
    assert found[0] == pytest.approx(np.log((np.e + np.e**3) / 2)) and np.isnan(found[1])


def test_distribution_over_three_tasks():
    logits = np.array([1.0, 2.0, 3.0]) - np.array([0.5, 2.0, 1.0])
    np.testing.assert_allclose(
        probabilities(logits), [0.16425163, 0.09962365, 0.73612472], atol=5e-9
    )
    assert probabilities(logits, use_softmax=False).tolist() == [0, 0, 1]


def test_tasks_without_a_finite_logit_are_left_out_and_with_none_left_the_label_stays():
    np.testing.assert_allclose(
        probabilities(np.array([np.nan, 0.0, np.inf, 0.0])), [0, 0.5, 0, 0.5]
    )
    nothing = probabilities(np.full(3, np.nan))
    assert nothing.tolist() == [0, 0, 0]
    assert draw_tasks(nothing, np.array(0.3), own=2) == 2


def test_distributions_of_many_transitions_are_those_of_each():
    logits = np.random.default_rng(0).normal(size=(4, 6))
    for softmax in (True, False):
        together = probabilities(logits, use_softmax=softmax)
        each = [probabilities(logits[:, t], use_softmax=softmax) for t in range(6)]
        np.testing.assert_array_equal(together, np.stack(each, axis=1))


@pytest.mark.parametrize(
    "distribution", [[0.2, 0.0, 0.5, 0.3], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.01, 0.99]]
)
def test_tasks_are_drawn_as_often_as_they_are_probable(distribution):
    number = 40_000
    drawn = draw_tasks(
        np.tile(np.array(distribution)[:, None], number),
        np.random.default_rng(1).random(number),
        own=0,
    )
    shares = np.bincount(drawn, minlength=4) / number
    np.testing.assert_array_equal(shares == 0, np.array(distribution) == 0)
    np.testing.assert_allclose(shares, distribution, atol=4 * 0.5 / number**0.5)


def test_entropy_counts_tasks():
    assert np.exp(entropy(np.full(5, 0.2))) == pytest.approx(5)
    assert entropy(np.array([0.0, 1.0])) == 0
