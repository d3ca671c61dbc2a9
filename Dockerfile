# syntax=docker/dockerfile:1
# Weir's two images: `docker build --target operator -t weir-operator:0.1.0 .` and `--target probe` likewise.
# For a release pin the base by digest: `--build-arg DEBIAN=debian:bookworm-slim@sha256:…`; Debian's packages then come
# from the day of the build, everything of Python's from requirements/*.txt by hash.
ARG DEBIAN=debian:bookworm-slim

FROM ${DEBIAN} AS python
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/*
ENV PATH=/opt/weir/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

# --- wheels: the only stage with compilers ----------------------------------------------------------------------------
FROM python AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-venv python3-dev gcc libc6-dev clang llvm libbpf-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
RUN python3 -m venv /build
COPY requirements/build.txt requirements/
RUN /build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt
COPY api api
COPY operator operator
COPY node-probe node-probe
RUN /build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation -w /wheels ./api ./operator ./node-probe

# --- one venv per image, without pip ----------------------------------------------------------------------------------
FROM build AS operator-venv
COPY requirements/operator.txt requirements/
RUN python3 -m venv --without-pip /opt/weir \
    && /build/bin/pip --python /opt/weir/bin/python install --no-cache-dir --require-hashes -r requirements/operator.txt \
    && /build/bin/pip --python /opt/weir/bin/python install --no-deps --no-index /wheels/weir_api-*.whl /wheels/weir_operator-*.whl

FROM build AS probe-venv
COPY requirements/probe.txt requirements/
RUN python3 -m venv --without-pip /opt/weir \
    && /build/bin/pip --python /opt/weir/bin/python install --no-cache-dir --require-hashes -r requirements/probe.txt \
    && /build/bin/pip --python /opt/weir/bin/python install --no-deps --no-index /wheels/weir_api-*.whl /wheels/weir_probe-*.whl

# --- the images -------------------------------------------------------------------------------------------------------
FROM python AS operator
COPY --from=operator-venv /opt/weir /opt/weir
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["weir-operator"]

# BCC=1 adds the rung for kernels without BTF. BCC brings a compiler, and its module is Debian's interpreter's: it stays
# out unless asked for.
FROM python AS probe
ARG BCC=0
RUN apt-get update \
    && apt-get install -y --no-install-recommends libbpf1 $([ "$BCC" = 0 ] || echo python3-bpfcc) \
    && rm -rf /var/lib/apt/lists/*
COPY --from=probe-venv /opt/weir /opt/weir
EXPOSE 9790
ENTRYPOINT ["weir-probe"]
