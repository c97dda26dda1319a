"""Follow vision instructions: the model itself, free of ROS and of training code."""
