"""Random streams depend only on their names."""

from rlkit.core.seeding import stream, torch_seed


def test_equal_names_give_equal_streams_and_any_difference_gives_another():
    def first(*name):
        return stream(*name).random()

    names = [
        (0, "a", 1, 2),
        (1, "a", 1, 2),
        (0, "b", 1, 2),
        (0, "a", 2, 1),
        (0, "a", 1),
        (0, "a", 1, 2, 0),
    ]
    assert first(*names[0]) == first(*names[0])
    assert len({first(*name) for name in names}) == len(names)


def test_torch_seeds_differ_by_purpose_and_fit_a_signed_integer():
    assert torch_seed(0, "networks") != torch_seed(0, "training")
    assert 0 <= torch_seed(2**32 - 1, "training") < 2**63
