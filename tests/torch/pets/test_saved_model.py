"""Models are exchanged with handful-of-trials in both directions: model.mat, model.nns."""

import io

import numpy as np
import pytest
import torch
from scipy.io import loadmat, savemat

from rlkit.torch.pets.dynamics import make_ensemble
from rlkit.torch.pets.regression import RegressionEnsemble
from rlkit.torch.pets.saved_model import load_model, saved_model

DECAYS = (1e-4, 2.5e-05, 5e-4)
TYPES = {"D": 1, "P": 1, "DE": 2, "PE": 2}


def ensemble(model: str, seed: int) -> RegressionEnsemble:
    generator = torch.Generator().manual_seed(seed)
    made = make_ensemble(model, TYPES[model], 3, 2, (5, 4), generator=generator)
    made.normalizer.fit(torch.rand(9, 3, generator=generator) * 4)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return made


def write(folder, files):
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("model", TYPES)
def test_a_model_that_was_saved_is_loaded_again(tmp_path, model):
    saved, loaded = ensemble(model, 1), ensemble(model, 2)
    write(tmp_path, saved_model(saved, DECAYS))
    load_model(tmp_path, loaded)
    for (name, one), (_, two) in zip(
        saved.state_dict().items(), loaded.state_dict().items(), strict=True
    ):
        assert torch.equal(one, two), name


def test_a_script_of_the_originals_form_predicts_the_same(tmp_path):
    saved = ensemble("PE", 1)
    x = np.random.default_rng(0).normal(size=(7, 3))
    v = loadmat(io.BytesIO(saved_model(saved, DECAYS)["model.mat"]))
    h = np.tile((x - v["0"]) / v["1"], (2, 1, 1))
    for layer in (2, 4, 6):
        h = h @ v[str(layer)] + v[str(layer + 1)]
        h = h / (1 + np.exp(-h)) if layer < 6 else h
    mean, raw = h[..., :2], h[..., 2:]
    raw = v["8"] - np.log1p(np.exp(v["8"] - raw))
    logvar = v["9"] + np.log1p(np.exp(raw - v["9"]))
    normalized = saved.normalizer(torch.from_numpy(x).float()).expand(2, -1, -1)
    found = saved.moments(normalized)
    np.testing.assert_allclose(found.mean.detach(), mean, atol=1e-5)
    np.testing.assert_allclose(found.variance.detach(), np.exp(logvar), rtol=1e-4)


LINES = [
    "FC(output_dim=5, input_dim=3, activation='swish', weight_decay=0.0001, ensemble_size=2)",
    "FC(output_dim=4, input_dim=5, activation='swish', weight_decay=2.5e-05, ensemble_size=2)",
    "FC(output_dim=2, input_dim=4, activation=None, weight_decay=0.0005, ensemble_size=2)",
]


def arrays(outputs: int = 4) -> dict[str, np.ndarray]:
    shapes = [(1, 3), (1, 3), (2, 3, 5), (2, 1, 5), (2, 5, 4), (2, 1, 4), (2, 4, outputs)]
    shapes += [(2, 1, outputs), (1, 2), (1, 2)]
    return {str(i): np.full(shape, 0.1 * (i + 1)) for i, shape in enumerate(shapes)}


def by_hand(folder, values=None, lines=LINES):
    content = io.BytesIO()
    savemat(content, arrays() if values is None else values)
    write(folder, {"model.mat": content.getvalue(), "model.nns": "\n".join(lines).encode()})


def test_a_model_written_by_hand_in_the_originals_layout_is_loaded(tmp_path):
    by_hand(tmp_path)
    loaded = ensemble("PE", 1)
    load_model(tmp_path, loaded)
    assert torch.allclose(loaded.networks.weights[1], torch.tensor(0.5))
    assert torch.allclose(loaded.normalizer.std, torch.tensor(0.2))
    assert torch.allclose(loaded.max_logvar, torch.tensor(0.9))


def test_the_layers_are_written_as_the_original_writes_them():
    assert saved_model(ensemble("PE", 1), DECAYS)["model.nns"].decode().splitlines() == LINES


def test_a_folder_that_does_not_fit_is_refused(tmp_path):
    target = ensemble("PE", 1)
    before = [p.clone() for p in target.parameters()]

    def refused(match: str) -> None:
        with pytest.raises(ValueError, match=match):
            load_model(tmp_path, target)

    refused("no model.mat and no model.nns")
    by_hand(tmp_path, lines=["import os", *LINES])
    refused("line 1: 'import os' is not a layer")
    by_hand(tmp_path, lines=LINES[1:])
    refused("layers 2 x 5 -> 4 swish; 2 x 4 -> 2 linear; expected 2 x 3 -> 5 swish")
    by_hand(tmp_path, arrays(6))
    refused('array "6" is .2, 4, 6.; expected .2, 4, 4.')
    values = arrays()
    del values["9"]
    by_hand(tmp_path, values)
    refused('array "9" is missing')
    by_hand(tmp_path, {**arrays(), "3": np.full((2, 1, 5), np.nan)})
    refused('array "3" is not of finite numbers')
    by_hand(tmp_path)
    (tmp_path / "model.mat").write_bytes(b"MATLAB")
    refused("damaged, or not a MAT file")
    assert all(torch.equal(a, b) for a, b in zip(before, target.parameters(), strict=True))
