#!/bin/sh
# Fetch the networks' weights: ./getModels.sh [coco] [mpi] [mobilenet] [--model_folder DIR]
# Works from any folder, with any Python from 3.10 on; where there is no sh, python -m pose.fetch does the same.

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit 1
run='import sys; sys.path.insert(0, sys.argv[1]); from pose.fetch import main; sys.exit(main(sys.argv[2:]))'

for python in python3 python; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
        exec "$python" -I -c "$run" "$here" "$@"  # -I: nothing that lies in the caller's folder is imported
    fi
done
echo "Python 3.10 or newer is needed, as python3 or python: install it, or activate its environment." >&2
exit 1
