# Read by the other scripts: the target's names, in Debian's and in Python's words.
set -eu
umask 022
case $TARGETARCH in
amd64) machine=x86_64 ;;
arm64) machine=aarch64 ;;
*) echo "TARGETARCH=$TARGETARCH: amd64 and arm64 are known" >&2 && exit 1 ;;
esac
root=/rootfs
python=python3.11
packages=$root/usr/local/lib/$python/dist-packages
