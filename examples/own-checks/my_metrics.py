"""What an error costs where penguins are counted."""

import numpy as np

PRICES = np.array([[0, 1, 5], [1, 0, 5], [2, 2, 0]])
"""By the true kind and the one that is called: whoever sees a Gentoo where none is walks far."""


def cost(labels, predictions, weights):
    """Return what calling a penguin by its likeliest kind costs on average."""
    return np.average(PRICES[labels, predictions.argmax(axis=1)], weights=weights)
