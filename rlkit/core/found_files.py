"""Checks of existing files: whether a path is a regular file, and its hash."""

import errno
import hashlib
import stat
from pathlib import Path

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def obstacle(path: Path) -> str | None:
    """Why a path cannot be read as a file, such as "is a folder"; None for a file or a link to one.

    Nothing is opened, because opening a pipe without a writer would block.
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


def hash_file(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal, read in chunks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
