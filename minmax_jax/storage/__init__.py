"""What is kept in files: archives, the cache, folders of work that can be resumed, pytrees as named arrays.

It may use nothing of this package but the checks of arguments.
"""
