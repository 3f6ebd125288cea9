"""Finished runs -> ONNX files and a bundle."""
