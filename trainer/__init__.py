"""What runs inside TFX's Transform and Trainer and becomes the model. Imports nothing of `pipeline`."""

import os

# OpenMP reads this when it is loaded, which is when somebody first imports LightGBM: hence here, before all of ours.
# Threads of the teacher's trees that wait for each other then sleep. By default they spin, and on a machine that has
# other work as well, growing the trees takes three to five times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
