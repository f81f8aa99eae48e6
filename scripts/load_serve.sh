#!/usr/bin/env bash
# Loads `host serve` on this machine's loopback: throughput against the bare rate, latency at saturation, memory over many requests.
#
#   cargo build --release -p cxr-host -p cxr-app --no-default-features --features cxr-host/serve --bins --examples
#   scripts/load_serve.sh [REQUESTS=100000] [MAX_SECONDS=1200]
#
# Needs wrk (installed with apt-get where that works). Everything is bounded in count and time, and ends by itself.
# On a machine that does something else too, the scheduler favours whichever side has more threads: the processor time of an image,
# bare and served (wrk's own not counted), tells what serving costs.
# Exit 0: throughput >= 80 % of bare by both measures, p99 <= 4 x p50, memory <= 150 MB, no answer but 200; else 1.
set -euo pipefail
cd "$(dirname "$0")/.."
requests="${1:-100000}" max_seconds="${2:-1200}"
release="${CARGO_TARGET_DIR:-target}/release"
command -v wrk >/dev/null || { apt-get update -qq && apt-get install -qq -y --no-install-recommends wrk; }
work="$(mktemp -d)"
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT

cat >"$work/post.lua" <<'LUA'
wrk.method = "POST"
wrk.headers["content-type"] = "image/jpeg"
local file = io.open(os.getenv("CXR_IMAGE"), "rb")
wrk.body = file:read("*a")
file:close()
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("FIGURES %d %.1f %.2f %.2f %d\n", summary.requests, summary.requests * 1e6 / summary.duration,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
LUA

export CXR_IMAGE="$work/224.jpeg"
"$release/examples/bare_rate" "$CXR_IMAGE" 1 >/dev/null
"$release/host" serve --listen 127.0.0.1:0 --log-level warn >"$work/out" &
server=$!
for _ in $(seq 50); do [ -s "$work/out" ] && break; sleep 0.1; done
url="$(head -1 "$work/out")api/v1/predictions"
resident() { awk '/VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/$server/status"; }
load() { wrk -t1 -c8 "-d$1s" --timeout 30s -s "$work/post.lua" "$url" | sed -n 's/^FIGURES //p'; }

ticks() { awk '{ print $14 + $15 }' "/proc/$server/stat"; }
TIMEFORMAT='%U %S'

load 2 >/dev/null
echo "round   bare/s   served/s   share   p50 ms   p99 ms   bare CPU ms   served CPU ms"
for round in 1 2 3 4 5; do
  # Interleaved, so that what else the machine does meets both.
  { time "$release/examples/bare_rate" "$CXR_IMAGE" 5 >"$work/bare"; } 2>"$work/time"
  bare="$(cat "$work/bare")" before="$(ticks)"
  read -r count rate p50 p99 errors < <(load 5)
  bare_cpu="$(awk -v n="$bare" '{ print 1000 * ($1 + $2) / (5 * n) }' "$work/time")"
  cpu="$(echo "$before $(ticks) $count $(getconf CLK_TCK)" | awk '{ print 1000 * ($2 - $1) / $4 / $3 }')"
  echo "$round $bare $rate $p50 $p99 $bare_cpu $cpu" | tee -a "$work/rounds" |
    awk '{ printf "%5d %8.1f %10.1f %6.1f%% %8.2f %8.2f %13.3f %15.3f\n", $1, $2, $3, 100 * $3 / $2, $4, $5, $6, $7 }'
done
median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
share="$(awk '{ print 100 * $3 / $2 }' "$work/rounds" | median)"
cost="$(awk '{ print 100 * $6 / $7 }' "$work/rounds" | median)"
ratio="$(awk '{ print $5 / $4 }' "$work/rounds" | median)"

echo "sent   resident MB"
first="$(resident)" sent=0 failed=0 peak=0 start=$SECONDS
while [ "$sent" -lt "$requests" ] && [ $((SECONDS - start)) -lt "$max_seconds" ]; do
  read -r count _ _ _ errors < <(load 10)
  sent=$((sent + count)) failed=$((failed + errors)) now="$(resident)"
  peak="$(echo "$peak $now" | awk '{ print ($2 > $1) ? $2 : $1 }')"
  echo "$sent   $now"
done
echo "throughput: $share % of bare, $cost % by processor time (medians of 5); p99 / p50: $ratio (median of 5)"
echo "memory: $first MB at first, $(resident) MB after $sent requests in $((SECONDS - start)) s, $peak MB at most; $failed failed"
awk -v share="$share" -v cost="$cost" -v ratio="$ratio" -v peak="$peak" -v failed="$failed" -v sent="$sent" -v wanted="$requests" \
  'BEGIN { exit !(share >= 80 && cost >= 80 && ratio <= 4 && peak <= 150 && failed == 0 && sent >= wanted) }'
