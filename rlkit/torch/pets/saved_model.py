"""model.mat and model.nns: networks in the format of kchua/handful-of-trials.

model.nns describes one layer per line. model.mat stores, under "0", "1", ..., the normalizer's mean
and standard deviation, each layer's weights and biases, and the log-variance bounds.
Source: kchua/handful-of-trials, dmbrl/modeling/models/BNN.py and layers/FC.py.
"""

import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.io import loadmat, savemat
from torch import Tensor

from rlkit.torch.pets.regression import RegressionEnsemble

NAMES = ("model.mat", "model.nns")
LARGEST = 2**30  # maximum size of a model.mat, bytes
LAYER = re.compile(
    r"FC\(output_dim=(\d+), input_dim=(\d+), activation=(None|'\w+'), "
    r"weight_decay=(None|[-+.\de]+), ensemble_size=(\d+)\)"
)


def saved_model(ensemble: RegressionEnsemble, weight_decays: Sequence[float]) -> dict[str, bytes]:
    """Make the content of both files, by name.

    Args:
        ensemble: the networks.
        weight_decays: weight decay of each layer.
    """
    content = io.BytesIO()
    arrays = {str(i): tensor.detach().cpu().numpy() for i, tensor in enumerate(_tensors(ensemble))}
    savemat(content, arrays)
    lines = []
    weights = list(ensemble.networks.weights)
    for i, (weight, decay) in enumerate(zip(weights, weight_decays, strict=True)):
        last = i == len(weights) - 1
        num_nets, inputs, width = weight.shape
        outputs = ensemble.output_size if last else width
        activation = None if last else ensemble.networks.activation
        arguments = f"output_dim={outputs}, input_dim={inputs}, activation={activation!r}"
        lines.append(f"FC({arguments}, weight_decay={decay!r}, ensemble_size={num_nets})\n")
    return {"model.mat": content.getvalue(), "model.nns": "".join(lines).encode()}


def load_model(folder: Path, ensemble: RegressionEnsemble) -> None:
    """Load both files into networks of the same shape; no code in them is executed.

    Args:
        folder: folder with model.mat and model.nns.
        ensemble: receives weights, bounds and normalizer.
    Raises:
        ValueError: a file is missing or damaged, or the networks have other shapes.
    """
    missing = [name for name in NAMES if not (folder / name).is_file()]
    if missing:
        raise ValueError(f"{folder}: no {' and no '.join(missing)}; expected a saved model")
    _check_layers(folder / "model.nns", ensemble)
    tensors, path = _tensors(ensemble), folder / "model.mat"
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path}: larger than {LARGEST} bytes; expected a saved model")
    try:
        arrays = loadmat(path)
    except Exception as error:  # whatever a damaged file causes
        raise ValueError(f"{path}: damaged, or not a MAT file ({error})") from error
    found = {name: value for name, value in arrays.items() if not name.startswith("__")}
    expected = {str(i): tuple(tensor.shape) for i, tensor in enumerate(tensors)}
    shapes = {name: np.shape(value) for name, value in found.items()}
    if shapes != expected:
        wrong = sorted(
            (name for name in {**expected, **shapes} if shapes.get(name) != expected.get(name)),
            key=lambda name: (len(name), name),
        )[0]
        got, wanted = shapes.get(wrong, "missing"), expected.get(wrong, "no such array")
        raise ValueError(f'{path}: array "{wrong}" is {got}; expected {wanted}')
    for name, value in found.items():
        if value.dtype.kind != "f" or not np.isfinite(value).all():
            raise ValueError(f'{path}: array "{name}" is not of finite numbers')
    with torch.no_grad():
        for i, tensor in enumerate(tensors):
            tensor.copy_(torch.from_numpy(found[str(i)].astype(np.float32)))


def _tensors(ensemble: RegressionEnsemble) -> list[Tensor]:
    """The tensors in the order of model.mat."""
    networks, normalizer = ensemble.networks, ensemble.normalizer
    tensors: list[Tensor] = [normalizer.mean, normalizer.std]
    for weight, bias in zip(networks.weights, networks.biases, strict=True):
        tensors += [weight, bias]
    bounds = (ensemble.max_logvar, ensemble.min_logvar)
    return tensors + [bound for bound in bounds if bound is not None]


def _check_layers(path: Path, ensemble: RegressionEnsemble) -> None:
    """Raise ValueError unless the layers in a model.nns are those of the ensemble."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from error
    layers = []
    for number, line in enumerate(filter(str.strip, lines), start=1):
        match = LAYER.fullmatch(line.strip())
        if match is None:
            raise ValueError(f"{path}, line {number}: {line[:80]!r} is not a layer")
        outputs, inputs, activation, _, num_nets = match.groups()
        name = None if activation == "None" else activation.strip("'")
        layers.append((int(num_nets), int(inputs), int(outputs), name))
    networks = ensemble.networks
    shapes = [tuple(weight.shape) for weight in networks.weights]
    shapes[-1] = (*shapes[-1][:2], ensemble.output_size)
    activations = [networks.activation] * (len(shapes) - 1) + [None]
    expected = [(*shape, name) for shape, name in zip(shapes, activations, strict=True)]
    if layers != expected:

        def text(found: Sequence[tuple[object, ...]]) -> str:
            return "; ".join(f"{e} x {i} -> {o} {a or 'linear'}" for e, i, o, a in found)

        raise ValueError(f"{path}: layers {text(layers)}; expected {text(expected)}")
