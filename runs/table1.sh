#!/usr/bin/env bash
# Table 1 and Fig. 2 of the paper for a corpus: weights from its validation clips, a report card of
# its test clips for each of two searches.
#   bash runs/table1.sh CORPUS ROOT [BUNDLE] [OUTPUT]
# CORPUS: a name of `facevoice datasets`; ROOT: its folder; BUNDLE: whose branches are fused
# (default: base). Where all clips are of one split, whole groups (speakers) are dealt to validation
# and test in equal parts. Where labels of the test clips are withheld (AFEW), set TEST_SPLIT=val:
# the report then says that its clips were fitted on. PREPARED: the prepared folder, made if absent.
set -euo pipefail
corpus="$1"
root="$2"
bundle="${3:-base}"
output="${4:-runs-out/table1-$corpus}"
prepared="${PREPARED:-prepared/$corpus}"
step="${STEP:-0.02}"
fit_split="${FIT_SPLIT:-val}"
test_split="${TEST_SPLIT:-test}"
read -ra facevoice <<<"${FACEVOICE:-uv run facevoice}"
run() { "${facevoice[@]}" "$@"; }

mkdir -p "$output"
[ -f "$prepared/prepared.json" ] ||
    run prepare "$corpus" --root "$root" -o "$prepared" --workers 2
[ -f "$output/scores.npz" ] ||
    run score --overwrite --bundle "$bundle" --data "$prepared" --deal "$fit_split,$test_split" \
        -o "$output/scores.npz"
# the paper's search, node by node as the bundle's tree is built; then weights that hold up
run fuse --overwrite "$output/scores.npz" --split "$fit_split" --tree "$bundle" \
    --search grid --step "$step" --joint -o "$output/grid.json"
run fuse --overwrite "$output/scores.npz" --split "$fit_split" --tree "$bundle" \
    --search nested --step "$step" -o "$output/nested.json"
run reweigh --overwrite "$bundle" --weights "$output/nested.json" -o "$output/bundle"
allow=()
[ "$fit_split" = "$test_split" ] && allow=(--allow-trained)
for search in grid nested; do
    run evaluate --overwrite "$output/scores.npz" --split "$test_split" --weights "$output/$search.json" \
        --title "$corpus: $search weights" "${allow[@]}" -o "$output/report-$search"
done
