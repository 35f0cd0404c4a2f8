"""The tables about ant-goal without training: what they count."""

import itertools

import numpy as np
import pytest

from benchmarks.studies.ant_goal_probe import behaviour_lines, crossed, ideal_lines


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ((0.5, 3.0), 1.0),  # x is passed by the first of the pair
        ((3.0, -1.5), 1.0),  # y by the second
        ((-0.5, 3.0), 0.0),  # the other side of the origin does not count
        ((2.0, 2.0), 0.0),
    ],
)
def test_a_goal_is_crossed_when_one_of_two_trajectories_passes_a_coordinate_on_its_side(
    target, expected
):
    first, second = np.array([(0.0, 0.0), (1.0, 0.1)]), np.array([(0.0, -1.0), (0.0, -2.0)])
    assert crossed(np.stack([first, second]), np.array([target])) == expected


def test_each_goal_has_two_trajectories_of_its_own_and_the_last_odd_one_is_left_out():
    places = np.zeros((5, 1, 2))
    places[2] = 1.0  # of the second pair
    places[4] = 1.0
    assert (
        crossed(places, np.full((4, 2), 0.5)) == 0.5
    )  # goals 0 and 2 meet the first pair, 1 and 3 the second


def test_standing_still_pays_what_the_goals_are_away_and_speed_brings_more():
    rows = [[float(cell) for cell in line.split("|")[1:-1]] for line in ideal_lines(seed=0)]
    # goals are uniform in a disc of 3 m, so 2 m away on average, in any direction: |x| + |y| is 2 ·
    # 4/π, paid 200 times
    assert rows[0] == pytest.approx([0, -509.3, -509.3], abs=10)
    assert all(later[1] > earlier[1] for earlier, later in itertools.pairwise(rows))
    assert all(to_goal >= to_middle for _, to_goal, to_middle in rows)


def test_a_standing_ant_pays_no_control_and_does_not_get_far():
    behaviour, gear, low, _, high, _, fallen, control, *_ = next(behaviour_lines(2, seed=0))[
        2:-2
    ].split(" | ")
    assert (behaviour, gear) == ("zero actions", "150")
    assert float(low) <= float(high) < 1
    assert (float(fallen), float(control)) == (0, 0)
