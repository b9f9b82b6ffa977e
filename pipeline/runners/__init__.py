"""Where steps run: here, or on Vertex AI."""
