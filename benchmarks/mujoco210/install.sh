#!/usr/bin/env bash
# Installs the backend "mujoco-py": the extra `mujoco-py` of this checkout into the active Python
# environment, and MuJoCo 2.1.0, which the wheel of free-mujoco-py contains, into FOLDER. Prints the
# two variables that the backend needs.
#   benchmarks/mujoco210/install.sh [FOLDER]
# FOLDER defaults to ~/.mujoco/mujoco210. PYTHON names the interpreter (default: python3).
set -euo pipefail
cd "$(dirname "$0")/../.."
python="${PYTHON:-python3}"
folder="$(realpath -m "${1:-$HOME/.mujoco/mujoco210}")"

missing=()
for command in gcc patchelf; do command -v "$command" >/dev/null || missing+=("$command"); done
for header in GL/gl.h GL/osmesa.h GL/glew.h; do
    [ ${#missing[@]} -gt 0 ] || echo "#include <$header>" | gcc -E - >/dev/null 2>&1 ||
        missing+=("$header")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "mujoco-py compiles itself and needs ${missing[*]}. On Debian and Ubuntu, as root:" >&2
    echo "    apt-get install gcc libc6-dev libgl1-mesa-dev libosmesa6-dev libglew-dev patchelf" >&2
    exit 2
fi

"$python" -m pip install --quiet --disable-pip-version-check -e ".[mujoco-py]"

if [ ! -f "$folder/bin/libmujoco210.so" ]; then
    download=$(mktemp -d)
    trap 'rm -rf "$download"' EXIT
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --python-version 3.10 \
        --only-binary=:all: --dest "$download" free-mujoco-py==2.1.6
    "$python" -m zipfile -e "$download"/free_mujoco_py-2.1.6-*.whl "$download/wheel"
    mkdir -p "$folder"
    cp -r "$download"/wheel/mujoco_py/binaries/linux/mujoco210/. "$folder"
fi

export MUJOCO_PY_MUJOCO_PATH="$folder"
export LD_LIBRARY_PATH="$folder/bin${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
echo "compiling mujoco-py, which takes a few minutes the first time"
log=$(mktemp)
"$python" -c "import mujoco_py" >"$log" 2>&1 || { tail -n 20 "$log" >&2; exit 1; }
rm -f "$log"

cat <<TEXT
MuJoCo 2.1.0 is in $folder. The backend needs these two variables wherever it runs:
    export MUJOCO_PY_MUJOCO_PATH=$folder
    export LD_LIBRARY_PATH=$folder/bin:\$LD_LIBRARY_PATH
TEXT
