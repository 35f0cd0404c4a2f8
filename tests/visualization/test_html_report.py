"""The report on runs: complete in one file, with the requested content."""

import base64
import re
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner

from rlkit.launchers.report import main
from rlkit.visualization import html_report
from tests.visualization.test_plot import make_run

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Collects cells and sources of a page, and checks that its tags are closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.rows, self.sources = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.sources += [value for name, value in attributes if name in ("src", "href")]
        if tag == "tr":
            self.rows.append([])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1].append(data)


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for rate, base in ((0.1, 0), (1.0, 10)):
        for seed in (0, 1, 2):
            make_run(tmp_path / "runs" / f"{rate}-{seed}", [base + seed] * 3, seed, kl_lambda=rate)
    make_run(tmp_path / "runs" / "slow", [50], 3, kl_lambda=1.0, num_iterations=3)
    make_run(tmp_path / "runs" / "other", [5], env_name="<b>&tasks", relabel="<i>")
    (tmp_path / "runs" / "0.1-1" / "video.mp4").write_bytes(b"a film")
    (tmp_path / "runs" / "0.1-1" / "trajectories.png").write_bytes(b"a picture")
    monkeypatch.setattr(html_report, "LARGEST_FILE", 1000)
    (tmp_path / "runs" / "0.1-2" / "video.mp4").write_bytes(b"x" * 1001)
    result = CliRunner().invoke(main, ["runs", "-o", "r.html", "--title", "A & B"])
    assert result.exit_code == 0, result.output
    return (tmp_path / "r.html").read_text()


def test_everything_is_inside_of_the_file(page):
    sources = Page(page).sources
    assert sources and all(source.startswith("data:") for source in sources)
    assert page.count("data:image/svg+xml;base64,") == 2  # the curves of two environments
    for kind, content in (("video/mp4", b"a film"), ("image/png", b"a picture")):
        assert f"data:{kind};base64,{base64.b64encode(content).decode()}" in page
    assert "seed 2: video.mp4 is too large for this page" in page


def test_the_table_has_every_run_and_the_interquartile_mean_of_the_complete_ones(page):
    rows = Page(page).rows
    assert ["kl_lambda 0.1", "1", "3", "1.00", "1.00"] in rows
    assert ["kl_lambda 1.0", "3", "1 of 3, unfinished", "50.00", "50.00"] in rows
    summaries = [row for row in rows if len(row) > 1 and re.match(r"\d of \d$", row[1])]
    assert ["kl_lambda 1.0", "3 of 4", "11.00 [10.00, 12.00]"] in summaries


def test_settings_that_differ_are_a_table_and_text_is_escaped(page):
    rows = Page(page).rows
    at = rows.index(["algo_params.kl_lambda"])
    assert rows[at + 1 : at + 3] == [["kl_lambda 0.1", "0.1"], ["kl_lambda 1.0", "1.0"]]
    assert "<b>" not in page and "&lt;b&gt;&amp;tasks" in page
    assert "<title>A &amp; B</title>" in page


def test_a_folder_without_runs_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["."])
    assert result.exit_code == 2 and "no progress.csv" in result.output
    assert not (tmp_path / "report.html").exists()
