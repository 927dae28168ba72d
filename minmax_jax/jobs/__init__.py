"""Long work: jobs on all cores, devices and hosts, with a progress bar, stopped by Ctrl-C without loss.

It may use storage and the checks of arguments.
"""
