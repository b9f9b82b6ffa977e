"""Changes inside TFX, TFDV and TFT, one a file; docs/patches.md lists them."""
