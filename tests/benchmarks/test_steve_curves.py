"""The page of STEVE's curves is made from run folders."""

import csv
import json

from click.testing import CliRunner

from benchmarks.publishing.steve_curves import COPIED, main


def make_run(folder, method: str, seed: int, returns: list[float], tdk: bool = False):
    folder.mkdir()
    variant = {
        "algo_params": {
            "value_expansion": {"method": method, "tdk_trick": tdk},
            "num_iterations": 3,
        },
        "seed": seed,
        "machine": {"cpu": "a processor", "cpus": 2},
        "versions": {"torch": "2.13"},
    }
    (folder / "variant.json").write_text(json.dumps(variant))
    with (folder / "progress.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [name for name in COPIED if name != "Model Use"])
        writer.writeheader()
        for number, value in enumerate(returns):
            row = {"Number of env steps total": 500 * number, "AverageReturn": value}
            writer.writerow(row | {"MinReturn": value, "MaxReturn": value, "Train Time (s)": 60})
    return folder


def test_a_page_names_the_first_evaluation_at_the_bar(tmp_path):
    runs = [
        make_run(tmp_path / "a", "mve", 1, [-1000, -190, -300], tdk=True),
        make_run(tmp_path / "b", "ddpg", 2, [-1000, -500]),
    ]
    out = tmp_path / "page"
    arguments = [
        str(out),
        *map(str, runs),
        "--title",
        "Curves",
        "--command",
        "run",
        "--bar",
        "-200",
    ]
    result = CliRunner().invoke(main, [*arguments, "--level", "optimum", "-150"])
    assert result.exit_code == 0, result.output
    text = (out / "README.md").read_text()
    assert "| mve-tdk | 1 | 1,000 | 500 | -190.0 | -300.0 | 3 |" in text
    assert "| ddpg | 2 | 500 | not reached | -500.0 | -500.0 | 2 |" in text
    assert "Stopped before their last iteration: ddpg-seed2." in text
    assert len((out / "ddpg-seed2.csv").read_text().splitlines()) == 3
    assert (out / "curves.png").stat().st_size > 5000
