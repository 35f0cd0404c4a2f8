"""The convolutional encoder: its layers, accepted images and initial weights."""

import pytest
import torch
from torch.nn import functional

from rlkit.torch.conv_encoder import FEATURES, ConvEncoder


def make_encoder(size=32, num_frames=3, seed=0):
    return ConvEncoder(size, num_frames, torch.Generator().manual_seed(seed))


def pictures(*shape, size=32, num_frames=3, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(
        256, (*shape, num_frames * size * size * 3), generator=generator, dtype=torch.uint8
    )


@pytest.mark.parametrize(("size", "last"), [(64, 4), (32, 2), (16, 1)])
def test_the_last_layer_takes_all_that_is_left_of_the_picture(size, last):
    encoder = make_encoder(size)
    shapes = [tuple(layer.weight.shape) for layer in encoder.children()]
    assert shapes == [
        (32, 9, 5, 5),
        (64, 32, 3, 3),
        (128, 64, 3, 3),
        (256, 128, 3, 3),
        (256, 256, last, last),
    ]
    assert encoder(pictures(2, 3, size=size)).shape == (2, 3, FEATURES)
    assert list(encoder.state_dict())[:2] == ["conv0.weight", "conv0.bias"]


def test_channels_are_the_colours_of_the_pictures_from_the_oldest_scaled_to_one():
    encoder, obs = make_encoder(), pictures(4)
    x = (
        torch.cat(
            [frame.permute(0, 3, 1, 2) for frame in obs.view(4, 3, 32, 32, 3).unbind(1)], dim=1
        )
        / 255
    )
    for layer in encoder.children():
        x = functional.relu(
            functional.conv2d(x, layer.weight, layer.bias, layer.stride, layer.padding)
        )
    x = x.flatten(1)
    torch.testing.assert_close(encoder(obs), x / 32 / x.square().mean(dim=1, keepdim=True).sqrt())


def test_rows_are_mapped_each_by_itself():
    encoder, obs = make_encoder().double(), pictures(2, 5)
    torch.testing.assert_close(encoder(obs)[1, 3], encoder(obs[1, 3]), rtol=1e-12, atol=1e-12)


def test_features_do_not_grow_with_the_weights():
    encoder = make_encoder()
    before = encoder(pictures(8))
    torch.testing.assert_close(before.square().mean(dim=1).sqrt(), torch.full((8,), 1 / 32))
    with torch.no_grad():
        encoder.conv4.weight *= 100
    torch.testing.assert_close(encoder(pictures(8)), before)


def test_initial_weights_come_from_the_generator():
    before = torch.get_rng_state()
    first, second, other = (
        torch.nn.utils.parameters_to_vector(make_encoder(seed=seed).parameters())
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_picture_of_which_nothing_is_left_is_refused():
    with pytest.raises(ValueError, match="images are 2 pixels wide, too small"):
        make_encoder(2)
