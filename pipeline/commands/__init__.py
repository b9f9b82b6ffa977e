"""What each command of `longhaul` does."""
