"""Files that are whole or absent: written beside their place and renamed; what a failed disk is called.

And what stands in place of a file, since opening a pipe would wait forever.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from rlkit.core.errors import ResourceError

DISK_EXHAUSTED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# It became read-only, broke, or is no longer there (network and user-space file systems).
DISK_LOST = (
    errno.EROFS,
    errno.EIO,
    errno.ESTALE,
    errno.ENOTCONN,
    errno.ENODEV,
    errno.ENXIO,
    errno.ETIMEDOUT,
    errno.EHOSTDOWN,
    errno.ECONNABORTED,
)
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class NewFile:
    """A file that is hashed while it is written.

    It reaches the disk when it is closed, and is removed if anything fails.

    Attributes:
        path: where it is.
        size: bytes so far.
    """

    def __init__(self, path: Path, *, sync: bool = True) -> None:
        """Create the file; one of that name is overwritten.

        Args:
            path: where it is to be.
            sync: wait for the disk when closing.
        """
        self.path, self.size = path, 0
        self._sync, self._hash, self._file = sync, hashlib.sha256(), path.open("wb")

    @property
    def sha256(self) -> str:
        """Hash of what has been written so far, in hexadecimal."""
        return self._hash.hexdigest()

    def write(self, data: bytes | memoryview) -> int:
        """Append bytes."""
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)
        return len(data)

    def __enter__(self) -> "NewFile":
        """Write inside a with statement."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file; remove it if it is not whole."""
        try:
            with self._file:
                if kind is None and self._sync:
                    self._file.flush()
                    os.fsync(self._file.fileno())
        except BaseException:
            self._remove()
            raise
        if kind is not None:
            self._remove()

    def _remove(self) -> None:
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def replace_file(path: Path, content: bytes | memoryview, *, sync: bool = True) -> None:
    """Write a file so that at every moment its place holds the old content or the new, whole.

    Args:
        path: the place.
        content: all of it.
        sync: wait for the disk, so that this holds through a loss of power too.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    with NewFile(temporary, sync=sync) as file:
        file.write(content)
    try:
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    if sync:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def obstacle(path: Path) -> str | None:
    """Why a path cannot be read as a file, such as "is a folder"; None for a file or a link to one.

    Nothing is opened: a pipe without a writer would keep its reader waiting.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if path.is_symlink() and error.errno in (errno.ENOENT, errno.ELOOP):
            return "is a broken link"
        return f"cannot be read ({error.strerror})"
    except ValueError as error:  # a null byte in the name
        return f"cannot be read ({error})"
    kind = stat.S_IFMT(mode)
    return None if kind == stat.S_IFREG else f"is {KINDS.get(kind, 'no file')}, not a file"


def disk_failure(error: OSError) -> str | None:
    """Say what happened to the disk if that is what an error is about: exhausted or lost."""
    if error.errno in DISK_EXHAUSTED:
        return "disk exhausted"
    return "disk lost" if error.errno in DISK_LOST else None


def hash_file(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal, read piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def report_exhaustion(task: str) -> Iterator[None]:
    """Turn exhausted memory and whatever a disk refuses into ResourceError.

    A disk may be full, read-only or broken, and a folder may have been removed while a run writes
    to it; in each case the run ends, and what it wrote before is intact.

    Args:
        task: what could not be done, for the message.
    Raises:
        ResourceError: says what could not be done and why.
    """
    try:
        yield
    except MemoryError as error:
        raise ResourceError(f"{task}: memory exhausted") from error
    except OSError as error:
        raise ResourceError(f"{task}: {error.strerror or error}") from error
