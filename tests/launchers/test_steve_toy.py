"""`rlkit steve toy` writes a figure, CSV files and a table."""

from click.testing import CliRunner

from rlkit.launchers.cli import main
from rlkit.torch.steve.toy import VARIANTS


def test_a_short_toy_run_writes_its_files(tmp_path):
    folder = tmp_path / "toy"
    arguments = ["steve", "toy", "--steps", "100", "--trials", "2", "-o", str(folder)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    for name in VARIANTS:
        lines = (folder / f"{name}.csv").read_text().splitlines()
        assert len(lines) == 200 and lines[-1].startswith("99,99,99,")
    table = (folder / "table.md").read_text().splitlines()
    assert len(table) == 6 and table[3].startswith("| 100 | ")
    cells = [float(line.split(",")[3]) for line in lines[-2:]]
    mean = float(table[3].split("|")[-2].split("±")[0])
    assert abs(mean - sum(cells) / 2) < 0.01 * mean
    assert (folder / "toy.png").stat().st_size > 10_000
    assert CliRunner().invoke(main, ["steve", "toy", "--steps", "0"]).exit_code == 2
