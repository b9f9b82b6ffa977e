"""Serving from the command line's point of view: which folders under which names, is the port free; then it serves."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pipeline.config.model_settings import ModelSettings
from pipeline.config.place import Place
from pipeline.config.value_types import seconds_of
from pipeline.errors import ConfigError, WorkspaceError
from pipeline.files import one_spelling
from pipeline.lineage.version_folders import version_number, versions
from pipeline.serving.request_upkeep import LogOptions
from pipeline.serving.server import telemetry
from pipeline.serving.server.process import Options, address, reserved, run, say
from pipeline.serving.server.workers import supervise
from trainer.artifact_names import SIGNATURES_FILE
from trainer.digests import SAVED_MODEL

_NO_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL)


def folders_of(place: Place | None, model: Path | None, named: Sequence[str]) -> dict[str, str]:
    """Return the folder behind each name that is served.

    Args:
        config: the pipeline whose folder is served if nothing else is named.
        model: a folder of versions, or one version.
        named: NAME=FOLDER each.

    Raises:
        PipelineError: a name cannot stand in a path, or a folder holds no model.
    """
    found: dict[str, Path] = {}
    if place is not None:
        found[place.name] = place.serving_folder
        if not versions(found[place.name]):
            raise WorkspaceError(
                f"no model was pushed yet: {found[place.name]} holds none",
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


def log_of(settings: ModelSettings | None, folder: Path | None) -> LogOptions | None:
    """Return what is written down of requests, and where.

    Args:
        config: the pipeline whose settings hold, if its model is served.
        folder: for the log; that of the pipeline when None.

    Raises:
        ConfigError: a column that the log shall not show is none of the model's.
    """
    if settings is None:
        return LogOptions(str(one_spelling(folder))) if folder else None
    its = settings.serving.log
    if its is None and folder is None:
        return None
    known = _columns(settings.serving_folder)
    if known and (unknown := [name for name in settings.serving.redact if name not in known]):
        raise ConfigError(
            f"serving.redact: the model has no column {unknown[0]!r}, so nothing would be hidden",
            f"the columns are {', '.join(sorted(known))}",
        )
    return LogOptions(
        folder=str(one_spelling(folder) if folder else settings.requests_folder),
        sample=its.sample if its else 1.0,
        keep_s=seconds_of(its.keep) if its else None,
        destination=its.destination if its else None,
        redact=tuple(settings.serving.redact),
        leave_out=settings.serving.redact_by == "leave_out",
    )


def serve_models(options: Options) -> None:
    """Serve until SIGTERM or Ctrl-C; print where, and how to ask.

    Raises:
        PipelineError: a port is taken, the host is none of this machine, tokens or certificates cannot be read, or
            OpenTelemetry's variables are odd.
    """
    options = replace(options, host=options.host.removeprefix("[").removesuffix("]"))  # as an URL has it
    options.access()
    telemetry.wanted(os.environ)
    _check_certificates(options)
    if options.port and options.port == options.grpc_port:  # several workers could bind it twice
        raise ConfigError(
            f"--port and --grpc-port are both {options.port}: one port speaks one protocol",
            "choose another --grpc-port, or -1 for none",
        )
    try:
        listener = reserved(options.host, options.port, shared=options.workers > 1)
    except (OSError, UnicodeError) as exc:
        raise _unusable("--port", options.port, options.host, exc, "or end what listens there") from exc
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
    except (OSError, UnicodeError) as exc:
        raise _unusable("--grpc-port", options.grpc_port, options.host, exc, "or -1 for none") from exc


def _unusable(option: str, port: int, host: str, exc: OSError | UnicodeError, otherwise: str) -> ConfigError:
    """Say whether the host or its port is the problem."""
    code, said = (exc.errno, exc.strerror or exc) if isinstance(exc, OSError) else (None, exc)
    if code is None or isinstance(exc, socket.gaierror) or code in _NO_ADDRESS:
        return ConfigError(
            f"--host {host!r} is no address of this machine: {said}",
            "name one of its own, without a port: 127.0.0.1, ::1, 0.0.0.0 or :: for all networks",
        )
    if code == errno.EACCES:
        return ConfigError(
            f"{option} {port} on {host}: {said}: this system keeps ports below 1024 for who has the right",
            f"choose another {option}, with a proxy before it if need be; or give the right (CAP_NET_BIND_SERVICE)",
        )
    return ConfigError(f"{option} {port} on {host}: {said}", f"choose another {option}, {otherwise}")


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
    print(f"page: {at}/")
    if options.grpc_port:
        print(f"gRPC: {address(options.host, options.grpc_port)}")
    if options.log:
        print(f"Requests are logged in {options.log.folder}")
    token = "" if options.access().is_open else " -H 'Authorization: Bearer TOKEN'"
    for name, folder in options.folders.items():
        if body := _example(Path(folder)):
            said = shlex.quote(json.dumps(body, ensure_ascii=False))
            print(f"\n  curl{token} {at}/v1/models/{quote(name)}:predict -d {said}", flush=True)
        else:
            print(f"\n  curl{token} {at}/v1/models/{quote(name)}/metadata", flush=True)


def _example(folder: Path) -> Mapping[str, Any] | None:
    """Return an example request to the newest version."""
    found: Mapping[str, Any] | None = _signature(folder).get("rest", {}).get("body")
    return found


def _columns(folder: Path) -> set[str]:
    """Return the columns that requests to the newest version have; none of a model from elsewhere."""
    return {str(one.get("feature")) for one in _signature(folder).get("inputs", {}).values()}


def _signature(folder: Path) -> Mapping[str, Any]:
    """Return what is told of the plain tensors of the newest version; nothing of a model from elsewhere."""
    if not (folder / SAVED_MODEL).is_file():
        folder = folder / str(versions(folder)[-1])
    try:
        told: Mapping[str, Any] = json.loads((folder / SIGNATURES_FILE).read_bytes())["signatures"]["serving_tensors"]
    except (OSError, ValueError, LookupError, TypeError):
        return {}
    return told
