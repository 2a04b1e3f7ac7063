#!/bin/sh
# Runs one task of the training job: `sh start.sh ps|worker|evaluator [FLAG ...]`.
# What is set here holds for all tasks. Flags given here or to start_1ps.sh and
# start_1worker1eval.sh win, as in `sh start_1ps.sh --model_dir=/mnt/shared/model`.

# "" trains on the CPU, "0" on the first GPU.
CUDA_VISIBLE_DEVICES=""
export CUDA_VISIBLE_DEVICES

case ${1-} in
  ps | worker | evaluator) role=$1 ;;
  *)
    echo "usage: sh start.sh ps|worker|evaluator [FLAG ...]" >&2
    exit 2
    ;;
esac
shift

# Python looks for modules in the current folder first, which is to be this one and no other. The
# program then goes back to where it was called, so that relative paths in flags are right.
BUILD_WORKING_DIRECTORY=$PWD
export BUILD_WORKING_DIRECTORY
CDPATH='' cd -- "$(dirname -- "$0")" || exit

# train_file, eval_file: a file, a glob, or a folder. model_dir: checkpoints, on storage that all
# tasks share. export_dir: the model is at saved_model/<timestamp>/ in it; the platform picks it up.
exec python3 -u -m "launch.$role" \
  --train_file=/opt/ml/input/data/criteo/train_new.txt \
  --eval_file=/opt/ml/input/data/criteo/val.txt \
  --model_dir=/opt/ml/input/data/cfs \
  --export_dir=/opt/ml/model/export \
  "$@"
