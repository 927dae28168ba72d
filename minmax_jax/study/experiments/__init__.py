"""The experiments: what is trained and measured in each, and the table that comes of it.

They use the design and the engine, and of the package what trains, attacks and certifies.
"""
