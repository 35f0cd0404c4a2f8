"""The rows of a replay buffer: pages of one tensor, which on a CPU take memory as they are written and give it back."""

import torch
from torch import Tensor

from rlkit.data_management.reserved_memory import ReservedMemory


class PageStore:
    """Pages of rows.

    Attributes:
        rows: all pages, [num_pages * page_rows, width]; moves only when it grows.
    """

    def __init__(
        self, num_pages: int, page_rows: int, width: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        """Reserve pages, on a GPU as memory, on a CPU as addresses only."""
        self.page_rows, self.width, self.dtype, self.device = page_rows, width, dtype, device
        self._allocate(num_pages)

    def put(self, store_rows: Tensor, rows: Tensor) -> None:
        """Write rows [n, width] to places [n], each at most once."""
        self.rows.index_copy_(0, store_rows.to(self.device), rows.to(self.device, self.dtype))

    def fetch(self, store_rows: Tensor) -> Tensor:
        """Copy the rows at places [n]: [n, width]."""
        return self.rows.index_select(0, store_rows.to(self.device))

    def release(self, page: int) -> None:
        """Give a page's memory back to the system, where that is possible; what it held is lost."""
        self._release(self._memory, page)

    def grow(self, num_pages: int, filled: list[tuple[int, int]]) -> None:
        """Move to a store of so many pages, page by page and filled rows only: on a CPU nothing else becomes resident.

        Args:
            num_pages: of the new store.
            filled: pages that are in use, and rows of each.
        """
        rows, memory = self.rows, self._memory
        self._allocate(num_pages)
        for page, count in filled:
            first = page * self.page_rows
            self.rows[first : first + count] = rows[first : first + count]
            self._release(memory, page)

    def _allocate(self, num_pages: int) -> None:
        self._page_bytes = self.page_rows * self.width * self.dtype.itemsize
        shape = num_pages * self.page_rows, self.width
        self._memory = (
            ReservedMemory(num_pages * self._page_bytes) if self.device.type == "cpu" else None
        )
        if self._memory is None:
            self.rows = torch.zeros(shape, dtype=self.dtype, device=self.device)
        else:
            self.rows = torch.frombuffer(
                self._memory.map, dtype=self.dtype, count=shape[0] * shape[1]
            ).view(shape)

    def _release(self, memory: ReservedMemory | None, page: int) -> None:
        if memory is not None:
            memory.release(page * self._page_bytes, (page + 1) * self._page_bytes)
