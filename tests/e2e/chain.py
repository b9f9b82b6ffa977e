"""What the tests of the whole chain share: its steps and their artifacts."""

from __future__ import annotations

from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

ROOT = Path(__file__).parents[2]
CURATED = ROOT / "schema" / "flights.pbtxt"
ARTIFACTS = {
    "TableExampleGen": {"Examples"},
    "StatisticsGen": {"ExampleStatistics"},
    "InferredSchema": {"Schema"},
    "CuratedSchema": {"Schema"},
    "ExampleValidator": {"ExampleAnomalies"},
    "DataGate": {"longhaul.DataVerdict"},
    "Transform": {"TransformGraph", "TransformCache"},
    "Trainer": {"Model", "ModelRun"},
    "Evaluator": {"ModelEvaluation", "ModelBlessing"},
    "InfraCheck": {"InfraBlessing"},
    "Pusher": {"PushedModel"},
}
LOOK_UPS = {"SeenSpans", "Champion"}
"""Resolvers, which run every time."""
TRAINING = {"Trainer", "Evaluator", "InfraCheck", "Pusher"}
GUARD = {"ExampleValidator", "DataGate"}
DATA = {"TableExampleGen", "StatisticsGen", "InferredSchema", "Transform"} | GUARD | TRAINING
EVERYTHING = DATA | {"CuratedSchema"}


def read_schema(path: Path) -> schema_pb2.Schema:
    return text_format.Parse(path.read_text(), schema_pb2.Schema())
