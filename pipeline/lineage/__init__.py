"""What ML Metadata remembers; no TensorFlow here."""
