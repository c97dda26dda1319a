"""The demo: the node in a process of its own, a camera and a photograph over DDS, and a report of what it answered."""
