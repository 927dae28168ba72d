"""What a model may be, what it gives, and which of its parameters are kernels.

Any Flax NNX module, or any function from images to logits. It uses the checks of arguments.
"""
