"""What the results say: effects with their intervals, verdicts, and the table of findings.

It uses the design and the experiments' result tables, and trains nothing.
"""
