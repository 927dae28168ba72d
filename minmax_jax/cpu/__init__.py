"""Networks of one's own on CPUs: convolutions and max-pools whose gradients are as fast as their values.

May use ``checks`` alone; whatever calls a model uses it.
"""
