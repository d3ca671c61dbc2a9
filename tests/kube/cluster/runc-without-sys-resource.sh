#!/bin/sh
# An OCI runtime for machines whose root lacks CAP_SYS_RESOURCE: runc cannot grant what it does not have, and fails
# ("unable to apply caps"), so the capability is taken out of the bundle, or of the process that is to be added.
previous=
for argument; do
	case $previous in
	--bundle | -b) file=$argument/config.json ;;
	--process | -p) file=$argument ;;
	esac
	previous=$argument
done
[ -z "${file:-}" ] || [ ! -f "$file" ] || sed -i 's/"CAP_SYS_RESOURCE",//g; s/,"CAP_SYS_RESOURCE"//g; s/"CAP_SYS_RESOURCE"//g' "$file"
exec runc "$@"
