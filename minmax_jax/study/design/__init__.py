"""What is compared: arms, conditions and the images of the study."""
