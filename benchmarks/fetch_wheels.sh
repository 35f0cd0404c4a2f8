#!/bin/bash
# Fetches wheels for a GPU machine without network that has Python and PyTorch with CUDA.
#   bash benchmarks/fetch_wheels.sh FOLDER [PYTHON_VERSION]      (default: 3.12; 50 MB)
# On that machine, which must have numpy, rich, matplotlib, pillow, imageio and pytest:
#   pip install --no-index --no-deps --target SITE FOLDER/*.whl
#   PYTHONPATH=SITE bash benchmarks/gpu.sh
set -eu
folder=${1:?usage: fetch_wheels.sh FOLDER [PYTHON_VERSION]}
fetch() {
    "${PYTHON:-python}" -m pip download --quiet --only-binary=:all: --dest "$folder" \
        --python-version "${version}" --platform manylinux_2_28_x86_64 \
        --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 "$@"
}
version=${2:-3.12}
# Without their other dependencies: mujoco's studio, numpy, and gymnasium's cloudpickle, which
# nothing here uses.
fetch --no-deps mujoco==4.0.0 mujoco-core==4.0.0 glfw pyopengl gymnasium farama-notifications \
    scipy joblib click
fetch pydantic # with its core, of which it takes one version only
ls -l "$folder"
