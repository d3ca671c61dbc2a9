#!/bin/sh
# Debian packages into the root: `debian.sh PACKAGE…`. They are unpacked and listed in dpkg's database for scanners; no
# maintainer script runs, nothing is added that is not named.
. /stages/target.sh
mkdir -p $root/usr/bin $root/usr/lib $root/usr/lib64 $root/usr/sbin $root/var/lib/dpkg/info $root/tmp
chmod 1777 $root/tmp
for merged in bin lib lib64 sbin; do # Debian's merged /usr
	[ -L $root/$merged ] || ln -s usr/$merged $root/$merged
done
debs=$(mktemp -d)
chmod 755 "$debs" # apt fetches as another user
cd "$debs"
for package; do
	case $package in *:*) ;; *) package=$package:$TARGETARCH ;; esac
	set -- "$@" "$package" && shift
done
apt-get -o APT::Sandbox::User=root download "$@"
for deb in *.deb; do
	name=$(dpkg-deb --field "$deb" Package)
	dpkg-deb --fsys-tarfile "$deb" | tar -x -C $root --keep-directory-symlink
	dpkg-deb --ctrl-tarfile "$deb" | tar -x -O ./md5sums >"$root/var/lib/dpkg/info/$name.md5sums"
	{ dpkg-deb --field "$deb" | sed '1a Status: install ok installed' && echo; } >>$root/var/lib/dpkg/status
done
rm -r "$debs"
# documents but the licences, translations, character sets that Python has itself, what builds packages
cd $root/usr
find share/doc ! -type d ! -name copyright ! -type l -delete
rm -rf share/man share/info share/locale share/lintian share/bug share/base-files share/menu share/pixmaps
rm -rf share/apps share/applications share/debhelper share/gdb lib/*/gconv lib/*/audit
chmod -R u-s,g-s $root
