"""Notebooks for others: as web pages that need nothing else, and as an app in the browser.

It uses storage.
"""
