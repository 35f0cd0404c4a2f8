"""Cut tensors into pieces, so that one launch over them uses all multiprocessors of a GPU.

PyTorch gives each block of threads 65,536 numbers of a tensor. Without pieces, the optimizer of a
network would use about a dozen of an H100's 132 multiprocessors.
"""

from collections.abc import Sequence

from torch import Tensor

PIECE = 4096  # numbers: two rounds of a block's 512 threads, four numbers at a time


def in_pieces(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Cut contiguous tensors into flat views of at most `PIECE` numbers each, in their order."""
    return [piece for tensor in tensors for piece in tensor.view(-1).split(PIECE)]
