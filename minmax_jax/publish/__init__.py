"""Pages for others: reports of networks, and notebooks as pages or as an app in the browser.

It uses figures, robustness and what is below them; pages and app use storage alone.
"""
