"""What is pushed, and how it answers."""
