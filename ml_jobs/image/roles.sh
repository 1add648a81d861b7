#!/bin/sh
# `train`, `serve` and `batch` as commands in the folder $1, for platforms that call them by name.
set -eu
for role in train serve batch; do
    printf '#!/bin/sh\nexec python -m ml_jobs.entry %s "$@"\n' "$role" > "$1/$role"
    chmod 755 "$1/$role"
done
