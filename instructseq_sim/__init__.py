"""A simulated camera over a household scene that changes. Only `node.py` and `messages.py` know ROS 2."""
