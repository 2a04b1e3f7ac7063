#!/bin/sh
# The command of a PS node: ends when the training has ended.
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit
exec sh "$here/start.sh" ps "$@"
