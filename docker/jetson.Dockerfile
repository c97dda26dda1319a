# The node on a Jetson with JetPack 6, on top of an image that has ROS 2 and the PyTorch that was built for it. Such a
# base comes from jetson-containers, on the Jetson itself:
#   jetson-containers build --name instructseq-base pytorch torchvision ros:humble-ros-base
#   docker build --file docker/jetson.Dockerfile --build-arg BASE_IMAGE=instructseq-base:r36.4.0 --tag instructseq:jetson .
#   docker run --rm --runtime nvidia --network host --ipc host instructseq:jetson instructseq node --device cuda
ARG BASE_IMAGE=instructseq-base:r36.4.0
FROM ${BASE_IMAGE}

ARG ROS_DISTRO=humble
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN apt-get update \
  && apt-get install --yes --no-install-recommends \
    cmake g++ libegl1 make python3-colcon-common-extensions python3-dev python3-venv \
  && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/instructseq
COPY . .
# The base keeps ROS in /opt/ros/DISTRO/install where it was built from source. setup.sh keeps the base's torch; without
# one it would fetch a build that does not know the Jetson's GPU, so that is refused here.
RUN python3 -c 'import torch, torchvision; assert torch.version.cuda, "the base image has a torch without CUDA"' \
  && prefix="/opt/ros/${ROS_DISTRO}" \
  && if [ -f "$prefix/install/setup.bash" ]; then prefix="$prefix/install"; fi \
  && source "$prefix/setup.bash" \
  && scripts/setup.sh \
  && rm -rf /root/.cache

RUN useradd --create-home --uid 10001 --groups video robot
USER 10001
ENTRYPOINT ["/opt/instructseq/docker/entrypoint.sh"]
CMD ["instructseq", "node"]
