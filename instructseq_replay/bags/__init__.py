"""Bags of rosbag2, whole or damaged: reading what can be read, listing what cannot, writing results."""
