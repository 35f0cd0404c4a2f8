"""Atomic file writes: files are written under a temporary name and then renamed."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rlkit.core.errors import ResourceError


class NewFile:
    """A file that is hashed while it is written.

    It is synced to disk when closed, and removed if anything fails.

    Attributes:
        path: where it is.
        size: bytes so far.
    """

    def __init__(self, path: Path, *, sync: bool = True) -> None:
        """Create the file, overwriting an existing one.

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

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """Close the file; remove it if it is incomplete."""
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
    """Replace a file atomically: its path always holds the old content or the new one.

    Args:
        path: the file.
        content: the new content.
        sync: wait for the disk, so that this survives a power failure.
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
    """Sync a folder's directory entries to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def json_hash(value: object) -> str:
    """SHA-256 of a JSON value, in hexadecimal, independent of the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def report_exhaustion(task: str) -> Iterator[None]:
    """Convert MemoryError and OSError to ResourceError.

    A disk may be full, read-only or broken, and a folder may be removed while a run writes to it;
    in each case the run ends, and the files written before are intact.

    Args:
        task: the failed action, for the message.
    Raises:
        ResourceError: names the failed action and the reason.
    """
    try:
        yield
    except MemoryError as error:
        raise ResourceError(f"{task}: memory exhausted") from error
    except OSError as error:
        raise ResourceError(f"{task}: {error.strerror or error}") from error
