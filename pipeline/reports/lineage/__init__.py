"""The page that draws what a model was made of."""
