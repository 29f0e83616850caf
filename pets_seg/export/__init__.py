"""A network in one file that other programs run: ONNX, in float or int8, held against PyTorch before it is written."""
