"""The benchmark: this package against PyTorch at its best, ``python -m minmax_jax.benchmark``.

It may use everything but the study, the plots and the widgets; PyTorch, from the extra ``peers``, is
imported by the files ``torch_*.py`` and ``agreement.py`` alone, in processes of their own.
"""
