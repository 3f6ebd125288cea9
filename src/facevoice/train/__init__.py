"""Training: the only place that imports torch, torchvision, scikit-learn and skl2onnx.

recipe -> prepared data -> loop -> run folder -> ONNX. Nothing is imported here, so that
``facevoice.train.recipe`` can be read without torch.
"""
