"""jax's persistent compilation cache, turned on when the package is imported.

What jax compiles is kept in the user's cache folder (see ``cache.py``), so that the next process need not
compile it again. ``MINMAX_JAX_CACHE`` moves the folder or turns it off; a cache that the user has set up in
jax (``JAX_COMPILATION_CACHE_DIR``) is left as it is. Deleting the folder is always safe.
"""

import jax

from minmax_jax.storage import cache


def keep_compilations() -> None:
    """Turn the cache on, unless it is turned off or jax has one already."""
    place = cache.folder()
    if place is None or jax.config.values["jax_compilation_cache_dir"] is not None:
        return
    jax.config.update("jax_compilation_cache_dir", str(place / "compiled"))
    # By default only what took a second is kept; many small programs make up the start of a model.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
