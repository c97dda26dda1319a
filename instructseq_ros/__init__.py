"""The ROS 2 node: messages in, Perceiver, messages out."""
