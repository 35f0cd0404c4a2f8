"""Forward kinematics of pets-reacher's arm: the hand's position from the joint angles."""

from typing import Any

from rlkit.envs.elementwise import cosine, sine

SHOULDER_Y = -0.188  # [m]
SHOULDER, UPPER_ARM = 0.1, 0.4  # from the pan axis to the lift axis, and on to the elbow [m]
FOREARM, HAND = 0.321, 0.16828  # elbow to wrist, and on to the fingertips' midpoint [m]

Vector = tuple[Any, Any, Any]


def hand_of(angles: Any) -> Vector:
    """Position of the midpoint between the fingertips, from joint angles [..., at least 6].

    Args:
        angles: shoulder pan and lift, upper-arm roll, elbow, forearm roll, wrist flex [rad]; numpy
            array or torch tensor. Further columns are ignored, so an observation can be passed.
            Elbow and wrist flex must not be positive, as their joint ranges ensure: for a positive
            elbow, the published formula gives the forearm's roll the wrong sign.
    Returns:
        x, y and z [m], [...] each.
    Source: kchua/handful-of-trials, dmbrl/config/reacher.py.
    """
    sines, cosines = sine(angles[..., :6]), cosine(angles[..., :6])
    sin_pan, sin_lift, sin_arm, sin_elbow, sin_forearm, sin_wrist = _columns(sines)
    cos_pan, cos_lift, cos_arm, cos_elbow, cos_forearm, cos_wrist = _columns(cosines)
    reach = SHOULDER + UPPER_ARM * cos_lift
    place = (cos_pan * reach, sin_pan * reach + SHOULDER_Y, -UPPER_ARM * sin_lift)
    link = (cos_lift * cos_pan, cos_lift * sin_pan, -sin_lift)
    side = (-sin_pan, cos_pan, 0 * sin_pan)
    for length, sin_hinge, cos_hinge, sin_roll, cos_roll in (
        (FOREARM, sin_elbow, cos_elbow, sin_arm, cos_arm),
        (HAND, sin_wrist, cos_wrist, sin_forearm, cos_forearm),
    ):
        link, side = _next_link(link, side, sin_hinge, cos_hinge, sin_roll, cos_roll)
        place = _add(place, _scale(length, link))
    return place


def _columns(values: Any) -> tuple[Any, ...]:
    return tuple(values[..., column] for column in range(6))


def _next_link(
    link: Vector, side: Vector, sin_hinge: Any, cos_hinge: Any, sin_roll: Any, cos_roll: Any
) -> tuple[Vector, Vector]:
    """Direction of the next link, and a unit vector perpendicular to it and the last one.

    The published code normalises the cross product next link × last link, and keeps the old vector
    if they are parallel. The result is ±`turned`, by the sign of the hinge, without a division.
    """
    up = _cross(link, side)
    turned = _add(_scale(cos_roll, side), _scale(sin_roll, up))
    across = _add(_scale(sin_roll, side), _scale(-cos_roll, up))
    bent = _add(_scale(cos_hinge, link), _scale(sin_hinge, across))
    back, ahead = _scale(sin_hinge < 0, turned), _scale(sin_hinge > 0, _scale(-1.0, turned))
    return bent, _add(_add(back, ahead), _scale(sin_hinge == 0, side))


def _add(first: Vector, second: Vector) -> Vector:
    return first[0] + second[0], first[1] + second[1], first[2] + second[2]


def _scale(factor: Any, vector: Vector) -> Vector:
    return factor * vector[0], factor * vector[1], factor * vector[2]


def _cross(first: Vector, second: Vector) -> Vector:
    (ax, ay, az), (bx, by, bz) = first, second
    return ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
