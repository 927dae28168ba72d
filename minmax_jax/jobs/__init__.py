"""Work that takes long: on all cores and devices, with a progress bar, stopped by Ctrl-C without loss.

It uses storage and the checks of arguments.
"""
