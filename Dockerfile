# dreambot in a container. Not tested: written on a machine without Docker.
#
#   docker build -t dreambot .                            # PyTorch's CPU build
#   docker build -t dreambot --build-arg TORCH=cuda .     # PyPI's build, with CUDA
#
# Pin the base by its digest for builds that can be repeated: --build-arg BASE=python:3.12-slim@sha256:…
ARG BASE=python:3.12-slim
FROM ${BASE}

ARG TORCH=cpu
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /opt/dreambot

# The dependencies have layers of their own, which stay when the code changes. Each file is checked by its hash;
# PyTorch's CPU builds lie on PyTorch's index, which has no lock here, and are pinned by version.
COPY constraints.txt ./
COPY .packaging .packaging
RUN if [ "$TORCH" = cpu ]; then \
      pip install --no-deps --index-url https://download.pytorch.org/whl/cpu \
        $(grep -E '^(torch|torchvision)==' constraints.txt); \
    else \
      pip install --no-deps --require-hashes -r .packaging/locks/cuda.txt; \
    fi
RUN pip install --no-deps --require-hashes -r .packaging/locks/run.txt

COPY pyproject.toml README.md LICENSE ./
COPY bot bot
COPY engine engine
RUN pip install --no-deps --no-build-isolation -e .

RUN useradd --system --uid 10001 dreambot && install -d -m 700 -o dreambot /data
USER dreambot
ENV DREAMBOT_DATA=/data DREAMBOT_WEIGHTS=/data/weights DREAMBOT_MONITOR=127.0.0.1:9400 HOME=/data
VOLUME /data

# The token is given at run time and is never part of the image. SIGTERM drains: see docs/hosting.md.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=60s --timeout=10s --start-period=180s --retries=3 CMD ["python", "-m", "bot", "health"]
ENTRYPOINT ["python", "-m", "bot"]
CMD ["run"]
