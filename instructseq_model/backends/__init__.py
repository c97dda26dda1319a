"""What runs the model: PyTorch from a checkpoint, ONNX Runtime or TensorRT from an export."""
