"""A convolutional encoder that turns stacked images into the other networks' observations."""

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = (32, 64, 128, 256)
KERNELS, STRIDE, PADDING = (5, 3, 3, 3), 2, 1
FEATURES = 256
# Root mean square of a row of features. 256 features of this size influence a network about as much
# as a few state variables.
SIZE = 1 / 32


class ConvEncoder(nn.Module):
    """Five convolutions with ReLU: four that halve the image, then one over all that is left.

    Weights are drawn as in He et al. (2015) for ReLU layers; biases start at 0. The features of an
    image are scaled to a fixed root mean square, `SIZE`. Without this normalisation the features
    grow with the Q values until they drown out z and the action in the networks, and the reward in
    the context encoder (numbers: docs/pearl.md).

    Source: oyster's branch `image`, which scales neither images nor features.
    """

    def __init__(
        self, image_size: int, num_frames: int, generator: torch.Generator | None = None
    ) -> None:
        """Make the layers on the CPU.

        Args:
            image_size: height and width of an image in pixels, at least 3. The last kernel is 4
                pixels wide for images of 64, and 2 for 32.
            num_frames: images per stack.
            generator: source of the initial weights.
        Raises:
            ValueError: the image is too small.
        """
        super().__init__()
        self.image_size, self.num_frames = image_size, num_frames
        channels, size, layers = 3 * num_frames, image_size, []
        for width, kernel in zip(CHANNELS, KERNELS, strict=True):
            layers.append(nn.utils.skip_init(nn.Conv2d, channels, width, kernel, STRIDE, PADDING))
            channels, size = width, (size + 2 * PADDING - kernel) // STRIDE + 1
        if size < 1:
            raise ValueError(
                f"images are {image_size} pixels wide, too small for the convolutional net; "
                "expected at least 3"
            )
        layers.append(nn.utils.skip_init(nn.Conv2d, channels, FEATURES, size))
        for i, layer in enumerate(layers):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)
            self.add_module(f"conv{i}", layer)

    def forward(self, obs: Tensor) -> Tensor:
        """Map stacks of images to features [..., 256].

        Args:
            obs: uint8, [..., num_frames * image_size * image_size * 3].
        """
        weight = next(self.parameters())
        size, rows = self.image_size, obs.shape[:-1]
        stacks = obs.reshape(-1, self.num_frames, size, size, 3).permute(0, 2, 3, 1, 4).flatten(3)
        x = (
            stacks.permute(0, 3, 1, 2).to(weight.dtype) / 255.0
        )  # channels last, the fastest layout for convolutions
        for layer in self.children():
            x = functional.relu_(layer(x))
        return SIZE * functional.rms_norm(x.view(*rows, FEATURES), (FEATURES,))
