#!/usr/bin/env bash
# The whole of the paper, top to bottom: four face branches, three voice branches, their weighted sum,
# Table 1 and Fig. 2 of AFEW.
#   bash runs/paper.sh AFEW_FOLDER AFFECTNET_FOLDER [OUTPUT]
# AFEW_FOLDER holds Train_AFEW/ and Val_AFEW/; AFFECTNET_FOLDER as `facevoice datasets affectnet` says.
# Published weights are looked for in the weights folder (`facevoice train` names file and place if one
# is missing): vgg_face_dag.pth and torchvision's for ImageNet. Wants a GPU (hours) and the extras
# train and opensmile. Every stage resumes where it was interrupted.
set -euo pipefail
afew="$1"
affectnet="$2"
out="${3:-runs-out/paper}"
step="${STEP:-0.02}"
run() { uv run facevoice "$@"; }
learn() { run train "recipes/$1.toml" --data "$out/$3" -o "$out/runs/$2"; }

run prepare afew --root "$afew" -o "$out/afew" --workers "$(nproc)"
run prepare affectnet --root "$affectnet" -o "$out/affectnet" --workers "$(nproc)"

learn vggface_blstm vggface afew
learn resnet18_blstm resnet18 afew
learn densenet121_blstm densenet121 afew
learn vgg_affectnet vgg_affectnet affectnet
learn spectrogram_vgg19 spectrogram afew
learn is09_svm is09 afew
learn is10_svm is10 afew

runs=()
for name in vggface resnet18 densenet121 vgg_affectnet spectrogram is09 is10; do
    runs+=("$out/runs/$name")
done
[ -f "$out/bundle/bundle.json" ] ||
    run bundle --overwrite "${runs[@]}" --tree recipes/system.toml -o "$out/bundle"
# labels of the test clips are withheld: the table is of the validation clips, as in the paper
[ -f "$out/scores.npz" ] || run score --overwrite --bundle "$out/bundle" --data "$out/afew" -o "$out/scores.npz"
for search in grid nested; do
    run fuse --overwrite "$out/scores.npz" --split val --tree "$out/bundle" --search "$search" --step "$step" \
        -o "$out/$search.json"
    run evaluate --overwrite "$out/scores.npz" --split val --weights "$out/$search.json" \
        --title "AFEW: $search weights" -o "$out/report-$search"
done
run reweigh --overwrite "$out/bundle" --weights "$out/nested.json" -o "$out/fused"
echo "predict with: facevoice predict CLIP --bundle $out/fused"
