#!/usr/bin/env bash
# What the paper's networks take to train on a GPU, and whether torch scores there as on the processor.
#   bash benchmarks/on_gpu.sh          one H100: under 4 minutes
#   SMALL=1 bash benchmarks/on_gpu.sh  everything in small: what is run where there is no GPU
# Needs torch, torchvision and this repository, which need not be installed; it reads no data. PYTHON is the
# interpreter (default: python3). facevoice predict --device cuda is not tried: it needs onnxruntime-gpu.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
# facevoice asks for its own version, which only an installed package has
mkdir "$scratch/facevoice-0.dist-info"
printf 'Metadata-Version: 2.1\nName: facevoice\nVersion: 0\n' > "$scratch/facevoice-0.dist-info/METADATA"
PYTHONPATH="src:$scratch" "${PYTHON:-python3}" benchmarks/on_gpu.py ${SMALL:+--small}
