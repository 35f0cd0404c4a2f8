#!/bin/bash
# What to run once a GPU is at hand, from the repository's root; every stage leaves its result even if a later one fails.
#   bash benchmarks/gpu.sh [tests|step|iteration|run]...      (none named: the first three; run: one slice of SLICE seconds, 540 unless told)
# The machine needs Python, PyTorch with CUDA and this package's dependencies; nothing is downloaded here.
# Results: benchmarks/results/*.json, and output/ for the training run, which the next slice resumes.
set -u
python=${PYTHON:-python}
seconds=${SLICE:-540}
stages=("$@")
[ ${#stages[@]} -gt 0 ] || stages=(tests step iteration)
failed=0
for stage in "${stages[@]}"; do
    echo "== $stage"
    case $stage in
        tests) "$python" -m pytest -q tests/torch -p no:cacheprovider ;;
        step) "$python" -m benchmarks.pearl_step --device cuda:0 --repeats 10 ;;
        iteration) "$python" -m benchmarks.pearl_iteration --device cuda:0 --threads "$(nproc)" --repeats 5 ;;
        run)
            run_dir=$(ls -d output/cheetah-vel/2* 2>/dev/null | tail -n 1)
            if [ -z "$run_dir" ]; then
                timeout -s INT "$seconds" "$python" launch_experiment.py configs/cheetah-vel.json --seed 0 --gpu 0 \
                    --set util_params.precision=tf32
            else
                timeout -s INT "$seconds" "$python" launch_experiment.py --resume "$run_dir"
            fi
            code=$?
            [ $code -eq 0 ] || [ $code -eq 124 ] || [ $code -eq 130 ] # the slice is over, a checkpoint written
            ;;
        *) echo "unknown stage $stage: expected tests, step, iteration or run" >&2; exit 2 ;;
    esac || failed=1
done
exit $failed
