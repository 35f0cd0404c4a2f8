#!/bin/bash
# Measures everything that only a GPU can show; run it from the repository root.
#   bash benchmarks/gpu.sh [--dry-run] [STAGE]...
# Stages: weights, step, operations, seeds, rollouts, iteration, tests, many, run. Without one, all run
# in this order, the most important first. Each stage is a process with a limit of LIMIT seconds
# (default 120) and keeps its result even if a later one fails. `weights` compares the weights after
# 500 replays with branches with those in line. `many` trains five seeds in one process until the
# limit; `run` trains one seed for SLICE seconds (default 540), and the next call resumes it.
# Lines end with the prediction for an H100 and "holds" or "OFF" (see docs/pearl.md).
# --dry-run: the same commands on a CPU at small size, to try them without a GPU; nothing is kept.
# The machine needs Python, PyTorch with CUDA and the dependencies of this package. Nothing is
# downloaded here; benchmarks/fetch_wheels.sh fetches wheels beforehand. PYTHON names the
# interpreter, GPU the number of the device.
set -u
python=${PYTHON:-python}
limit=${LIMIT:-120}
seconds=${SLICE:-540}
device=cuda:${GPU:-0}
keep=()
stages=()
for argument in "$@"; do
    if [ "$argument" = --dry-run ]; then
        device=cpu keep=(--no-write)
    else
        stages+=("$argument")
    fi
done
[ ${#stages[@]} -gt 0 ] || stages=(weights step operations seeds rollouts iteration tests many run)
failed=0
bounded() { timeout -k 10 "$limit" "$python" "$@"; }
train() { # a slice of a training run, or its continuation
    local run_dir
    local options=(configs/cheetah-vel.json --seed 0 --gpu "${GPU:-0}")
    options+=(--set util_params.precision=tf32)
    if [ "$device" = cpu ]; then
        bounded launch_experiment.py configs/quick/point-robot.json --cpu --debug
        return
    fi
    run_dir=$(ls -d output/cheetah-vel/2* 2>/dev/null | tail -n 1)
    [ -z "$run_dir" ] || options=(--resume "$run_dir")
    timeout -s INT "$seconds" "$python" launch_experiment.py "${options[@]}"
    local code=$?
    # The slice is over and a checkpoint written.
    [ $code -eq 0 ] || [ $code -eq 124 ] || [ $code -eq 130 ]
}
many() { # five seeds in one process; predicted for an H100 with tf32: at most 8 s an iteration
    if [ "$device" = cpu ]; then
        bounded launch_experiment.py configs/quick/point-robot.json --cpu --seeds 1-2 \
            --set algo_params.num_iterations=1 --set algo_params.num_train_steps_per_itr=5 \
            --set util_params.base_log_dir="$(mktemp -d)"
        return
    fi
    timeout -s INT "$limit" "$python" launch_experiment.py configs/cheetah-vel.json --seeds 1-5 \
        --gpu "${GPU:-0}" --set util_params.precision=tf32 \
        --set util_params.base_log_dir=output/many
    local code=$?
    [ $code -eq 0 ] || [ $code -eq 124 ] || [ $code -eq 130 ]
}
for stage in "${stages[@]}"; do
    echo "== $stage"
    case $stage in
        weights | step | operations | seeds | rollouts)
            bounded -m benchmarks.gpu_checks "$stage" --device "$device" "${keep[@]}"
            ;;
        iteration)
            if [ "$device" = cpu ]; then
                bounded -m benchmarks.step_operations --no-write
            else
                bounded -m benchmarks.pearl_step --device "$device" --repeats 5 &&
                    bounded -m benchmarks.pearl_iteration --device "$device" \
                        --threads "$(nproc)" --repeats 5
            fi
            ;;
        tests)
            if [ "$device" = cpu ]; then
                bounded -m pytest -q -p no:cacheprovider tests/torch/test_captured_steps.py
            else
                bounded -m pytest -q -p no:cacheprovider tests/torch/test_captured_steps.py \
                    tests/torch/sac tests/torch/test_gpu_route.py
            fi
            ;;
        many) many ;;
        run) train ;;
        *)
            echo "unknown stage $stage: expected weights, step, operations, seeds, rollouts," \
                "iteration, tests, many or run" >&2
            exit 2
            ;;
    esac || failed=1
done
exit $failed
