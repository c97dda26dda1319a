# The node on a workstation or server, with an NVIDIA card if there is one, in a workspace of a ROS 2 distribution:
#   docker build --file docker/workstation.Dockerfile --tag instructseq:jazzy .
#   docker build --file docker/workstation.Dockerfile --build-arg ROS_DISTRO=humble --tag instructseq:humble .
#   docker run --rm --gpus all --network host --ipc host instructseq:jazzy instructseq node --device cuda
ARG ROS_DISTRO=jazzy
FROM ros:${ROS_DISTRO}-ros-base

SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN apt-get update \
  && apt-get install --yes --no-install-recommends \
    cmake g++ libegl-mesa0 libegl1 libgl1-mesa-dri make python3-colcon-common-extensions python3-dev python3-venv \
    "ros-${ROS_DISTRO}-diagnostic-msgs" "ros-${ROS_DISTRO}-vision-msgs" \
  && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/instructseq
COPY . .
# PyTorch brings CUDA with it; the host needs a driver and the NVIDIA container toolkit only.
RUN source "/opt/ros/${ROS_DISTRO}/setup.bash" && scripts/setup.sh && rm -rf /root/.cache

RUN useradd --create-home --uid 10001 robot
USER 10001
ENTRYPOINT ["/opt/instructseq/docker/entrypoint.sh"]
CMD ["instructseq", "node"]
