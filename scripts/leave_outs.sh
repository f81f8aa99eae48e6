#!/bin/sh
# Trains leave-outs one after the other: usage: scripts/leave_outs.sh RUNS RECIPE:LETTER... -- [arguments of host train]
#   scripts/leave_outs.sh runs base:A base:B base:C new:A -- --coronahack D --external E --external N --backend libtorch
# RECIPE is a name in docs/experiments/recipes or models/recipes, LETTER a leave-out of docs/experiments/30-rule-for-leave-outs.md, with a
# seed behind it if it is not 1 (new:A2). Finished runs are skipped, stopped ones resumed. HOST names the program. UNTIL, a time that `date -d`
# reads, is when no further run begins and the running one is asked to stop.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
host=${HOST:-$root/target/release/host}
runs=${1:?usage: $0 RUNS RECIPE:LETTER... -- [arguments of host train]}
shift
queue=
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    queue="$queue $1"
    shift
done
[ $# -gt 0 ] && shift
end=$(date -d "${UNTIL:-tomorrow}" +%s) || exit 2
mkdir -p "$runs"
for item in $queue; do
    recipe=${item%%:*} letter=${item##*:}
    seed=${letter#?}
    case $letter in
    A*) left_out=pk_mendeley,radiography_db ;;
    B*) left_out=nih,covid_cxnet ;;
    C*) left_out=ieee8023,figure1 ;;
    *) echo "$item: leave-outs are A, B and C" >&2 && exit 2 ;;
    esac
    # A baseline that is not trained on pk_mendeley does not choose by it either.
    case $recipe:$letter in base*:[BC]*) left_out=$left_out,pk_mendeley ;; esac
    out=$runs/$recipe-$letter
    grep -qs '"state": "finished"' "$out/run.json" && continue
    left=$((end - $(date +%s)))
    [ "$left" -gt 60 ] || break
    file=$root/docs/experiments/recipes/$recipe.toml
    [ -f "$file" ] || file=$root/models/recipes/$recipe.toml
    resume=
    [ -f "$out/last.ckpt" ] && resume=--resume
    [ -z "$resume" ] && [ -d "$out" ] && rm -rf "$out"
    echo "$(date +%H:%M:%S) $item $resume"
    timeout --signal TERM --kill-after 120 "$left" \
        "$host" train --recipe "$file" --leave-out "$left_out" --seed "${seed:-1}" --out "$out" $resume "$@" >>"$runs/$recipe-$letter.log" 2>&1 ||
        echo "$(date +%H:%M:%S) $item ended with $?: see $runs/$recipe-$letter.log"
done
