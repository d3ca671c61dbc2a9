#!/bin/sh
# Python packages into the root: `python.sh REQUIREMENTS PART…`; the parts are wheels that wheels.sh made.
. /stages/target.sh
requirements=$1 && shift
# by the target's platform pip chooses wheels; none is compiled here but ours
export _PYTHON_HOST_PLATFORM=linux-$machine
pip() { /build/bin/pip --python /usr/bin/$python install --no-cache-dir --no-compile --target "$packages" "$@"; }
for part; do set -- "$@" "$(echo /wheels/$(echo "$part" | tr - _)-*.whl)" && shift; done
pip --only-binary :all: --require-hashes -r "$requirements"
pip --upgrade --no-deps --no-index "$@"
mkdir -p $root/usr/local/bin
mv "$packages"/bin/weir-* $root/usr/local/bin/
rm -r "$packages/bin"
# what only tests, compilers and type checkers read
cd "$packages"
find . -depth -type d -name tests -exec rm -r {} +
find . -type f ! -path './weir_*' \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.h' -o -name '*.a' \) -delete
rm -rf numpy/f2py numpy/distutils
