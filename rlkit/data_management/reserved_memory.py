"""Memory that is promised but not used: a stretch of addresses that takes space as it is written and gives it back."""

import mmap
import sys

# The flag's value on Linux; Python names it from 3.13 on. Elsewhere anonymous memory is taken lazily without it.
_NORESERVE = 0x4000 if sys.platform == "linux" else 0


class ReservedMemory:
    """An anonymous private mapping whose pages exist only once written. Reads zero where nothing was written.

    Huge pages are declined: they would make 2 MB resident for one row.

    Attributes:
        map: the mapping; supports the buffer protocol.
    """

    def __init__(self, num_bytes: int) -> None:
        """Reserve addresses.

        Args:
            num_bytes: size of the stretch; rounded up to whole pages of the operating system.
        """
        size = max(1, -(-num_bytes // mmap.PAGESIZE)) * mmap.PAGESIZE
        self.map = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE)
        if hasattr(mmap, "MADV_NOHUGEPAGE"):
            self.map.madvise(mmap.MADV_NOHUGEPAGE)

    def release(self, start: int, stop: int) -> None:
        """Give the whole pages within the bytes [start, stop) back to the system; what they held is lost."""
        first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
        last = stop // mmap.PAGESIZE * mmap.PAGESIZE
        if last > first:
            self.map.madvise(mmap.MADV_DONTNEED, first, last - first)
