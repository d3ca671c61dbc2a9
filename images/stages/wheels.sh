#!/bin/sh
# The wheels of our parts: `wheels.sh FOLDER…`. Debian's Python cross-compiles by two variables: the target's build
# settings (compiler, suffix) and its platform.
. /stages/target.sh
export _PYTHON_SYSCONFIGDATA_NAME=_sysconfigdata__$machine-linux-gnu _PYTHON_HOST_PLATFORM=linux-$machine
for part; do
	/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation -w /wheels "./$part"
done
