"""The node over DDS: image in to mask out, from another process."""
