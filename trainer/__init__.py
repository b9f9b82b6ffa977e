"""What runs inside TFX's Transform and Trainer and becomes the model. Imports nothing of `pipeline`."""
