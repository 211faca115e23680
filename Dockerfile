# One image for every process of ours; a container differs only by its command:
#   tuopin api registry · tuopin worker registry · tuopin migrate registry · tuopin topics
ARG BASE_IMAGE=python:3.12-slim-bookworm

FROM ${BASE_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
RUN python -m venv /opt/installer && python -m venv --without-pip /opt/tuopin
WORKDIR /src
COPY requirements-bootstrap.lock requirements.lock ./
RUN /opt/installer/bin/pip install --no-cache-dir --require-hashes -r requirements-bootstrap.lock \
 && /opt/installer/bin/uv pip install --no-cache --python /opt/tuopin/bin/python --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY shared ./shared
COPY services ./services
COPY gateway ./gateway
COPY stack ./stack
RUN /opt/installer/bin/uv pip install --no-cache --offline --python /opt/tuopin/bin/python --no-deps .

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="tuopin" org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 tuopin && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin tuopin \
 && install -d -o tuopin -g tuopin /home/tuopin /config
COPY --from=build /opt/tuopin /opt/tuopin
ENV PATH=/opt/tuopin/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 TUOPIN_HOME=/home/tuopin
USER 10001:10001
WORKDIR /home/tuopin
ENTRYPOINT ["tuopin"]
CMD ["--help"]
