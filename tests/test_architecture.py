"""The house rules that a machine can check.

Who may import whom, what never is imported, how long a file may be.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# An import may only point to the left (or stay in its own package).
ORDER = [
    "rand_param_envs",
    "rlkit.envs",
    "rlkit.data_management",
    "rlkit.policies",
    "rlkit.samplers",
    "rlkit.core",
    "rlkit.torch",
    "rlkit.visualization",
    "rlkit.launchers",
    "scripts",
]
MAY_IMPORT_PYTORCH = (
    "rlkit/torch/",
    "rlkit/visualization/",
    "rlkit/launchers/",
    "rlkit/data_management/episodes.py",
    "rlkit/data_management/frame_buffer.py",
    "rlkit/data_management/paged_rings.py",
    "rlkit/data_management/pages.py",
    "rlkit/data_management/replay_buffer.py",
    "rlkit/data_management/batch.py",
    "rlkit/data_management/episode_draws.py",
    "rlkit/data_management/episode_reader.py",
    "rlkit/data_management/saved_rows.py",
    "rlkit/data_management/simple_replay_buffer.py",
    "rlkit/core/checkpoint.py",
    "rlkit/core/saved_files.py",
    "rlkit/core/saving.py",
)
MAY_IMPORT_MUJOCO = ("rlkit/envs/", "rand_param_envs/")
NEVER_IMPORTED = {"pickle", "cloudpickle", "dill", "gym", "dateutil"}
SHARED_TORCH = {path.stem for path in (ROOT / "rlkit" / "torch").glob("*.py")}


def is_script(path: Path) -> bool:
    return path.parts[0] in ("configs", "benchmarks") or len(path.parts) == 1


def library_files() -> list[Path]:
    """Every Python file of the two packages and the scripts, relative to the repository."""
    folders = [ROOT / name for name in ("rlkit", "rand_param_envs", "configs", "benchmarks")]
    files = [file for folder in folders for file in folder.rglob("*.py")] + list(ROOT.glob("*.py"))
    return sorted(file.relative_to(ROOT) for file in files)


def imports_of(path: Path) -> Iterator[str]:
    """Full names of all that a file imports, at the top or inside functions.

    Relative imports resolved.
    """
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(path.parts[: len(path.parts) - node.level]) if node.level else ""
            module = ".".join(filter(None, [package, node.module]))
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def place(name: str) -> int | None:
    """Position in ORDER of a dotted name.

    None for a foreign one and for the bare package `rlkit`.
    """
    for position, package in enumerate(ORDER):
        if name == package or name.startswith(f"{package}."):
            return position
    return (
        ORDER.index("scripts")
        if name.split(".")[0] in ("configs", "benchmarks", "launch_experiment", "sim_policy")
        else None
    )


def place_of_file(path: Path) -> int | None:
    return (
        ORDER.index("scripts") if is_script(path) else place(".".join(path.with_suffix("").parts))
    )


def importers_of(package: str) -> list[str]:
    """Files that import a top-level package."""
    return [
        str(path)
        for path in library_files()
        if any(name.split(".")[0] == package for name in imports_of(path))
    ]


def test_there_is_something_to_check():
    assert len(library_files()) > 20


@pytest.mark.parametrize("path", library_files(), ids=str)
def test_imports_point_to_the_left(path):
    own = place_of_file(path)
    targets = {name: place(name) for name in imports_of(path)}
    wrong = [
        name
        for name, target in targets.items()
        if target is not None and own is not None and target > own
    ]
    assert not wrong, f"{path} ({ORDER[own]}) may not import {wrong}"


def test_every_package_of_rlkit_has_a_place_in_the_order():
    packages = {
        f"rlkit.{folder.name}"
        for folder in (ROOT / "rlkit").iterdir()
        if (folder / "__init__.py").exists()
    }
    assert packages <= set(ORDER)


def test_the_pytorch_library_is_imported_where_it_may_be_only():
    library = [path for path in importers_of("torch") if not is_script(Path(path))]
    assert [path for path in library if not path.startswith(MAY_IMPORT_PYTORCH)] == []


def test_mujoco_is_imported_by_environments_only():
    library = [path for path in importers_of("mujoco") if not is_script(Path(path))]
    assert [path for path in library if not path.startswith(MAY_IMPORT_MUJOCO)] == []


def test_algorithms_under_rlkit_torch_do_not_import_each_other():
    for path in library_files():
        if path.parts[:2] == ("rlkit", "torch") and len(path.parts) > 3:
            others = {
                name.split(".")[2] for name in imports_of(path) if name.startswith("rlkit.torch.")
            }
            assert others <= {path.parts[2]} | SHARED_TORCH, f"{path} imports {others}"


ALGORITHMS = (
    "pearl",
    "oyster",
    "hfr",
    "hipi",
    "sac",
    "rl2",
    "maml",
    "promp",
    "maesn",
    "pets",
    "steve",
)
NAME_NO_ALGORITHM = ["rlkit/core", "rlkit/launchers/run.py"]


def algorithms_named_in(text: str) -> list[str]:
    """Lines that name an algorithm, other than those of a docstring's paragraph `Source:`."""
    lines, in_source = [], False
    for line in text.splitlines():
        in_source = "Source:" in line or (in_source and line.strip() not in ("", '"""'))
        words = re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", line).lower())
        if not in_source and set(words) & set(ALGORITHMS):
            lines.append(line.strip())
        in_source = in_source and not line.rstrip().endswith('"""')
    return lines


@pytest.mark.parametrize("place", NAME_NO_ALGORITHM)
def test_what_every_algorithm_shares_names_none_outside_its_sources(place):
    path = ROOT / place
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    assert files
    named = {str(file.relative_to(ROOT)): algorithms_named_in(file.read_text()) for file in files}
    assert {file: lines for file, lines in named.items() if lines} == {}


def test_the_check_of_names_finds_a_name_in_code_and_prose_but_not_in_a_source():
    assert algorithms_named_in("from rlkit.torch.sac.agent import PEARLAgent")
    assert algorithms_named_in('    """As oyster does."""')
    assert algorithms_named_in('    """Source: oyster."""\n    hfr_columns = 1') == [
        "hfr_columns = 1"
    ]
    assert algorithms_named_in('    Source: PEARL;\n    oyster, file.\n    """') == []


def test_only_benchmarks_use_plain_twins_and_nobody_uses_studies_or_publishing():
    twins = [path for path in files_of_tests() if path.parts[1] == "reference"]
    assert twins
    may_import = {"benchmarks": ("benchmarks.", "tests.reference."), "tests": ("tests.reference.",)}
    for path in [*library_files(), *twins]:
        own, allowed = ".".join(path.parts[:-1]), may_import.get(path.parts[0], ())
        others = tuple({"benchmarks.studies", "benchmarks.publishing"} - {own})
        found = {name for name in imports_of(path) if name.split(".")[0] in ("benchmarks", "tests")}
        wrong = {name for name in found if not name.startswith(allowed) or name.startswith(others)}
        assert not wrong, f"{path} imports {wrong}"


def test_rand_param_envs_stands_alone():
    files = [path for path in library_files() if path.parts[0] == "rand_param_envs"]
    assert [
        str(path)
        for path in files
        if any(name.split(".")[0] == "rlkit" for name in imports_of(path))
    ] == []


@pytest.mark.parametrize("package", sorted(NEVER_IMPORTED))
def test_unsafe_and_abandoned_packages_are_not_imported(package):
    assert importers_of(package) == []


def files_of_tests() -> list[Path]:
    return sorted(file.relative_to(ROOT) for file in (ROOT / "tests").rglob("*.py"))


@pytest.mark.parametrize("path", [*library_files(), *files_of_tests()], ids=str)
def test_no_file_is_longer_than_300_lines(path):
    assert len((ROOT / path).read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", library_files(), ids=str)
def test_every_file_says_what_it_is_for(path):
    text = (ROOT / path).read_text()
    if text and path.name != "setup.py":
        assert ast.get_docstring(ast.parse(text)), f"{path} has no module docstring"


@pytest.mark.parametrize("path", library_files(), ids=str)
def test_no_global_random_numbers_are_used(path):
    calls = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.Call)
    }
    ambient = {
        name
        for name in calls
        if re.fullmatch(r"np\.random\.[a-z_]+|random\.[a-z_]+|torch\.(cuda\.)?manual_seed\w*", name)
    }
    lent = {
        "np.random.get_bit_generator",
        "np.random.set_bit_generator",
    }  # to user-defined classes, and given back
    assert ambient <= {"np.random.default_rng"} | (
        lent if path.name == "legacy_random.py" else set()
    )


@pytest.mark.parametrize("path", library_files(), ids=str)
def test_views_of_buffers_are_released_where_they_are_taken(path):
    """Left to an exception, they crash Python 3.12.1 and raise BufferError on 3.13.0."""
    nodes = list(ast.walk(ast.parse((ROOT / path).read_text())))
    taken = {
        node
        for node in nodes
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", getattr(node.func, "id", "")) in ("getbuffer", "memoryview")
    }
    assert taken <= {node.context_expr for node in nodes if isinstance(node, ast.withitem)}


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize(
    "path", [path for path in library_files() if path.parts[0] != "benchmarks"], ids=str
)
def test_no_function_is_longer_than_a_screen_and_no_constructor_wider_than_12(path):
    for function in functions_of(path):
        lines = (function.end_lineno or 0) - function.lineno + 1
        assert lines <= 75, f"{path}: {function.name} has {lines} lines"
        if function.name == "__init__":
            width = len(function.args.args) + len(function.args.kwonlyargs) - 1
            assert width <= 12, f"{path}, line {function.lineno}: {width} parameters"
