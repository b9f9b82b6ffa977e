"""A version of a model into Google Cloud Storage.

Cloud Storage renames nothing, so a version cannot appear at once as it does on a disk. `saved_model.pb` comes last:
TensorFlow Serving cannot load a version before it is there, tries again, and serves the one before meanwhile. The
manifest comes first: it tells what a killed push left from what is somebody else's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.errors import LOG_IN, StoreAwayError, WorkspaceError
from pipeline.lineage.version_folders import version_number
from trainer.digests import MANIFEST, SAVED_MODEL

_TIMEOUT_S = 60


def upload(folder: Path, destination: str, version: int) -> str:
    """Upload the files of `folder` to `destination`/`version`; return that address.

    Nothing that is there is overwritten. Versions that an earlier push left without `saved_model.pb` are removed.

    Args:
        destination: gs://bucket/folder.

    Raises:
        WorkspaceError: the bucket cannot be written; what was uploaded so far is removed.
    """
    bucket_name, base = _parts(destination)
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    names.sort(key=lambda name: (name == SAVED_MODEL, name != MANIFEST))
    with cloud_errors(f"{destination} cannot be written"):
        from google.cloud.storage import Client

        # No project: an object has none. Retries are the client's own.
        bucket = Client(project=None).bucket(bucket_name)
        _remove_leftovers(bucket, base)
        uploaded: list[Any] = []
        try:
            for name in names:
                blob = bucket.blob(f"{base}{version}/{name}")
                uploaded.append(blob)
                # Generation 0: only if there is no such object yet. The client sends a checksum along.
                blob.upload_from_filename(str(folder / name), if_generation_match=0, timeout=_TIMEOUT_S)
        except BaseException:
            for blob in uploaded[:-1]:  # the last one may be somebody else's
                with suppress(Exception):
                    blob.delete(timeout=_TIMEOUT_S)
            raise
    return f"gs://{bucket_name}/{base}{version}"


def newest(destination: str, name: str) -> tuple[int, bytes | None]:
    """Return the highest version below `destination`, 0 if there is none, and the content of its file `name`, if it has
    it.

    Raises:
        WorkspaceError: the bucket cannot be read.
    """
    bucket_name, base = _parts(destination)
    with cloud_errors(f"{destination} cannot be read"):
        from google.cloud.storage import Client

        bucket = Client(project=None).bucket(bucket_name)
        blobs = {blob.name.removeprefix(base): blob for blob in bucket.list_blobs(prefix=base, timeout=_TIMEOUT_S)}
        versions = [path.removesuffix(f"/{SAVED_MODEL}") for path in blobs if path.endswith(f"/{SAVED_MODEL}")]
        version = max((number for one in versions if (number := version_number(one))), default=0)
        blob = blobs.get(f"{version}/{name}")
        return version, blob.download_as_bytes(timeout=_TIMEOUT_S) if blob else None


class CloudObjects:
    """Files in Cloud Storage, by their addresses gs://….

    Raises:
        WorkspaceError: from every method, where the bucket cannot be read or written.
    """

    @cached_property
    def _client(self) -> Any:
        from google.cloud.storage import Client

        return Client(project=None)

    def names(self, folder: str) -> list[str]:
        """Return the names of the files below a folder, relative to it."""
        bucket, base = _parts(folder)
        with cloud_errors(f"{folder} cannot be read"):
            found = self._client.bucket(bucket).list_blobs(prefix=base, timeout=_TIMEOUT_S)
            return [blob.name.removeprefix(base) for blob in found]

    def read(self, address: str) -> bytes | None:
        """Return the content of a file; None if it is not there."""
        with cloud_errors(f"{address} cannot be read"):
            from google.api_core.exceptions import NotFound

            try:
                return bytes(self._blob(address).download_as_bytes(timeout=_TIMEOUT_S))
            except NotFound:
                return None

    def write_once(self, address: str, content: bytes) -> None:
        """Write a file, unless there is one of that name."""
        with cloud_errors(f"{address} cannot be written"):
            from google.api_core.exceptions import PreconditionFailed

            with suppress(PreconditionFailed):
                self._blob(address).upload_from_string(content, if_generation_match=0, timeout=_TIMEOUT_S)

    def write(self, address: str, content: bytes) -> None:
        """Write a file, over one of that name if there is one."""
        with cloud_errors(f"{address} cannot be written"):
            self._blob(address).upload_from_string(content, timeout=_TIMEOUT_S)

    def remove(self, address: str) -> None:
        """Remove a file, if it is there."""
        with cloud_errors(f"{address} cannot be removed"):
            from google.api_core.exceptions import NotFound

            with suppress(NotFound):
                self._blob(address).delete(timeout=_TIMEOUT_S)

    def _blob(self, address: str) -> Any:
        bucket, _, name = address.removeprefix("gs://").partition("/")
        return self._client.bucket(bucket).blob(name)


def _parts(destination: str) -> tuple[str, str]:
    """Return bucket, and prefix of the names of what is below the folder."""
    bucket_name, _, prefix = destination.removeprefix("gs://").rstrip("/").partition("/")
    return bucket_name, f"{prefix}/" if prefix else ""


def _remove_leftovers(bucket: Any, base: str) -> None:
    """Remove what is left of pushes that were killed: versions with the file that comes first, and without the one
    that comes last."""
    by_version: dict[str, list[Any]] = {}
    for blob in bucket.list_blobs(prefix=base, timeout=_TIMEOUT_S):
        version, _, name = blob.name.removeprefix(base).partition("/")
        if name and version_number(version):
            by_version.setdefault(version, []).append(blob)
    for version, blobs in by_version.items():
        names = {blob.name.removeprefix(f"{base}{version}/") for blob in blobs}
        if MANIFEST in names and SAVED_MODEL not in names:
            for blob in blobs:
                blob.delete(timeout=_TIMEOUT_S)


@contextmanager
def cloud_errors(what: str) -> Iterator[None]:
    """Raise Google's errors as ours."""
    from google.api_core.exceptions import GoogleAPIError, RetryError, ServerError, TooManyRequests
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
    from requests.exceptions import RequestException

    try:
        yield
    except DefaultCredentialsError as exc:
        raise WorkspaceError(f"{what}: no credentials of Google Cloud were found", LOG_IN) from exc
    except (GoogleAPIError, GoogleAuthError, RequestException) as exc:
        reason = " ".join(str(exc).split())[:300]
        if isinstance(exc, TransportError | RequestException | RetryError | ServerError | TooManyRequests):
            raise StoreAwayError(f"{what}: {reason}", "check the network, and run again later") from exc
        raise WorkspaceError(
            f"{what}: {reason}", "check the name and the rights (push: in the configuration), and run again"
        ) from exc
