"""States of the Sawyer arm and the puck after a reset.

They are stored as constants, so that the task is the same with every version of MuJoCo.

The original pulls the open gripper from its rest pose towards a point more than a metre away for
ten control steps (0.125 s), resets the puck, and starts the episode while the hand is still moving.
The result depends on the engine: MuJoCo 3.7 and later take the rotation of the arm's joints into
account when pulling; with earlier versions the hand flings the puck onto the goals. The constants
are those of MuJoCo 4.0; a test recomputes them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Start:
    """State at the start of an episode.

    Attributes:
        hand_target: position of the mocap point that pulls the hand, x, y, z [m].
        qpos: seven joints of the arm [rad], two fingers [m], position and orientation of the puck,
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
        2.01321269, -0.47365259, -1.11488655, 1.74186642, 1.12496159, 0.869632874, 2.09263341,
        -0.000170538273, 0.00017283941, 0.0, 0.6, 0.0149000584, 0.999999998,
        6.30085366e-05, -2.73719302e-05, 8.5992459e-10,
    ),
    (
        1.21508476, 1.82244149, -1.2825458, -0.268527544, 3.41367635, 4.32142805, 4.05711625,
        -4.59715117e-05, -3.00940553e-05, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
    ),
)

AT_PUCK = Start(
    (0.0, 0.65, 0.0),
    (
        1.88212082, -0.450763853, -0.698266956, 1.86683778, 1.16394644, 0.167029093, 1.89386618,
        -0.000581779251, -0.0332948059, 0.0, 0.6, 0.0148999793, 0.999999998,
        6.12809206e-05, -3.18330004e-05, 1.47223169e-09,
    ),
    (
        0.726847945, -1.20652378, 1.0780761, 0.717076798, -0.0460343481, -0.987005567, 1.78720337,
        -0.00843272223, 0.0919805996, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
    ),
)
# fmt: on
