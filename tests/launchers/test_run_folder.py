"""Weight files and task sets: changes are detected, and old files of torch load."""

import random
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from rlkit.core.errors import UserError
from rlkit.launchers.identity import identity_of_tasks
from rlkit.launchers.run_folder import load_tasks, load_weights, read_state_dict

ENTRY_SIZE, LENGTHS = 46, 28  # of an entry in a zip archive's directory, which ends with the name


def network(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(20, width), nn.ReLU(), nn.Linear(width, width))


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_200_of_200_single_flipped_bits_in_weights_and_their_names_are_found(tmp_path):
    path, numbers = tmp_path / "policy.pth", random.Random(0)
    torch.save(network(100).state_dict(), path)
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        members = [archive.read(member) for member in archive.infolist()]
    starts = [content.index(member) for member in members if len(member) > 40]
    sizes = [len(member) for member in members if len(member) > 40]
    inside = [
        place
        for start, size in zip(starts, sizes, strict=True)
        for place in range(start, start + size)
    ]
    assert len(inside) > 0.9 * len(content)
    for place in numbers.sample(inside, 200):
        bit = 8 * place + numbers.randrange(8)
        path.write_bytes(flipped(content, bit))
        with pytest.raises(UserError, match=r"policy\.pth: damaged"):
            read_state_dict(path)


def test_a_flipped_bit_anywhere_is_found_or_changes_no_weight(tmp_path):
    """Dates, versions and the padding of the archive have no checksum."""
    path = tmp_path / "policy.pth"
    torch.save(nn.Linear(2, 3).state_dict(), path)
    content, weights, found = path.read_bytes(), read_state_dict(path), 0
    for bit in range(0, 8 * len(content), 11):
        path.write_bytes(flipped(content, bit))
        try:
            assert same(read_state_dict(path), weights)
        except UserError:
            found += 1
    assert found > 500


def test_every_flipped_bit_in_the_entries_of_an_archive_is_found_or_changes_no_weight(tmp_path):
    """A bit of the attributes makes PyTorch return what is in memory instead of a tensor."""
    path = tmp_path / "policy.pth"
    torch.save(nn.Linear(2, 3).state_dict(), path)
    content, weights, found = path.read_bytes(), read_state_dict(path), set()
    for name in (b"policy/data/0", b"policy/data/1"):
        entry = content.rindex(name) - ENTRY_SIZE
        for bit in range(8 * (entry + LENGTHS), 8 * (entry + ENTRY_SIZE)):
            path.write_bytes(flipped(content, bit))
            try:
                assert same(read_state_dict(path), weights)
            except UserError:
                found.add((name, bit // 8 - entry, bit % 8))
    assert {(name, 38, 4) for name in (b"policy/data/0", b"policy/data/1")} <= found


def test_every_flipped_bit_in_the_entries_of_a_task_set_is_found_or_changes_nothing(tmp_path):
    path, tasks, found = tmp_path / "tasks.npz", np.arange(6.0).reshape(3, 2), 0
    np.savez(path, tasks=tasks, log_dir_id=np.array("0123456789abcdef"))
    content = path.read_bytes()
    bits = range(8 * content.index(b"PK\1\2"), 8 * len(content))
    for bit in bits:
        path.write_bytes(flipped(content, bit))
        try:
            np.testing.assert_array_equal(load_tasks(tmp_path), tasks, strict=True)
            assert identity_of_tasks(tmp_path) == "0123456789abcdef"
        except UserError:
            found += 1
    assert found > len(bits) / 3


def test_an_archive_that_was_packed_again_loads(tmp_path):
    """Programs that pack folders add entries for the folders."""
    weights = network(8).state_dict()
    torch.save(weights, tmp_path / "first.pth")
    with (
        zipfile.ZipFile(tmp_path / "first.pth") as first,
        zipfile.ZipFile(tmp_path / "policy.pth", "w") as second,
    ):
        second.mkdir("first/")
        for member in first.infolist():
            second.writestr(member.filename, first.read(member))
    assert same(read_state_dict(tmp_path / "policy.pth"), dict(weights))


def test_a_file_of_torch_before_1_6_has_no_checksums_and_loads(tmp_path):
    weights = network(8).state_dict()
    torch.save(weights, tmp_path / "policy.pth", _use_new_zipfile_serialization=False)
    assert not zipfile.is_zipfile(tmp_path / "policy.pth")
    assert same(read_state_dict(tmp_path / "policy.pth"), dict(weights))


@pytest.mark.parametrize("kind", [torch.int64, torch.bool])
def test_weights_that_are_no_floating_point_numbers_are_refused(tmp_path, kind):
    weights = {name: value.to(kind) for name, value in network(8).state_dict().items()}
    torch.save(weights, tmp_path / "policy.pth")
    with pytest.raises(UserError, match=r"0\.weight is torch.*, expected torch\.float32"):
        load_weights(tmp_path, {"policy": network(8)})


@pytest.mark.parametrize(
    "tasks",
    [np.zeros(3), np.array([["a"]]), np.array([[np.nan]]), np.zeros((2, 2), np.complex64)],
)
def test_a_task_set_that_is_none_is_refused(tmp_path, tasks):
    np.savez(tmp_path / "tasks.npz", tasks=tasks)
    with pytest.raises(UserError, match="not a task set"):
        load_tasks(tmp_path)
