#!/usr/bin/env bash
# Teachers of the face branch and their soft labels, from which recipes/base_face_votes.toml learns.
#   bash runs/teachers.sh DATA [TABLE]
# TABLE (default: runs-out/teachers.npz, some megabytes) is all that the student needs of them, so it
# may be made on another machine. With a CUDA device three larger nets are trained; without one the
# teachers are runs-out/base_face_gentle (runs/base.sh trains it) and mini-Xception. Every step resumes.
# DATA and LIMIT: see runs/prepare_faces.sh. TEACHERS=cuda or shipped: whatever device there is.
# SETTINGS: recipe keys for a trial, such as "width=4 epochs=1".
set -euo pipefail
data="$1"
table="${2:-runs-out/teachers.npz}"
run() { uv run facevoice "$@"; }
[ -f "$table" ] && exit
bash runs/prepare_faces.sh "$data"
if [ -z "${TEACHERS:-}" ]; then
    TEACHERS="$(uv run python -c 'import torch; print("cuda" if torch.cuda.is_available() else "shipped")')"
fi
if [ "$TEACHERS" = cuda ]; then
    settings=()
    for setting in ${SETTINGS:-}; do settings+=(--set "$setting"); done
    teachers=()
    for seed in 1 2 3; do
        run train recipes/teacher_face.toml --data prepared/fer2013 -o "runs-out/teacher_$seed" \
            --set "name=teacher_$seed" --set "seed=$seed" "${settings[@]}"
        teachers+=("runs-out/teacher_$seed")
    done
    run bundle --overwrite "${teachers[@]}" --tree recipes/teachers_cuda_tree.toml -o runs-out/teachers
else
    run bundle --overwrite runs-out/base_face_gentle --tree recipes/teachers_tree.toml -o runs-out/teachers
fi
run score --overwrite prepared/fer2013 --bundle runs-out/teachers -o "$table"
