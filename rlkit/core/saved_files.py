"""Validation of a checkpoint's files before their content is used."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlkit.core.errors import first_line
from rlkit.core.files import json_hash
from rlkit.core.found_files import hash_file, obstacle

MANIFEST, PREVIOUS = "manifest.json", "manifest.previous.json"
NUMBERED = re.compile(r"[\w-]+-(\d+)\.(npy|pt)")
ENTRY = ("task", "serial number", "number of rows")


class DamagedError(Exception):
    """A checkpoint is damaged or was altered; the message names the file."""


def read_manifests(folder: Path) -> Iterator[dict[str, Any] | str]:
    """Yield the newest manifest and the previous one; for an unusable one, the reason as text."""
    for path in (folder / MANIFEST, folder / PREVIOUS):
        if reason := obstacle(path):
            yield f"{path} {reason}"
            continue
        try:
            content = json.loads(path.read_bytes())
            manifest = content["manifest"]
            whole = content["sha256"] == json_hash(manifest)
            problem = manifest_problem(manifest)
        except OSError as error:
            yield f"{path} cannot be read ({error.strerror})"
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            yield f"{path} is not a manifest ({first_line(error)})"
        else:
            if not whole:
                yield f"{path} has been altered (its hash differs)"
            else:
                yield manifest if problem is None else f"{path} is not a manifest: {problem}"


def manifest_problem(manifest: object) -> str | None:
    """Describe the first error in a manifest; None if it is valid.

    Args:
        manifest: must have `iteration`, the file record `state`, and `segments`: by buffer, lists
            of file records with `entries`, each a list of three integers.
    """
    if not isinstance(manifest, dict):
        return "expected an object"
    iteration = manifest.get("iteration")
    if type(iteration) is not int or not -1 <= iteration < 2**63:
        return f"iteration is {iteration!r}"
    segments = manifest.get("segments")
    if not isinstance(segments, dict) or not all(isinstance(s, list) for s in segments.values()):
        return "expected segments by buffer"
    if problem := _record_problem(manifest.get("state")):
        return f"state: {problem}"
    for name, records in segments.items():
        for record in records:
            if problem := _record_problem(record) or _entries_problem(record.get("entries")):
                return f"segment of {name}: {problem}"
    return None


def _record_problem(record: object) -> str | None:
    if not isinstance(record, dict):
        return "expected the record of a file"
    name, size = record.get("file"), record.get("size")
    if not isinstance(name, str) or not NUMBERED.fullmatch(name):
        return f"{name!r} is not a file of a checkpoint"
    if type(size) is not int or not isinstance(record.get("sha256"), str):
        return f"size or hash of {name} is missing"
    return None


def _entries_problem(entries: object) -> str | None:
    if not isinstance(entries, list) or not all(
        isinstance(entry, list)
        and len(entry) == len(ENTRY)
        and all(type(number) is int and 0 <= number < 2**62 for number in entry)
        for entry in entries
    ):
        return f"expected entries of {', '.join(ENTRY)}"
    return None


def check_file(path: Path, record: Mapping[str, object]) -> None:
    """Compare a file with the size and the hash of its record.

    Raises:
        DamagedError: it is missing, not a regular file, or differs.
    """
    if reason := obstacle(path):
        raise DamagedError(f"{path} {reason}")
    try:
        size, sha256 = path.stat().st_size, hash_file(path)
    except OSError as error:
        raise DamagedError(f"{path} cannot be read ({error.strerror})") from error
    if size != record["size"]:
        raise DamagedError(f"{path} has {size} bytes instead of {record['size']}")
    if sha256 != record["sha256"]:
        raise DamagedError(f"{path} has been altered (its hash differs)")


def check_counters(counters: object) -> None:
    """Check that the counters of a buffer are non-negative int64 tensors.

    Raises:
        ValueError: they are not, or `origins` exceeds `totals`.
    """
    if not isinstance(counters, Mapping):
        raise ValueError(f"expected counters, got {type(counters).__name__}")
    for name, value in counters.items():
        if not isinstance(value, Tensor) or value.dtype != torch.int64 or (value < 0).any():
            raise ValueError(f"the counters {name} are not non-negative integers")
    if "totals" in counters and "origins" in counters:
        totals, origins = counters["totals"], counters["origins"]
        if totals.shape == origins.shape and (origins > totals).any():
            raise ValueError("a task has fewer rows in total than were removed")


def read_rows(path: Path, num_rows: int) -> Tensor:
    """Read the rows of a segment, [num_rows, width].

    The size given in the header is compared with the file's before memory is allocated.

    Raises:
        ValueError: the file is not an array, or has another size.
    """
    if reason := obstacle(path):
        raise ValueError(f"{path.name} {reason}")
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"{path.name} is an array of version {version}, expected (1, 0)")
        try:
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        except Exception as error:  # anything the header parser raises
            raise ValueError(f"{path.name} has no readable header") from error
        promised = file.tell() + math.prod(shape) * dtype.itemsize
        size = path.stat().st_size
        if dtype.hasobject or dtype.kind not in "fiu" or len(shape) != 2 or shape[0] != num_rows:
            raise ValueError(f"{path.name} holds {dtype} {shape}, expected {num_rows} rows")
        if promised != size:
            raise ValueError(f"{path.name} has {size} bytes, its header promises {promised}")
        file.seek(0)
        return torch.from_numpy(np.lib.format.read_array(file, allow_pickle=False))
