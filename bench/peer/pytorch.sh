#!/bin/sh
# pytorch.sh [options of pytorch.py]: the demo model decoded by dsv4 and by PyTorch (transformers), in turns, on this machine.
# Makes a virtual environment on its first run, in $VENV or build/peer-venv: some gigabytes, of which dsv4 needs none.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=${VENV:-$root/build/peer-venv}

if [ ! -x "$root/build/dsv4" ]; then
    echo "pytorch.sh: expected $root/build/dsv4; run make first" >&2
    exit 1
fi
if ! "$venv/bin/python" -c 'import torch, transformers, safetensors' 2>/dev/null; then
    echo "pytorch.sh: installing torch and transformers in $venv" >&2
    python3 -m venv "$venv"
    # the CPU build is a tenth of the usual one; where its index cannot be reached, the usual one works as well
    "$venv/bin/pip" install -q torch --index-url https://download.pytorch.org/whl/cpu >&2 ||
        "$venv/bin/pip" install -q torch >&2
    "$venv/bin/pip" install -q 'transformers>=5.23' safetensors numpy >&2
fi
exec "$venv/bin/python" "$here/pytorch.py" --dsv4 "$root/build/dsv4" --model "$root/demo" "$@"
