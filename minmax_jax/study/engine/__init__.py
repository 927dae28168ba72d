"""How an experiment runs, and its result file."""
