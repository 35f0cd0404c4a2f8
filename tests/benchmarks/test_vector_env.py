"""The benchmark of vector environments runs, and the batch is faster for many lanes."""

from benchmarks.vector_env import measure


def test_a_batch_of_many_lanes_is_faster_than_gymnasiums_lanes_one_by_one():
    figures = measure("PointRobot", 32, 100, 3)
    assert figures["vector_entry_point"] > 3 * figures["sync"]
