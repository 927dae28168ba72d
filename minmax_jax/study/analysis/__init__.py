"""What the results say: effects, verdicts and the table of findings."""
