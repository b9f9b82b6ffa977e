"""Names that training writes and others read: of the model's tensors, and of files beside the model.

They stand by themselves, so that whoever reads needs neither TensorFlow nor the code that wrote them.
"""

LABEL = "label_xf"
"""The transformed label, which TFMA grades with."""
PREDICTION = "prediction"
"""Output of both serving signatures: probability, probabilities, or the predicted number."""
GRADIENTS, OUTPUT = "gradients", "output"
"""The signature that explains predictions, and its input that says which of the network's outputs is meant."""
HISTORY_FILE = "history.json"
"""In the ModelRun artifact: loss per epoch, which epoch was best and which was kept, losses of the refit if there was
one, and which trees taught the network."""
HYPERPARAMETERS_FILE = "hyperparameters.json"
"""In the ModelRun artifact: every setting that the network was fitted with."""
EXPORTED_FILE = "exported.json"
"""In the ModelRun artifact: SHA-256 of every file of the SavedModel."""
KEPT_ROWS_FILE = "assets.extra/tf_serving_warmup_requests"
"""Below the SavedModel: rows with their predictions; see trainer.kept_rows."""
SIGNATURES_FILE = "assets.extra/signatures.json"
"""Below the SavedModel: what its signatures take and give, for programs; see trainer.description."""


def beside_model(serving_model_dir: str, folder: str) -> str:
    """Return the address of a folder beside the SavedModel, in the same Model artifact."""
    return f"{serving_model_dir.rstrip('/').rpartition('/')[0]}/{folder}"


DERIVED_FEATURES = "derived_features"
"""The signature that gives derived features in their own units."""
