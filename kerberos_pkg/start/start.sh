#!/bin/sh
# Runs one task of the training job: `sh start.sh ps|worker|evaluator [FLAG ...]`.
# Flags given here or to start_1ps.sh and start_1worker1eval.sh win over the ones below.

# "" trains on the CPU, "0" on the first GPU.
CUDA_VISIBLE_DEVICES=""

# A file, a glob, or a folder.
train_file=/opt/ml/input/data/criteo/train_new.txt
eval_file=/opt/ml/input/data/criteo/val.txt

# Checkpoints, on storage that all tasks share; the exported model, which the platform picks up.
model_dir=/opt/ml/input/data/cfs
export_dir=/opt/ml/model/export

here=$(cd -- "$(dirname -- "$0")" && pwd) || exit
role=${1:?usage: sh start.sh ps|worker|evaluator [FLAG ...]}
shift
PYTHONPATH=$here${PYTHONPATH:+:$PYTHONPATH}
export CUDA_VISIBLE_DEVICES PYTHONPATH
exec python3 -u -m "launch.$role" \
  --train_file="$train_file" \
  --eval_file="$eval_file" \
  --model_dir="$model_dir" \
  --export_dir="$export_dir" \
  "$@"
