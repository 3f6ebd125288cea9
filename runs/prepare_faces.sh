#!/usr/bin/env bash
# FER2013 with the votes of FER+, prepared for training and for evaluation; what is there is kept.
#   bash runs/prepare_faces.sh DATA
# DATA holds fer2013/ (train/ and test/) or fer2013.tar.xz, and ferplus/labels.csv.gz. LIMIT: so many
# pictures, for a trial.
set -euo pipefail
data="$(cd "$1" && pwd)"
if [ -f prepared/fer2013/prepared.json ] && [ -f prepared/ferplus/prepared.json ]; then
    exit
fi
faces="$(mktemp -d)"
trap 'rm -rf "$faces"' EXIT
if [ -d "$data/fer2013" ]; then
    ln -s "$data/fer2013/train" "$data/fer2013/test" "$faces"
else
    python3 -m tarfile -e "$data/fer2013.tar.xz" "$faces"
fi
cp "$data/ferplus/labels.csv.gz" "$faces/ferplus.csv.gz"
for corpus in fer2013 ferplus; do
    uv run facevoice prepare "$corpus" --root "$faces" -o "prepared/$corpus" --drop-leaks \
        ${LIMIT:+--limit "$LIMIT"}
done
