"""The benchmark: this package against PyTorch at its best, ``python -m minmax_jax.benchmark``.

Both sides do the same work, which is checked before anything is timed, and take turns in separate
processes. PyTorch comes with the extra ``peers`` and is imported in the processes of its side only.
"""
