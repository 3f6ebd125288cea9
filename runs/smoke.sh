#!/usr/bin/env bash
# The paper's whole system in small, top to bottom on real data: every kind of branch is prepared for,
# trained, bundled, fused, evaluated and used. Some ten minutes on 2 cores.
#   bash runs/smoke.sh JAVANESE_AV FER2013 RAVDESS_SPEECH [OUTPUT]
# JAVANESE_AV holds labels.csv and clips of six speakers; FER2013 holds train/ and test/.
# The recipes are those of the paper with narrower nets and smaller pictures; VGG has batch norm, for
# without published weights to start from it would need more than these minutes.
set -euo pipefail
clips="$(cd "$1" && pwd)"
faces="$2"
speech="$3"
out="${4:-runs-out/smoke}"
labels=angry,fear,happy,neutral,sad,surprise
run() { uv run facevoice "$@"; }
step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }

step "prepare"
mkdir -p "$out/javanese"
ln -sf "$clips"/*.mp4 "$out/javanese/"
awk -F, -v OFS=, '{ sub(/\r$/, "") } NR == 1 { print $0, "split"; next }
    { print $0, $3 == "JV08" ? "val" : $3 == "JV03" || $3 == "JV07" ? "test" : "train" }' \
    "$clips/labels.csv" > "$out/javanese/labels.csv"
run prepare manifest --root "$out/javanese" -o "$out/clips" --labels $labels --workers 2
run prepare fer2013 --root "$faces" -o "$out/faces" --labels $labels --limit 6000 --drop-leaks
run prepare ravdess-speech --root "$speech" -o "$out/speech" --labels $labels --limit 800 --workers 2

small=(--set width=12 --set input_size=48 --set grey=true --set normalise=unit --set patience=0
    --set "crop=[2, 2, 252, 252]" --set augmentation=wild --set augment=0.5 --set dropout=0.1
    --set balance=none)
# the networks on faces of FER2013, in place of the published weights
from_faces=("${small[@]}" --set branch=face_vote --set freeze=none --set initial= --set draws=1
    --set mirror=true)
# then on the clips: single faces, then the BLSTM
on_clips=("${small[@]}" --set draws=4 --set blstm_width=32 --set blstm_epochs=20
    --set blstm_learning_rate=3e-3)

# learn: recipe, name of the run, data, further settings. A thread each: the same numbers everywhere
learn() {
    step "train $2"
    local recipe="$1" name="$2" data="$3"
    shift 3
    OMP_NUM_THREADS=1 run train "recipes/$recipe.toml" --data "$out/$data" -o "$out/runs/$name" \
        --set "name=$name" "$@"
}

learn_vgg() {
    learn vgg_affectnet vgg_affectnet faces "${from_faces[@]}" --set net=vgg16_bn \
        --set epochs=6 --set learning_rate=2e-3
    learn vggface_blstm vggface clips "${on_clips[@]}" --set net=vgg16_bn \
        --set epochs=6 --set learning_rate=1e-3 --set "initial=$out/runs/vgg_affectnet"
}

learn_others() {
    learn resnet18_blstm resnet18_faces faces "${from_faces[@]}" --set feature_dim=64 \
        --set epochs=9 --set learning_rate=4e-3
    learn resnet18_blstm resnet18 clips "${on_clips[@]}" --set feature_dim=64 \
        --set epochs=3 --set learning_rate=5e-4 --set "initial=$out/runs/resnet18_faces"
    learn densenet121_blstm densenet121_faces faces "${from_faces[@]}" --set feature_dim=0 \
        --set width=16 --set epochs=6 --set learning_rate=8e-3
    learn densenet121_blstm densenet121 clips "${on_clips[@]}" --set feature_dim=0 \
        --set width=16 --set epochs=6 --set learning_rate=1e-3 \
        --set "initial=$out/runs/densenet121_faces"
}

learn_voices() {
    learn spectrogram_vgg19 spectrogram speech --set net=vgg19_bn --set width=8 --set initial= \
        --set channels=1 --set patience=0 --set dropout=0.1 --set epochs=12 \
        --set learning_rate=2e-3 --set balance=none --set augment=0 \
        --set "spectrogram={ height = 96, width = 96, scale = 'mel' }" \
        --set "test_groups=['RAV19', 'RAV20', 'RAV21', 'RAV22', 'RAV23', 'RAV24']"
    learn is09_svm is09 clips
    learn is10_svm is10 clips
}

step "train, two networks at a time"
(learn_vgg; learn_voices) > "$out/first.log" 2>&1 &
first=$!
learn_others > "$out/second.log" 2>&1 &
second=$!
wait "$first" || { cat "$out/first.log"; exit 1; }
wait "$second" || { cat "$out/second.log"; exit 1; }
cat "$out/first.log" "$out/second.log"

step "bundle, fuse, evaluate"
runs=()
for name in vggface resnet18 densenet121 vgg_affectnet spectrogram is09 is10; do
    runs+=("$out/runs/$name")
done
run bundle --overwrite "${runs[@]}" --tree recipes/system.toml -o "$out/bundle"
run score --overwrite --bundle "$out/bundle" --data "$out/clips" -o "$out/scores.npz"
run fuse --overwrite "$out/scores.npz" --split val --tree "$out/bundle" --search grid --step 0.1 \
    -o "$out/weights.json"
run reweigh --overwrite "$out/bundle" --weights "$out/weights.json" -o "$out/fused"
run evaluate --overwrite "$out/scores.npz" --split test --weights "$out/weights.json" -o "$out/report"

step "predict"
run predict "$clips"/03-*_01.mp4 --bundle "$out/fused" -o "$out/predictions.csv"
cut -d, -f1-3 "$out/predictions.csv"
step "held-out speakers against chance"
uv run python scripts/above_chance.py \
    "$out"/runs/{vggface,resnet18,densenet121,vgg_affectnet,spectrogram}
step "done"
