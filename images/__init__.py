"""Container images without a container engine: `make images` builds Weir's two from the Dockerfile.

`rootfs.debian` makes the files of an image from Debian packages, `archive.write` makes the tar that engines load.
"""
