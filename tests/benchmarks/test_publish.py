"""Published pages are made from the runs' own files and contain no local path."""

import json

from click.testing import CliRunner

from benchmarks.publishing.runs import folder_names, main

HEADER = [
    "AverageReturn_all_test_tasks",
    "AverageReturn_prior_test_tasks",
    "AverageTrainReturn_all_train_tasks",
    "Number of train steps total",
    "Number of env steps total",
    "Epoch Time (s)",
]


def write_run(folder, seed, kl_lambda=0.1, iterations=6, **algo_params):
    folder.mkdir(parents=True)
    rows = [
        [-20 + i + seed, -25, -15 + i, 100 * (i + 1), 1000 * (i + 1), 30] for i in range(iterations)
    ]
    (folder / "progress.csv").write_text(
        "\n".join(",".join(map(str, row)) for row in [HEADER, *rows]) + "\n"
    )
    variant = {
        "env_name": "point-robot",
        "algo_params": {"kl_lambda": kl_lambda, **algo_params},
        "seed": seed,
        "util_params": {"base_log_dir": str(folder), "torch_threads": 2},
        "machine": {"cpu": "a processor", "cpus": 2, "device": "cpu"},
        "versions": {"torch": "2.13.0", "commit": "abc"},
    }
    (folder / "variant.json").write_text(json.dumps(variant))


def test_page_holds_the_mean_of_the_last_five_iterations_of_each_seed_and_no_local_path(tmp_path):
    for seed in (1, 2):
        write_run(tmp_path / f"run{seed}", seed)
    (tmp_path / "run2" / "sim_policy.csv").write_text(
        "trajectory,z,mean\n1,prior,-25.504\n2,posterior,-14\n3,posterior,-13\n"
    )
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "notes.md").write_text("They learn.\n")
    arguments = [
        str(docs),
        str(tmp_path / "run1"),
        str(tmp_path / "run2"),
        "--title",
        "Robots",
        "--command",
        "launch it",
    ]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines() == [
        f"copying {tmp_path / 'run1'} to {docs / 'seed1'} (1 of 2)",
        f"copying {tmp_path / 'run2'} to {docs / 'seed2'} (2 of 2)",
        f"drawing {docs / 'curves.png'}: {', '.join(HEADER[:3])}",
    ]
    page = (docs / "README.md").read_text()
    assert "| -16.00 |" in page and "| -15.00 |" in page  # mean of -18..-14, and one more
    assert "- Gradient steps: 600 per run. Wall-clock minutes: 3, 3 (2 threads, with other" in page
    assert "Meta-test of seed2 (`sim_policy.py`), return by trajectory:" in page
    assert "| 1 | prior | -25.50 |\n| 2 | posterior | -14.00 |\n| 3 | posterior | -13.00 |" in page
    assert "Meta-test of seed1" not in page
    assert "\n\nThey learn.\n\n" in page
    assert "- Command: `launch it`; the complete" in page
    assert str(tmp_path) not in page + "".join(
        (docs / f"seed{s}" / "variant.json").read_text() for s in (1, 2)
    )
    assert (docs / "curves.png").stat().st_size > 1000


def test_a_page_does_not_speak_of_other_jobs_where_there_were_none(tmp_path):
    write_run(tmp_path / "run", 1)
    arguments = [
        str(tmp_path / "docs"),
        str(tmp_path / "run"),
        "--title",
        "Robots",
        "--command",
        "launch it --seed <seed>",
        "--alone",
    ]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    page = (tmp_path / "docs" / "README.md").read_text()
    assert "Wall-clock minutes: 3 (2 threads)." in page
    assert "- Command, once per seed: `launch it --seed <seed>`; the complete" in page


def test_runs_of_different_lengths_keep_theirs_and_the_page_says_which_were_stopped(
    tmp_path, monkeypatch
):
    for seed, iterations in ((1, 6), (2, 4), (3, 8)):
        write_run(tmp_path / f"run{seed}", seed, iterations=iterations, num_iterations=8)
    drawn = {}
    monkeypatch.setattr(
        "benchmarks.publishing.runs.plot_runs",
        lambda groups, output, **options: drawn.update(groups=groups, **options),
    )
    folders = [str(tmp_path / f"run{seed}") for seed in (1, 2, 3)]
    arguments = [str(tmp_path / "docs"), *folders, "--title", "Robots", "--command", "launch it"]
    result = CliRunner().invoke(
        main, [*arguments, "--each", "--bootstrap", "--level", "the bar", "-12.5"]
    )
    assert result.exit_code == 0, result.output
    lengths = {label: len(run.column(HEADER[0])) for label, (run,) in drawn["groups"].items()}
    assert lengths == {
        "seed 1, 6 iterations": 6,
        "seed 2, 4 iterations": 4,
        "seed 3, 8 iterations": 8,
    }
    assert drawn["levels"] == {"the bar": -12.5}
    assert drawn["style"].intervals
    stops = "number of iterations: seed1 after 6 of 8, seed2 after 4 of 8.\n"
    page = (tmp_path / "docs" / "README.md").read_text()
    assert f"- Stopped before the configured {stops}" in page
    assert "- Gradient steps: 600, 400, 800." in page


def test_the_page_names_the_gpu_that_a_run_trained_on(tmp_path):
    write_run(tmp_path / "run", 1)
    path = tmp_path / "run" / "variant.json"
    variant = json.loads(path.read_text())
    variant["machine"] |= {"device": "cuda:0", "gpu": "a graphics card"}
    path.write_text(json.dumps(variant))
    arguments = [str(tmp_path / "docs"), str(tmp_path / "run"), "--title", "Robots"]
    result = CliRunner().invoke(main, [*arguments, "--command", "launch it"])
    assert result.exit_code == 0, result.output
    page = (tmp_path / "docs" / "README.md").read_text()
    assert "- Machine: a processor, 2 CPUs, a graphics card." in page


def test_folders_are_named_by_the_seed_and_by_the_settings_in_which_runs_differ(tmp_path):
    runs = {"a": (1, 0.1), "b": (2, 0.1), "c": (1, 1.0), "d": (1, 1.0)}
    for name, arguments in runs.items():
        write_run(tmp_path / name, *arguments)
    assert list(folder_names([tmp_path / "a", tmp_path / "b"])) == ["seed1", "seed2"]
    names = {
        name: path.name for name, path in folder_names([tmp_path / name for name in runs]).items()
    }
    assert names == {
        "kl_lambda-0.1-seed1": "a",
        "kl_lambda-0.1-seed2": "b",
        "kl_lambda-1.0-seed1": "c",
        "kl_lambda-1.0-seed1-3": "d",
    }


def test_labels_name_curves_and_folders(tmp_path):
    for name, arguments in {"a": (1, 1.0), "b": (2, 0.1), "c": (1, 0.1)}.items():
        write_run(tmp_path / name, *arguments)
    runs = [str(tmp_path / name) for name in "abc"]
    options = ["--title", "Robots", "--command", "launch it", "--label", "KL 1"]
    arguments = [str(tmp_path / "docs"), *runs, *options]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1 and "1 labels for 2 curves" in result.output
    result = CliRunner().invoke(main, [*arguments, "--label", "KL small"])
    assert result.exit_code == 0, result.output
    found = sorted(path.name for path in (tmp_path / "docs").iterdir() if path.is_dir())
    assert found == ["KL-1-seed1", "KL-small-seed1", "KL-small-seed2"]
    table = (tmp_path / "docs" / "results.md").read_text()
    assert table.count("| KL small | ") == 3 and table.count("| KL 1 | ") == 1
