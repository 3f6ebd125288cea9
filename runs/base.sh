#!/usr/bin/env bash
# The base bundle from open data, top to bottom: three hours and a half on 2 quiet cores, most of it for
# the face network. Every stage resumes where it was interrupted.
#   bash runs/base.sh DATA [OUTPUT]    trains, bundles, and writes the figures into the bundle's card
#   bash runs/base.sh --folds DATA     what the voice procedure is worth on strangers: speakers, then
#                                      whole corpora, that it has not met
# DATA holds fer2013/ (train/ and test/) or fer2013.tar.xz, ferplus/labels.csv.gz, ravdess_speech/,
# emodb/, speech_world/ and javanese_av/.
set -euo pipefail
folds=false
if [ "${1:-}" = --folds ]; then
    folds=true
    shift
fi
data="$1"
output="${2:-src/facevoice/bundles/base}"
run() { uv run facevoice "$@"; }

prepare_voices() {
    [ -f prepared/ravdess-speech/prepared.json ] ||
        run prepare ravdess-speech --root "$data/ravdess_speech" -o prepared/ravdess-speech --workers 2
    [ -f prepared/emodb/prepared.json ] || run prepare emodb --root "$data/emodb" -o prepared/emodb
    [ -f prepared/speech_world/prepared.json ] ||
        run prepare speech-world --root "$data/speech_world" -o prepared/speech_world --workers 2
}
voices=(--data prepared/ravdess-speech --data prepared/emodb --data prepared/speech_world)
leave_corpora_out() {
    run folds recipes/base_speech.toml "${voices[@]}" --leave corpus -o runs-out/left_out "$@"
}
leave_corpora_out_centred() {
    run folds recipes/base_speech_centred.toml "${voices[@]}" --leave corpus -o runs-out/left_out_centred
}

if $folds; then
    prepare_voices
    run folds recipes/base_speech.toml "${voices[@]}" --folds 6 --among emodb=angry,happy,neutral,sad \
        -o runs-out/folds
    # the same procedure with the Amharic corpus, from which no weights ship
    run folds recipes/base_speech.toml "${voices[@]}" --folds 6 --set "test_corpora=[]" \
        --among emodb=angry,happy,neutral,sad -o runs-out/folds_all
    run folds recipes/base_speech_centred.toml "${voices[@]}" --folds 6 -o runs-out/folds_centred
    leave_corpora_out
    leave_corpora_out_centred
    exit
fi

bash runs/prepare_faces.sh "$data"
prepare_voices
run train recipes/base_face.toml --data prepared/fer2013 -o runs-out/base_face
run train recipes/base_face_gentle.toml --data prepared/fer2013 -o runs-out/base_face_gentle
bash runs/teachers.sh "$data"
run train recipes/base_face_votes.toml --data prepared/fer2013 -o runs-out/base_face_votes
leave_corpora_out # which base_tree.toml takes the voice's temperature from
leave_corpora_out_centred # ... and where neutral clips lie in its second model
run train recipes/base_speech.toml "${voices[@]}" -o runs-out/base_speech
run train recipes/base_speech_centred.toml "${voices[@]}" -o runs-out/base_speech_centred
run bundle --overwrite runs-out/base_face_votes runs-out/base_speech runs-out/base_speech_centred \
    --tree recipes/base_tree.toml -o runs-out/base_float32
run quantize --overwrite runs-out/base_float32 --data prepared/fer2013 --name base --shared-parts -o "$output"
leave_corpora_out --record "$output" # trained above: only the figures, into the card
run evaluate --overwrite prepared/fer2013 --split test --bundle "$output" -o runs-out/fer2013_test.npz
uv run python scripts/population.py "$output" runs-out/fer2013_test.npz # of the face, for baselines
run evaluate prepared/fer2013 --split test --bundle "$output" --record "FER2013 test"
run evaluate prepared/ferplus --split test --bundle "$output" --record "FER+ test, clear majority"
run evaluate "$data/javanese_av/labels.csv" --bundle "$output" --record "javanese_av"
