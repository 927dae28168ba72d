"""How an experiment of the study runs, and its result file.

It may use all that lies below the study, and nothing else of the study.
"""
