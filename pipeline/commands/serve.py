"""Serving from the command line's point of view: which folders under which names, is the port free; then it serves."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.config.pipeline import PipelineConfig
from pipeline.errors import ConfigError, WorkspaceError
from pipeline.files import one_spelling
from pipeline.lineage.version_folders import version_number, versions
from pipeline.serving.server.process import Options, address, reserved, run, say, supervise
from trainer.artifact_names import SIGNATURES_FILE
from trainer.digests import SAVED_MODEL


def folders_of(config: PipelineConfig | None, model: Path | None, named: Sequence[str]) -> dict[str, str]:
    """Return the folder behind each name that is served.

    Args:
        config: the pipeline whose folder is served if nothing else is named.
        model: a folder of versions, or one version.
        named: NAME=FOLDER each.

    Raises:
        PipelineError: a name cannot stand in a path, or a folder holds no model.
    """
    found: dict[str, Path] = {}
    if config is not None:
        found[config.name] = config.serving_folder
        if not versions(found[config.name]):
            raise WorkspaceError(
                f"no model was pushed yet: {found[config.name]} holds none",
                "`longhaul run` pushes a model that holds its thresholds; or name a folder with --model",
            )
    if model is not None:
        folder = one_spelling(model)
        found[folder.parent.name if version_number(folder.name) else folder.name] = folder
    for each in named:
        name, _, text = each.partition("=")
        if not re.fullmatch(r"[^/:%?#\s]+", name) or not text:
            raise ConfigError(
                f"--name {each}: not NAME=FOLDER", "write a name without / : % ? # or spaces, =, a folder"
            )
        if name in found:
            raise ConfigError(f"--name {each}: the name {name} is there twice", "choose another name")
        found[name] = one_spelling(text)
    for name, folder in found.items():
        if not versions(folder) and not (folder / SAVED_MODEL).is_file():
            raise ConfigError(
                f"{name}: {folder} holds no model",
                f"name a folder of versions (folders 1, 2, … each with {SAVED_MODEL}), or one version",
            )
    return {name: str(folder) for name, folder in found.items()}


def serve_models(options: Options) -> None:
    """Serve until SIGTERM or Ctrl-C; print where, and how to ask.

    Raises:
        PipelineError: a port is taken, or tokens or certificates cannot be read.
    """
    options.access()
    _check_certificates(options)
    try:
        listener = reserved(options.host, options.port, shared=options.workers > 1)
    except OSError as exc:
        raise ConfigError(
            f"--port {options.port} on {options.host}: {exc.strerror or exc}",
            "choose another --port, or end what listens there",
        ) from exc
    options = replace(options, port=listener.getsockname()[1], grpc_port=_free(options))
    serve = supervise if options.workers > 1 else run
    serve(options, listener, lambda: _announce(options))
    say("ended")


def _free(options: Options) -> int | None:
    """Return the port for gRPC, if it is free: gRPC's own message about one that is not tells no address."""
    if options.grpc_port is None:
        return None
    try:
        with reserved(options.host, options.grpc_port, shared=False) as tried:
            port: int = tried.getsockname()[1]
            return port
    except OSError as exc:
        raise ConfigError(
            f"--grpc-port {options.grpc_port} on {options.host}: {exc.strerror or exc}",
            "choose another --grpc-port, or -1 for none",
        ) from exc


def _check_certificates(options: Options) -> None:
    if not options.tls_certificate and not options.tls_key:
        return
    import ssl

    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            options.tls_certificate or "", options.tls_key
        )
    except (OSError, ValueError) as exc:
        raise ConfigError(
            f"--tls-certificate {options.tls_certificate} with --tls-key {options.tls_key}: {exc}",
            "name a certificate and its own key, PEM files both",
        ) from exc


def _announce(options: Options) -> None:
    scheme = "https" if options.tls_certificate else "http"
    at = f"{scheme}://{address(options.host, options.port)}"
    print(f"REST: {at}  (TensorFlow Serving's /v1, Open Inference Protocol /v2, /healthz, /readyz, /metrics)")
    if options.grpc_port:
        print(f"gRPC: {address(options.host, options.grpc_port)}")
    token = "" if options.access().is_open else " -H 'Authorization: Bearer TOKEN'"
    for name, folder in options.folders.items():
        if body := _example(Path(folder)):
            said = shlex.quote(json.dumps(body, ensure_ascii=False))
            print(f"\n  curl{token} {at}/v1/models/{name}:predict -d {said}", flush=True)
        else:
            print(f"\n  curl{token} {at}/v1/models/{name}/metadata", flush=True)


def _example(folder: Path) -> Mapping[str, Any] | None:
    """Return an example request to the newest version."""
    if not (folder / SAVED_MODEL).is_file():
        folder = folder / str(versions(folder)[-1])
    try:
        signatures = json.loads((folder / SIGNATURES_FILE).read_bytes())["signatures"]
        body: Mapping[str, Any] = signatures["serving_tensors"]["rest"]["body"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return body
