"""What the study compares: arms, conditions and candidates, and the data that they are trained on.

It uses data, training and the defences.
"""
