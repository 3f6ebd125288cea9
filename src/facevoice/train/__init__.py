"""Training: the only place that imports torch, torchvision, onnx and scikit-learn.

recipe -> prepared data -> loop -> run folder -> ONNX. Nothing is imported here, so that
``facevoice.train.recipe`` can be read without torch.
"""
