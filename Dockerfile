# macwright in a container, by README's command, with a simulator and the placers of [fpga]:
#   docker build -t macwright . && docker run --rm -v "$PWD/out:/data/out" macwright dse
FROM python:3.11-slim-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends iverilog libpython3-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/macwright
COPY . .
RUN python3 -m venv --without-pip .venv && python3 -m pip --python .venv/bin/python install --no-cache-dir '.[fpga]'
WORKDIR /data
ENTRYPOINT ["/opt/macwright/.venv/bin/macwright"]
CMD ["--help"]
