"""Recordings played to the node over DDS in time, as a camera would: what a robot would have got, drops included."""
