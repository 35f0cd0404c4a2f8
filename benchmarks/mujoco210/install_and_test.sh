#!/usr/bin/env bash
# Installs the backend "mujoco-py" into a fresh virtual environment and runs the tests that compare
# our physics with MuJoCo 2.1.0, including those that need the engine itself.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
python="$work/venv/bin/python"

if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    (apt-get update -qq && apt-get install -qq -y --no-install-recommends \
        gcc libc6-dev libgl1-mesa-dev libosmesa6-dev libglew-dev patchelf) >/dev/null
fi

# The CPU build where one is offered, as in .ci/run.
"$python" -m pip install --quiet --disable-pip-version-check torch==2.13.0
"$python" -m pip install --quiet --disable-pip-version-check -e ".[test]"
PYTHON="$python" benchmarks/mujoco210/install.sh "$work/mujoco210"

export MUJOCO_PY_MUJOCO_PATH="$work/mujoco210" LD_LIBRARY_PATH="$work/mujoco210/bin"
export OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1
"$python" -c "import mujoco_py"
"$python" -m pytest -q -rs -p no:cacheprovider \
    tests/envs/test_mujoco210.py tests/envs/test_mujoco_py.py
