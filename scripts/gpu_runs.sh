#!/usr/bin/env bash
# Trains the seeds and the folds by patient of a recipe one after the other until a deadline; run it again to go on.
#
#   scripts/gpu_runs.sh RUNS MINUTES OPTION...      OPTIONs are of `host train`, the same each time:
#   scripts/gpu_runs.sh runs 28 --recipe models/recipes/default.toml --coronahack D --external E --backend libtorch
#
# RUNS gets seed-1 to seed-5 and fold-1-of-5 to fold-5-of-5. What is finished is skipped, what was begun is resumed. Before the
# deadline the current run is asked to stop and saves itself. HOST names the program (default: what scripts/libtorch/build.sh
# builds; give it LD_LIBRARY_PATH); SEEDS and FOLDS name what to train, such as SEEDS="1 2" FOLDS=""; FROM is another RUNS, each
# finished run of which the run of the same name begins with (`--start`): the next phase.
# Exit 0: all are finished; 1: some are left; 2: bad usage, or a run failed.
set -euo pipefail
[[ $# -ge 3 && $2 =~ ^[0-9]+$ ]] || { sed -n '4,5s/^# *//p' "$0" >&2; exit 2; }
runs=$1 deadline=$((SECONDS + 60 * $2 - 20))
shift 2
host=${HOST:-${CARGO_TARGET_DIR:-$(dirname "$0")/../target}/libtorch/release/host}
[[ -x $host ]] || { echo "$host: no such program; build it with scripts/libtorch/build.sh, or set HOST" >&2; exit 2; }
stop='' pid=''
trap 'stop=yes' INT TERM

finished() { grep -qs '"state": "finished"' "$1/run.json"; }

# Trains NAME with more options, or goes on with it.
train() {
    local out=$runs/$1 asked='' begin=(${FROM:+--start "$FROM/$1"})
    shift
    finished "$out" && return
    if [[ -e $out/last.ckpt ]]; then
        begin=(--resume)
    elif [[ -n ${FROM-} ]] && ! finished "${begin[1]}"; then
        echo "=== $out waits for ${begin[1]}, which is not finished"
        return
    fi
    # Decoding the images takes a part of a minute.
    [[ -n $stop ]] || ((SECONDS + 40 > deadline)) && return
    echo "=== $out ${begin[*]}"
    # Of a session of its own: a second signal, as from the terminal, would end it unsaved.
    setsid "$host" train "$@" --out "$out" "${begin[@]}" &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        if [[ -z $asked ]] && { [[ -n $stop ]] || ((SECONDS >= deadline)); }; then
            kill -TERM "$pid" || true
            asked=yes
        fi
        sleep 1
    done
    local code=0
    wait "$pid" || code=$?
    # A run that was asked to stop ends with 1, or by the signal where it was still reading images.
    if [[ $code -ne 0 && -z $asked ]]; then
        echo "$out: ended with $code" >&2
        exit 2
    fi
}

names=()
for seed in ${SEEDS-1 2 3 4 5}; do
    names+=("seed-$seed")
    train "seed-$seed" "$@" --seed "$seed"
done
for fold in ${FOLDS-1/5 2/5 3/5 4/5 5/5}; do
    names+=("fold-${fold/\//-of-}")
    train "fold-${fold/\//-of-}" "$@" --fold "$fold"
done

left=0
for name in "${names[@]}"; do
    epochs=$(sed -n 's/^ *"epochs_done": \([0-9]*\).*/\1/p' "$runs/$name/run.json" 2>/dev/null || true)
    state=finished
    finished "$runs/$name" || { state='to go on with' && left=$((left + 1)); }
    echo "$name: ${epochs:-0} epochs, $state"
done
((left == 0)) || exit 1
