"""Who goes through the frames: this process, or workers on many machines."""
