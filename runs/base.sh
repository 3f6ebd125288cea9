#!/usr/bin/env bash
# The base bundle from open data, top to bottom: about 30 minutes on 2 quiet cores.
#   bash runs/base.sh FER2013_FOLDER RAVDESS_SPEECH_FOLDER EMODB_FOLDER [OUTPUT]
# FER2013_FOLDER holds train/ and test/; every stage resumes where it was interrupted.
set -euo pipefail
fer2013="$1"
ravdess="$2"
emodb="$3"
output="${4:-src/facevoice/bundles/base}"
run() { uv run facevoice "$@"; }

[ -f prepared/fer2013/prepared.json ] || run prepare fer2013 --root "$fer2013" -o prepared/fer2013 --drop-leaks
[ -f prepared/ravdess-speech/prepared.json ] ||
    run prepare ravdess-speech --root "$ravdess" -o prepared/ravdess-speech --workers 2
[ -f prepared/emodb/prepared.json ] || run prepare emodb --root "$emodb" -o prepared/emodb
run train recipes/base_face.toml --data prepared/fer2013 -o runs-out/base_face
run train recipes/base_face_gentle.toml --data prepared/fer2013 -o runs-out/base_face_gentle
run train recipes/base_voice.toml --data prepared/ravdess-speech --data prepared/emodb \
    -o runs-out/base_voice
run bundle runs-out/base_face_gentle runs-out/base_voice --tree recipes/base_tree.toml -o "$output"
