# dreambot in a container. Never built as it stands: written on a machine without Docker.
#
#   docker build -t dreambot .                            # PyTorch's CPU build
#   docker build -t dreambot --build-arg TORCH=cuda .     # PyPI's, with CUDA
FROM python:3.12-slim

ARG TORCH=cpu
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /opt/dreambot
COPY constraints.txt pyproject.toml README.md LICENSE ./
RUN if [ "$TORCH" = cpu ]; then index="--index-url https://download.pytorch.org/whl/cpu"; fi; \
    pip install $index "$(grep '^torch==' constraints.txt)"
COPY bot bot
COPY engine engine
RUN pip install -c constraints.txt -e .

RUN useradd --system --uid 10001 dreambot && install -d -o dreambot /data
USER dreambot
ENV DREAMBOT_DATA=/data DREAMBOT_WEIGHTS=/data/weights HOME=/data
VOLUME /data

# The token comes at run time and never into the image. SIGTERM drains: see docs/hosting.md.
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-m", "bot"]
CMD ["run"]
