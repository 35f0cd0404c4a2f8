"""Finds the known name closest to a mistyped one."""

import math
from collections.abc import Iterable

FARTHEST = 0.4  # typing errors per letter of the longer name


def edit_distance(one: str, two: str) -> int:
    """Count the typing errors between two words.

    An error is a letter left out, added, replaced, or exchanged with its neighbour (the optimal
    string alignment distance).
    """
    before: list[int] = []
    above = list(range(len(two) + 1))
    for i, letter in enumerate(one, start=1):
        row = [i]
        for j, other in enumerate(two, start=1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == two[j - 2] and one[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, above = above, row
    return above[-1]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Find the known name that is most like an unknown one.

    Args:
        name: as it was typed; case does not count.
        known: the names that there are; of equally likely ones the first is taken.
    Returns:
        The known name that differs by the fewest typing errors; else one that begins with what was
        typed; None if there is neither.
    """
    typed, found, fewest = name.lower(), None, math.inf
    least = [(_letters_apart(typed, other.lower()), other) for other in known]
    for errors, other in sorted(least, key=lambda pair: pair[0]):
        allowed = FARTHEST * max(len(typed), len(other))
        if errors >= fewest:
            break
        if errors <= allowed:
            errors = edit_distance(typed, other.lower())
            if errors < fewest and errors <= allowed:
                found, fewest = other, errors
    begun = (other for _, other in least if len(typed) > 1 and other.lower().startswith(typed))
    return found or next(begun, None)


def _letters_apart(one: str, two: str) -> int:
    """A lower bound of the edit distance: letters that only one of two words has."""
    first, second = set(one), set(two)
    return max(len(first - second), len(second - first), abs(len(one) - len(two)))


def nearest_key(key: str, known: Iterable[str]) -> str | None:
    """Find the dotted key that a mistyped one most likely stands for.

    The same name at another level comes first, such as `algo_params.batch_size` for `batch_size`;
    then the most similar name of the same level, then that of all levels.

    Args:
        key: dotted, as it was typed.
        known: dotted keys and names of sections.
    Returns:
        One of `known`, or None if nothing is similar.
    """
    section, _, name = key.rpartition(".")
    names = [(candidate, *candidate.rpartition(".")[::2]) for candidate in known]
    for candidate, _, other in names:
        if other.lower() == name.lower():
            return candidate
    for level in (section, None):
        there = {other: candidate for candidate, above, other in names if level in (above, None)}
        if found := nearest(name, there):
            return there[found]
    return None
