"""Answers requests with pushed models, in the protocols of TensorFlow Serving and of the Open Inference Protocol.

No TensorFlow in Python, no TFX, no Beam and nothing of training is imported: TensorFlow's C library loads the models.
"""
