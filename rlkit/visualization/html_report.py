"""An HTML report on runs: curves, final returns, settings that differ, videos and images.

The file is self-contained and opens without a server or a network.
"""

import base64
import json
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path

import numpy as np

from rlkit.core.errors import UserError
from rlkit.visualization.aggregate import Center, summarize
from rlkit.visualization.plot import Style, plot_runs
from rlkit.visualization.results import LAST, mean_of_known
from rlkit.visualization.runs import Run

KINDS = {".png": "image/png", ".gif": "image/gif", ".mp4": "video/mp4"}
LARGEST_FILE = 30e6  # maximum bytes of an embedded file
CENTER: Center = "iqm"

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1080px; margin: 2em auto; padding: 0 1em;
       color: #222 }
h1, h2, h3 { line-height: 1.2 } h2 { margin-top: 2em; border-bottom: 1px solid #ddd }
table { border-collapse: collapse; margin: 1em 0; font-size: 14px }
th, td { padding: .25em .7em; text-align: right; border-bottom: 1px solid #e4e4e4 }
th:first-child, td:first-child { text-align: left }
tr.summary td { font-weight: 600; background: #f6f6f6 } .unfinished { color: #a04000 }
img, video { max-width: 100% } figure { margin: 1em 0; display: inline-block; max-width: 520px }
figcaption, .note { color: #666; font-size: 13px } pre { font-size: 12px; overflow-x: auto }
"""

Groups = Mapping[str, Sequence[Run]]


def write_report(
    title: str, experiments: Mapping[str, Groups], columns: Mapping[str, Sequence[str]], path: Path
) -> None:
    """Write the report.

    Args:
        title: of the page.
        experiments: environment -> label -> runs that differ only in their seed.
        columns: environment -> columns of progress.csv to plot; the first is in the table.
        path: the HTML file.
    Raises:
        UserError: it cannot be written.
    """
    parts = [_experiment(name, groups, columns[name]) for name, groups in experiments.items()]
    now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    num_runs = sum(len(runs) for groups in experiments.values() for runs in groups.values())
    page = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}'
        f"</title><style>{STYLE}</style></head><body><h1>{escape(title)}</h1>"
        f'<p class="note">{num_runs} runs, {now}</p>{"".join(parts)}</body></html>\n'
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error})") from error


def _experiment(name: str, groups: Groups, columns: Sequence[str]) -> str:
    return "".join(
        [
            f"<h2>{escape(name)}</h2>",
            _curves(groups, columns),
            _returns(groups, columns[0]),
            _differences(groups),
            _films(groups),
            _settings(groups),
        ]
    )


def _curves(groups: Groups, columns: Sequence[str]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "curves.svg")
        plot_runs(groups, path, y_names=columns, style=Style(CENTER, intervals=True))
        picture = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="learning curves" src="data:image/svg+xml;base64,{picture}">'


def _returns(groups: Groups, column: str) -> str:
    """Table of every run, and of the interquartile mean over each group's complete runs."""
    heads = ["", "seed", "iterations", f"{column}, all", f"last {LAST}"]
    lines = [_row(heads, tag="th")]
    for label, runs in groups.items():
        finals = []
        for run in runs:
            values = run.column(column)
            final = mean_of_known(values[-LAST:])
            length = str(run.length)
            if not run.is_complete:
                length += f" of {run.planned}, unfinished"
            else:
                finals.append(final)
            seed = "?" if run.seed is None else str(run.seed)
            cells = [label, seed, length, f"{mean_of_known(values):.2f}", f"{final:.2f}"]
            lines.append(_row(cells, "" if run.is_complete else "unfinished"))
        lines.append(_group_row(label, len(runs), np.array(finals)))
    note = (
        f"Means over all iterations and over the last {LAST}. Group rows are interquartile means of"
        " the latter over complete runs, with 95% bootstrap intervals."
    )
    return f'<h3>Final returns</h3><table>{"".join(lines)}</table><p class="note">{note}</p>'


def _group_row(label: str, num_runs: int, finals: np.ndarray) -> str:
    finals = finals[np.isfinite(finals)]
    if len(finals) == 0:
        return _row([label, f"0 of {num_runs}", "", "", "none is complete"], "summary")
    found = summarize(finals[:, None], CENTER, intervals=True)
    text = f"{found.center[0]:.2f}"
    if len(finals) > 1:
        text += f" [{found.low[0]:.2f}, {found.high[0]:.2f}]"
    return _row([label, f"{len(finals)} of {num_runs}", "", "", text], "summary")


def _differences(groups: Groups) -> str:
    """Table of the settings in which the groups differ."""
    configs = [runs[0].config for runs in groups.values()]
    keys = dict.fromkeys(key for config in configs for key in config)
    differing = [k for k in keys if len({json.dumps(config.get(k)) for config in configs}) > 1]
    if not differing:
        return ""
    lines = [_row(["", *differing], tag="th")]
    for label, config in zip(groups, configs, strict=True):
        lines.append(_row([label, *(json.dumps(config.get(key)) for key in differing)]))
    return f"<h3>Settings that differ</h3><table>{''.join(lines)}</table>"


def _films(groups: Groups) -> str:
    """Videos and images in the run folders."""
    figures = []
    for label, runs in groups.items():
        for run in runs:
            files = sorted(f for f in run.path.iterdir() if f.suffix in KINDS and f.is_file())
            figures += [_figure(file, f"{label}, seed {run.seed}: {file.name}") for file in files]
    return f"<h3>Videos and images</h3>{''.join(figures)}" if figures else ""


def _figure(file: Path, caption: str) -> str:
    if file.stat().st_size > LARGEST_FILE:
        return (
            f'<p class="note">{escape(caption)} is too large for this page: {escape(str(file))}</p>'
        )
    kind = KINDS[file.suffix]
    source = f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"
    shown = f'<img alt="{escape(caption)}" src="{source}">'
    if kind.startswith("video"):
        shown = f'<video controls loop muted src="{source}"></video>'
    return f"<figure>{shown}<figcaption>{escape(caption)}</figcaption></figure>"


def _settings(groups: Groups) -> str:
    parts = [
        f"<details><summary>All settings: {escape(label)}</summary>"
        f"<pre>{escape(json.dumps(runs[0].config, indent=1, sort_keys=True))}</pre></details>"
        for label, runs in groups.items()
    ]
    return "".join(parts)


def _row(cells: Sequence[str], kind: str = "", *, tag: str = "td") -> str:
    begin = f'<tr class="{kind}">' if kind else "<tr>"
    return begin + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"
