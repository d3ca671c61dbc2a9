# syntax=docker/dockerfile:1
# Weir's two images, the targets `operator` and `probe`: `make images` builds both, with any engine or with none (docs/images.md).
# What runs here runs on the machine that builds; the target's files are only unpacked and cross-compiled, so that an
# image for another architecture needs no emulation. Python's packages come from requirements/*.txt by hash, Debian's
# are those of the day; for a release pin DEBIAN by digest.
ARG DEBIAN=debian:bookworm-slim

FROM --platform=$BUILDPLATFORM ${DEBIAN} AS tools
ARG TARGETARCH
COPY images/stages/target.sh images/stages/tools.sh /stages/
RUN /stages/tools.sh

# --- wheels: of our parts, for the target -----------------------------------------------------------------------------
FROM tools AS wheels
ARG TARGETARCH
WORKDIR /src
COPY requirements/build.txt requirements/
RUN python3 -m venv /build && /build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt
COPY api api
COPY operator operator
COPY node-probe node-probe
COPY images/stages/wheels.sh /stages/
RUN /stages/wheels.sh api operator node-probe

# --- one root per image: Debian's files, then Python's ----------------------------------------------------------------
FROM wheels AS root
ARG TARGETARCH
COPY images/stages/debian.sh images/stages/python.sh /stages/
RUN /stages/debian.sh base-files python3-minimal python3.11-minimal libpython3.11-minimal libpython3.11-stdlib libc6 \
    libgcc-s1 libstdc++6 gcc-12-base zlib1g libexpat1 libssl3 libffi8 libbz2-1.0 liblzma5 libuuid1 libcrypt1
COPY images/etc /rootfs/etc

FROM root AS operator-root
ARG TARGETARCH
COPY requirements/operator.txt requirements/
RUN /stages/python.sh requirements/operator.txt weir-api weir-operator

# BCC=1 adds the rung for kernels without BTF. BCC brings a compiler as libraries: it stays out unless asked for.
FROM root AS probe-root
ARG TARGETARCH
ARG BCC=0
RUN /stages/debian.sh libbpf1 libelf1 libsqlite3-0
RUN test "$BCC" = 0 || /stages/debian.sh python3-bpfcc:all libbpfcc libclang-cpp14 \
    libllvm14 libedit2 libbsd0 libmd0 libxml2 libicu72 libz3-4 libtinfo6
COPY requirements/probe.txt requirements/
RUN /stages/python.sh requirements/probe.txt weir-api weir-probe
# 41 MB that only asyncio programs import
RUN rm -r /rootfs/usr/local/lib/python3.11/dist-packages/kubernetes/aio

# --- the images: no shell, no package manager -------------------------------------------------------------------------
FROM scratch AS operator
COPY --from=operator-root /rootfs /
ENV PATH=/usr/local/bin:/usr/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 8080 8443
ENTRYPOINT ["weir-operator"]

FROM scratch AS probe
COPY --from=probe-root /rootfs /
ENV PATH=/usr/local/bin:/usr/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
EXPOSE 9790
ENTRYPOINT ["weir-probe"]
