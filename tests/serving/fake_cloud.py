"""Cloud Storage's JSON API and Vertex AI's Model Registry, as much of them as a push needs, over HTTP on this machine.

Faithful where it matters to a push: uploads in one request and resumable ones, CRC32C checked, generation
preconditions, listing by prefix, media; models with versions, a default one, aliases, long-running operations.
"""

from __future__ import annotations

import base64
import json
import re
import time
import uuid
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import google_crc32c
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse

from tests.stand_ins.server import listening


@dataclass
class FakeCloud:
    """What the servers hold.

    Attributes:
        objects: content by bucket and name.
        uploads: names in the order in which uploads were finished.
        fail_upload_of: names that end so are refused.
        models: Vertex models by resource name, each a list of versions.
    """

    url: str = ""
    buckets: set[str] = field(default_factory=lambda: {"models"})
    objects: MutableMapping[tuple[str, str], bytes] = field(default_factory=dict)
    generations: MutableMapping[tuple[str, str], int] = field(default_factory=dict)
    uploads: list[str] = field(default_factory=list)
    fail_upload_of: str | None = None
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    models: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def names(self, bucket: str = "models") -> set[str]:
        return {name for where, name in self.objects if where == bucket}


@contextmanager
def serving() -> Iterator[FakeCloud]:
    """Starts the servers."""
    cloud = FakeCloud()
    with listening(_app(cloud)) as cloud.url:
        yield cloud


def _app(cloud: FakeCloud) -> FastAPI:
    app = FastAPI()

    add_storage(app, cloud)
    _add_registry(app, cloud)
    return app


def add_storage(app: FastAPI, cloud: FakeCloud) -> None:
    """Answers as Cloud Storage does."""

    @app.exception_handler(HTTPException)
    def as_google_tells_it(request: Request, problem: HTTPException) -> JSONResponse:
        error = {"code": problem.status_code, "message": problem.detail, "status": "FAILED"}
        return JSONResponse({"error": error}, problem.status_code)

    def described(bucket: str, name: str) -> dict[str, Any]:
        content = cloud.objects[bucket, name]
        return {
            "kind": "storage#object",
            "bucket": bucket,
            "name": name,
            "size": str(len(content)),
            "generation": str(cloud.generations[bucket, name]),
            "crc32c": base64.b64encode(google_crc32c.Checksum(content).digest()).decode(),
        }

    def check_bucket(bucket: str) -> None:
        if bucket not in cloud.buckets:
            raise HTTPException(404, "The specified bucket does not exist.")

    def store(bucket: str, metadata: dict[str, Any], content: bytes, if_generation: str | None) -> dict[str, Any]:
        name = metadata["name"]
        if cloud.fail_upload_of and name.endswith(cloud.fail_upload_of):
            raise HTTPException(403, "no right to write that")
        if if_generation is not None and cloud.generations.get((bucket, name), 0) != int(if_generation):
            raise HTTPException(412, "At least one of the pre-conditions you specified did not hold.")
        checksum = base64.b64encode(google_crc32c.Checksum(content).digest()).decode()
        if metadata.get("crc32c", checksum) != checksum:
            raise HTTPException(400, "Provided CRC32C does not match")
        cloud.objects[bucket, name] = content
        cloud.generations[bucket, name] = time.time_ns()
        cloud.uploads.append(name)
        return described(bucket, name)

    @app.post("/upload/storage/v1/b/{bucket}/o")
    async def upload(bucket: str, request: Request, response: Response) -> Any:
        check_bucket(bucket)
        query, body = request.query_params, await request.body()
        if query["uploadType"] == "resumable":
            session = uuid.uuid4().hex
            metadata = json.loads(body or b"{}")
            if "x-goog-hash" in request.headers:
                metadata["crc32c"] = request.headers["x-goog-hash"].removeprefix("crc32c=")
            cloud.sessions[session] = {
                "bucket": bucket, "metadata": {"name": query.get("name"), **metadata}, "content": b"",
                "if_generation": query.get("ifGenerationMatch"),
            }  # fmt: skip
            response.headers["Location"] = f"{cloud.url}/resumable/{session}"
            return {}
        assert query["uploadType"] == "multipart"
        boundary = re.search(r'boundary="?([^";]+)', request.headers["content-type"])
        assert boundary
        _, metadata_part, content_part, _ = body.split(b"--" + boundary[1].encode())
        metadata = json.loads(metadata_part.split(b"\r\n\r\n", 1)[1])
        content = content_part.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n")
        return store(bucket, metadata, content, query.get("ifGenerationMatch"))

    @app.put("/resumable/{session}")
    async def resume(session: str, request: Request) -> Any:
        known = cloud.sessions[session]
        span = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", request.headers["content-range"])
        assert span
        assert int(span[1]) == len(known["content"])
        known["content"] += await request.body()
        if span[3] == "*" or len(known["content"]) < int(span[3]):
            return Response(status_code=308, headers={"Range": f"bytes=0-{len(known['content']) - 1}"})
        return store(known["bucket"], known["metadata"], known["content"], known["if_generation"])

    @app.get("/storage/v1/b/{bucket}/o")
    def listing(bucket: str, prefix: str = "") -> Any:
        check_bucket(bucket)
        names = sorted(name for name in cloud.names(bucket) if name.startswith(prefix))
        return {"kind": "storage#objects", "items": [described(bucket, name) for name in names]}

    @app.get("/download/storage/v1/b/{bucket}/o/{name:path}")
    def content(bucket: str, name: str) -> Response:
        if (bucket, name) not in cloud.objects:
            raise HTTPException(404, f"No such object: {bucket}/{name}")
        return Response(cloud.objects[bucket, name], media_type="application/octet-stream")

    @app.delete("/storage/v1/b/{bucket}/o/{name:path}", status_code=204)
    def delete(bucket: str, name: str) -> None:
        if (bucket, name) not in cloud.objects:
            raise HTTPException(404, "No such object")
        del cloud.objects[bucket, name], cloud.generations[bucket, name]


def _add_registry(app: FastAPI, cloud: FakeCloud) -> None:
    @app.get("/v1/projects/{project}/locations/{location}/models")
    def models(project: str, location: str, filter: str = "") -> Any:  # noqa: A002 (the API's name)
        wanted = re.fullmatch(r'display_name="(.*)"', filter)
        assert wanted, filter
        newest = [versions[-1] for versions in cloud.models.values()]
        return {"models": [model for model in newest if model["displayName"] == wanted[1]]}

    @app.post("/v1/projects/{project}/locations/{location}/models:upload")
    async def upload(project: str, location: str, request: Request) -> Any:
        body = await request.json()
        model, name = body["model"], body.get("parentModel", "")
        bucket, _, prefix = model["artifactUri"].removeprefix("gs://").partition("/")
        if f"{prefix}/saved_model.pb" not in cloud.names(bucket):
            raise HTTPException(400, f"{model['artifactUri']} holds no model")
        if name and name not in cloud.models:
            raise HTTPException(404, f"{name} not found")
        name = name or f"projects/{project}/locations/{location}/models/{1000 + len(cloud.models)}"
        versions = cloud.models.setdefault(name, [])
        versions.append(model | {"name": name, "versionId": str(len(versions) + 1)})
        if "default" in model["versionAliases"]:  # which one version has, the newest that asked for it
            for other in versions[:-1]:
                other["versionAliases"] = [alias for alias in other["versionAliases"] if alias != "default"]
        return {
            "name": f"{name}/operations/{len(versions)}",
            "done": True,
            "response": {
                "@type": "type.googleapis.com/google.cloud.aiplatform.v1.UploadModelResponse",
                "model": name,
                "modelVersionId": str(len(versions)),
            },
        }

    @app.get("/v1/projects/{project}/locations/{location}/models/{model}")
    def model(project: str, location: str, model: str) -> Any:
        number, _, version = model.partition("@")
        versions = cloud.models[f"projects/{project}/locations/{location}/models/{number}"]
        return versions[int(version) - 1 if version else -1]
