#!/usr/bin/env bash
# The base bundle from open data, top to bottom: two hours and a half on 2 quiet cores, most of it for
# the face network. Every stage resumes where it was interrupted.
#   bash runs/base.sh DATA [OUTPUT]    trains, bundles, and writes the figures into the bundle's card
#   bash runs/base.sh --folds DATA     what the voice procedure is worth on speakers it has not met
#   bash runs/base.sh --corpora DATA   ... on corpora it has not met: other people, languages, rooms
# DATA holds fer2013/ (train/ and test/) or fer2013.tar.xz, ravdess_speech/, emodb/, speech_world/ and
# javanese_av/.
set -euo pipefail
only=""
if [[ "${1:-}" == --* ]]; then
    only="$1"
    shift
fi
data="$1"
output="${2:-src/facevoice/bundles/base}"
run() { uv run facevoice "$@"; }

prepare_voices() {
    [ -f prepared/ravdess-speech/prepared.json ] ||
        run prepare ravdess-speech --root "$data/ravdess_speech" -o prepared/ravdess-speech --workers 2
    [ -f prepared/emodb/prepared.json ] || run prepare emodb --root "$data/emodb" -o prepared/emodb
    [ -f prepared/speech-world/prepared.json ] ||
        run prepare speech-world --root "$data/speech_world" -o prepared/speech-world --workers 2
}
voices=(--data prepared/ravdess-speech --data prepared/emodb --data prepared/speech-world)
leave_corpora() {
    run folds recipes/base_speech.toml "${voices[@]}" --leave corpus -o runs-out/corpora "$@"
}

prepare_voices
case "$only" in
    --folds)
        run folds recipes/base_speech.toml "${voices[@]}" --folds 6 --among emodb=angry,happy,neutral,sad
        exit
        ;;
    --corpora)
        leave_corpora
        exit
        ;;
esac

if [ ! -f prepared/fer2013/prepared.json ]; then
    faces="$data/fer2013"
    if [ ! -d "$faces" ]; then
        faces="$(mktemp -d)"
        python3 -m tarfile -e "$data/fer2013.tar.xz" "$faces"
    fi
    run prepare fer2013 --root "$faces" -o prepared/fer2013 --drop-leaks
fi
run train recipes/base_face.toml --data prepared/fer2013 -o runs-out/base_face
run train recipes/base_face_gentle.toml --data prepared/fer2013 -o runs-out/base_face_gentle
run train recipes/base_speech.toml "${voices[@]}" -o runs-out/base_speech
leave_corpora  # its scores give the voice's temperature
run bundle runs-out/base_face_gentle runs-out/base_speech --tree recipes/base_tree.toml -o "$output"
leave_corpora --record "$output"
run evaluate prepared/fer2013 --split test --bundle "$output" --record "FER2013 test"
run evaluate "$data/javanese_av/labels.csv" --bundle "$output" --record "javanese_av"
