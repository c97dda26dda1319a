"""Spoken commands: from sound to the words of an instruction. Only `node.py` knows ROS 2."""
