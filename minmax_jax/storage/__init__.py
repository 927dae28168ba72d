"""What is kept in files: archives written whole or not at all, the cache, folders of work that is resumed.

It uses nothing of this package but the checks of arguments.
"""
