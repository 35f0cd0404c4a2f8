"""States of the Sawyer arm and the puck after a reset.

They are stored as numbers, so that every version of MuJoCo has the same task.

The original pulls the open gripper towards a point for ten control steps (0.125 s) from the model's
rest, over more than a metre, puts the puck back, and begins while the hand is still moving. What
that leads to depends on the engine: since 3.7 MuJoCo counts the turning of the arm's joints in how
it pulls, and before that the hand flings the puck onto the goals. The numbers are those of MuJoCo
4.0; a test computes them again.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Start:
    """State at the start of an episode.

    Attributes:
        hand_target: where the point that pulls the hand is, x, y, z [m].
        qpos: seven joints of the arm [rad], two fingers [m], place and orientation of the puck,
            [16].
        qvel: their velocities, [15].
    """

    hand_target: tuple[float, float, float]
    qpos: tuple[float, ...]
    qvel: tuple[float, ...]


# fmt: off
ABOVE_PUCK = Start(
    (0.0, 0.6, 0.2),
    (
        2.01321269, -0.47365259, -1.11488655, 1.74186642, 1.12496159, 0.869632874, 2.09263341, -0.000170538273,
        0.00017283941, 0.0, 0.6, 0.0149000584, 0.999999998, 6.30085366e-05, -2.73719302e-05, 8.5992459e-10,
    ),
    (
        1.21508476, 1.82244149, -1.2825458, -0.268527544, 3.41367635, 4.32142805, 4.05711625, -4.59715117e-05,
        -3.00940553e-05, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
    ),
)

AT_PUCK = Start(
    (0.0, 0.65, 0.0),
    (
        1.88212082, -0.450763853, -0.698266956, 1.86683778, 1.16394644, 0.167029093, 1.89386618, -0.000581779251,
        -0.0332948059, 0.0, 0.6, 0.0148999793, 0.999999998, 6.12809206e-05, -3.18330004e-05, 1.47223169e-09,
    ),
    (
        0.726847945, -1.20652378, 1.0780761, 0.717076798, -0.0460343481, -0.987005567, 1.78720337, -0.00843272223,
        0.0919805996, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
    ),
)
# fmt: on
