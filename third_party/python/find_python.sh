#!/bin/sh
# Prints the path of a CPython 3.7 of this machine, or says how to get one and exits with 1.
#
# TensorFlow 1.15 has no wheel for a newer Python. ./bazelw and the toolchain's repository rule both
# ask this script, so that they cannot disagree. Searched in this order: $PYTHON37, PATH, pyenv's
# versions (a shim on PATH fails unless its version is activated), uv's and conda's folders.

# Prints the interpreter itself, not a link in a virtual environment that may go away; fails when $1
# is no CPython 3.7. One start of the interpreter, without site: ./bazelw pays this on each call.
cpython37() {
  case $1 in */shims/*) return 1 ;; esac # pyenv's: slow, and failing unless activated
  [ -x "$1" ] || return 1
  "$1" -I -S -c 'import os, sys
if sys.version_info[:2] != (3, 7) or sys.implementation.name != "cpython":
    sys.exit(1)
print(os.path.realpath(sys.executable))' 2>/dev/null
}

candidates() {
  # One path a line. Folders with spaces are fine, unmatched globs fall out in cpython37.
  old_ifs=$IFS
  IFS=:
  for folder in $PATH; do
    printf '%s\n' "$folder/python3.7"
  done
  IFS=$old_ifs
  for pattern in \
    "${PYENV_ROOT:-${HOME:-/nonexistent}/.pyenv}"/versions/3.7.*/bin/python3.7 \
    "${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-${HOME:-/nonexistent}/.local/share}/uv/python}"/cpython-3.7.*/bin/python3.7 \
    "${CONDA_PREFIX:-/nonexistent}"/bin/python3.7 \
    "${HOME:-/nonexistent}"/*conda3/envs/*/bin/python3.7 \
    "${HOME:-/nonexistent}"/*forge*/envs/*/bin/python3.7 \
    /opt/conda/envs/*/bin/python3.7 \
    /opt/python*3.7*/bin/python3.7 \
    /usr/local/bin/python3.7 \
    /usr/bin/python3.7; do
    printf '%s\n' "$pattern"
  done
}

if [ -n "${PYTHON37:-}" ]; then
  cpython37 "$PYTHON37" && exit 0
  echo "PYTHON37=$PYTHON37 is not a CPython 3.7: set it to one, or unset it to search." >&2
  exit 1
fi

found=$(candidates | while IFS= read -r candidate; do
  cpython37 "$candidate" && break
done)
if [ -n "$found" ]; then
  printf '%s\n' "$found"
  exit 0
fi

echo "No CPython 3.7 found (looked at PYTHON37, PATH, pyenv, uv, conda): get one with 'pyenv install 3.7.17'," \
  "'uv python install 3.7' or 'conda create -n py37 python=3.7', or set PYTHON37 to its path." >&2
exit 1
