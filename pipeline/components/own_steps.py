"""The steps that hold code of the user's, in the places of Longhaul's own. Wiring only."""

from __future__ import annotations

from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.proto import transform_pb2

from pipeline.components.curated_schema import CuratedSchema
from pipeline.components.own_trainer import OwnTrainer
from pipeline.components.transform import Transform
from pipeline.config.own_code import TrainerSection
from pipeline.contract.run_inputs import RunInputs
from trainer.settings.fitting import OF_ITS_NETWORK, FittingSettings


def own_training_steps(
    settings: TrainerSection, weight: str | None, inputs: RunInputs, examples: Any
) -> tuple[list[Any], OwnTrainer]:
    """Wires the user's `preprocessing_fn`, and their `run_fn` or `build_model`, told what stock TFX tells them.

    Args:
        weight: the column that weighs rows.

    Returns:
        All steps, and the one that makes the model.
    """
    # Tells the user's functions by the schema which columns have a value in every row, as TFX's SchemaGen does.
    column_schema = CuratedSchema(text_format.MessageToString(with_shapes(inputs.schema))).with_id("ColumnSchema")
    schema = column_schema.outputs["schema"]
    transform = None
    if code := inputs.own_code.plain("transform.preprocessing_fn"):
        # Calls the user's function; its graph serves too.
        transform = Transform(
            examples=examples,
            schema=schema,
            preprocessing_fn="trainer.user_preprocessing.preprocessing_fn",
            splits_config=transform_pb2.SplitsConfig(analyze=["train"], transform=["train", "eval"]),
            disable_statistics=True,
            disable_analyzer_cache=True,
            custom_config={"code": code},
        )

    # Has the user's function train, or fits the network that it builds; makes the model one that all steps can ask.
    request: dict[str, Any] = {
        "features": without_bins(inputs.features.to_dict()),
        "code": inputs.own_code.plain(f"trainer.{settings.model_of}"),
        **({"weight": weight} if weight else {}),
    }
    if settings.build_model:
        fitting = set(FittingSettings.model_fields) - set(OF_ITS_NETWORK)
        request["fitting"] = settings.model_dump(mode="json", include=fitting)
    trainer = OwnTrainer(
        request=request,
        train_steps=settings.train_steps,
        eval_steps=settings.eval_steps,
        examples=examples,
        schema=schema,
        transformed_examples=transform.outputs["transformed_examples"] if transform else None,
        transform_graph=transform.outputs["transform_graph"] if transform else None,
    ).with_id("Trainer")
    return [step for step in (column_schema, transform, trainer) if step], trainer


def with_shapes(schema: schema_pb2.Schema) -> schema_pb2.Schema:
    """Return the schema with the shape of one value for each column that every row has: a function gets it as a dense
    tensor (batch, 1), and all others as sparse ones."""
    shaped = schema_pb2.Schema()
    shaped.CopyFrom(schema)
    for feature in shaped.feature:
        if feature.presence.min_fraction == 1 and not feature.HasField("shape"):
            feature.ClearField("value_count")
            feature.ClearField("value_counts")
            feature.shape.dim.add(size=1)
    return shaped


def without_bins(features: dict[str, Any]) -> dict[str, Any]:
    """Return the features without their bins, which only a network has."""
    return {key: value for key, value in features.items() if key != "bins"}
