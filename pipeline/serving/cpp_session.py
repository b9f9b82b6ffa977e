"""A SavedModel as TensorFlow's C++ loader gives it, asked through TensorFlow's C API.

TensorFlow Serving, Vertex AI's containers, TensorFlow's Java and Go load a model this way. Python's
`tf.saved_model.load` is another loader: it finds variables by object, this one by the names in the graph.

Nothing of Longhaul is imported: the check's own process loads this file by its path.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_void_p
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

_STRING = 7
"""DataType (tensorflow/core/framework/types.proto)."""
_STRING_BYTES, _VIEW = 24, 3
"""sizeof(TF_TString), and the kind of one that points to bytes of somebody else (tsl/platform/ctstring_internal.h):
size * 4 + kind, address, owner."""
_KINDS = dict(enumerate(["f4", "f8", "i4", "u1", "i2", "i1", "O", "c8", "i8", "?"], 1))
_KINDS |= {17: "u2", 18: "c16", 19: "f2", 22: "u4", 23: "u8"}
"""NumPy's types by DataType."""

Arrays = dict[str, npt.NDArray[Any]]


class LoaderError(Exception):
    """What TensorFlow answers instead of tensors: its own words, and its code."""

    def __init__(self, message: str, code: int = 3) -> None:
        super().__init__(message)
        self.code = code


class _Output(ctypes.Structure):
    """TF_Output: one of an operation's outputs."""

    _fields_ = (("operation", c_void_p), ("index", c_int))


class _Buffer(ctypes.Structure):
    """TF_Buffer."""

    _fields_ = (("data", c_void_p), ("length", c_size_t), ("deallocator", c_void_p))


class CppSession(AbstractContextManager["CppSession"]):
    """A loaded model. A context manager; nothing of it may be used after the end.

    Args:
        folder: of the SavedModel, on this machine.
        threads: how many work on a request at most; -1: only the one that asks. As TensorFlow chooses when 0.

    Raises:
        LoaderError: TensorFlow cannot load it.
    """

    def __init__(self, folder: str, threads: int = 0) -> None:
        from tensorflow.core.protobuf import config_pb2, meta_graph_pb2

        config = config_pb2.ConfigProto(intra_op_parallelism_threads=abs(threads), inter_op_parallelism_threads=threads)
        # It would rewrite the graph at each signature's first call; of 500 columns that takes minutes.
        config.graph_options.rewrite_options.disable_meta_optimizer = True
        settings = config.SerializeToString()
        self._c = library()
        self._graph = self._c.TF_NewGraph()
        options, meta_graph, status = self._c.TF_NewSessionOptions(), self._c.TF_NewBuffer(), self._c.TF_NewStatus()
        try:
            self._c.TF_SetConfig(options, settings, len(settings), status)
            _raise(self._c, status)
            tags = (c_char_p * 1)(b"serve")
            self._session = self._c.TF_LoadSessionFromSavedModel(
                options, None, folder.encode(), tags, 1, self._graph, meta_graph, status
            )
            if not self._session:
                self._c.TF_DeleteGraph(self._graph)
            _raise(self._c, status)
            content = ctypes.string_at(meta_graph.contents.data, meta_graph.contents.length)
        finally:
            self._c.TF_DeleteStatus(status)
            self._c.TF_DeleteBuffer(meta_graph)
            self._c.TF_DeleteSessionOptions(options)
        self.signatures = dict(meta_graph_pb2.MetaGraphDef.FromString(content).signature_def)
        self._plans: dict[str, _Plan] = {}

    def __exit__(self, *how: object) -> None:
        status = self._c.TF_NewStatus()
        self._c.TF_CloseSession(self._session, status)
        self._c.TF_DeleteSession(self._session, status)
        self._c.TF_DeleteGraph(self._graph)
        self._c.TF_DeleteStatus(status)

    def signature(self, name: str) -> Any:
        """Return the SignatureDef of that name, or raise a LoaderError."""
        if name not in self.signatures:
            known = sorted(name for name in self.signatures if not name.startswith("__"))
            raise LoaderError(f"the model has no signature {name!r}; it has {', '.join(known)}")
        return self.signatures[name]

    def request(self, signature: str, inputs: Mapping[str, Any]) -> CppRequest:
        """Return a request that can be sent any number of times.

        Args:
            inputs: by input of the signature, an array (rows, ...) or a list of a value a row; text as bytes or str.

        Raises:
            LoaderError: the model has no such signature, or that takes other inputs.
        """
        plan = self._plans.get(signature) or self._plan(signature)
        if inputs.keys() != plan.dtypes.keys():
            odd = sorted(inputs.keys() ^ plan.dtypes.keys())[:5]
            raise LoaderError(f"{signature} takes other inputs: {', '.join(map(repr, odd))}")
        made = [_tensor(self._c, dtype, inputs[name]) for name, dtype in plan.dtypes.items()]
        tensors = (c_void_p * len(made))(*(tensor for tensor, _ in made))
        return CppRequest(self._c, self._session, plan, tensors, [text for _, text in made])

    def ask(self, signature: str, inputs: Mapping[str, Any]) -> Arrays:
        """Return what the signature answers: an array by output; text as bytes."""
        with self.request(signature, inputs) as request:
            return request.answer()

    def answered(self, signature: str, tensors: Any) -> Arrays:
        """Return the same of tensors that stay the caller's, in the order of the inputs."""
        plan = self._plans.get(signature) or self._plan(signature)
        return CppRequest(self._c, self._session, plan, tensors).answer()

    def _plan(self, signature: str) -> _Plan:
        found = self.signature(signature)
        plan = self._plans[signature] = _Plan(
            {name: info.dtype for name, info in found.inputs.items()},
            self._places([info.name for info in found.inputs.values()]),
            list(found.outputs),
            self._places([info.name for info in found.outputs.values()]),
        )
        return plan

    def _places(self, tensors: Sequence[str]) -> Any:
        """Return the places in the graph of tensors such as `StatefulPartitionedCall:0`."""
        places = []
        for tensor in tensors:
            name, _, index = tensor.partition(":")
            if not (operation := self._c.TF_GraphOperationByName(self._graph, name.encode())):
                raise LoaderError(f"a signature names {tensor!r}, which the graph does not have")
            places.append(_Output(operation, int(index or 0)))
        return (_Output * len(places))(*places)


class _Plan(NamedTuple):
    """A signature: DataTypes by input, their places in the graph, and the same of the outputs."""

    dtypes: Mapping[str, int]
    feeds: Any
    names: Sequence[str]
    fetches: Any


class CppRequest(AbstractContextManager["CppRequest"]):
    """Tensors in TensorFlow's memory, texts that they point to, and what to fetch. The memory is freed at the end."""

    def __init__(self, library: Any, session: Any, plan: _Plan, tensors: Any, texts: Sequence[bytes] = ()) -> None:
        self._c, self._session, self._its, self._tensors, self._texts = library, session, plan, tensors, texts

    def __exit__(self, *how: object) -> None:
        self._delete(self._tensors)

    def send(self) -> None:
        """Have it answered, for who measures."""
        self._delete(self._run())

    def answer(self) -> Arrays:
        """Return an array by output, or raise a LoaderError."""
        tensors = self._run()
        try:
            return {name: _array(self._c, tensor) for name, tensor in zip(self._its.names, tensors, strict=True)}
        finally:
            self._delete(tensors)

    def _run(self) -> Any:
        answers = (c_void_p * len(self._its.names))()
        status = self._c.TF_NewStatus()
        try:
            self._c.TF_SessionRun(
                self._session, None, self._its.feeds, self._tensors, len(self._tensors), self._its.fetches, answers,
                len(answers), None, 0, None, status,
            )  # fmt: skip
            _raise(self._c, status)
        finally:
            self._c.TF_DeleteStatus(status)
        return answers

    def _delete(self, tensors: Any) -> None:
        for tensor in tensors:
            self._c.TF_DeleteTensor(tensor)


def _tensor(c: Any, dtype: int, values: Any) -> tuple[int, bytes]:
    """Return a TF_Tensor with a copy of the values, and what has to be kept as long as it."""
    shape, text = (len(values),) if type(values) is list else np.shape(values), b""
    if dtype == _STRING:
        values, text = text_views(values if type(values) is list else np.asarray(values, object).ravel().tolist())
    values = np.asarray(values, None if dtype == _STRING else _kind(dtype), order="C")
    tensor: int = c.TF_AllocateTensor(dtype, (c_int64 * len(shape))(*shape), len(shape), values.nbytes)
    ctypes.memmove(c.TF_TensorData(tensor), values.ctypes.data, values.nbytes)
    return tensor, text


def text_views(texts: Sequence[Any]) -> tuple[npt.NDArray[np.uint64], bytes]:
    """Return TF_TStrings, (texts, 3), that point into the bytes beside them: size, address, owner of each."""
    encoded, content = _encoded(texts)
    start = ctypes.cast(c_char_p(content), c_void_p).value or 0
    lengths = np.fromiter(map(len, encoded), np.uint64, len(encoded))
    views = np.zeros((len(encoded), _STRING_BYTES // 8), np.uint64)
    views[:, 0] = lengths * 4 + _VIEW
    views[:, 1] = start + np.cumsum(lengths + np.uint64(1)) - lengths - np.uint64(1)
    return views, content


def _encoded(texts: Sequence[Any]) -> tuple[Sequence[Any], bytes]:
    """Return texts of as many characters as bytes, and the bytes of all; a zero ends each, for some kernels."""
    with suppress(TypeError):  # one by one they take twice as long
        if (whole := "\0".join(texts)).isascii():
            return texts, whole.encode() + b"\0"
    with suppress(TypeError):
        return texts, b"\0".join(texts) + b"\0"
    encoded = [text.encode() if isinstance(text, str) else text for text in texts]
    return encoded, b"\0".join(encoded) + b"\0"


def _array(c: Any, tensor: int) -> npt.NDArray[Any]:
    """Return a copy of a TF_Tensor."""
    dtype = c.TF_TensorType(tensor)
    shape = [c.TF_Dim(tensor, axis) for axis in range(c.TF_NumDims(tensor))]
    start = c.TF_TensorData(tensor)
    if dtype != _STRING:
        content = ctypes.string_at(start, c.TF_TensorByteSize(tensor)) if start else b""
        return np.frombuffer(content, _kind(dtype)).reshape(shape).copy()
    texts = [
        ctypes.string_at(c.TF_StringGetDataPointer(text), c.TF_StringGetSize(text))
        for text in (start + place * _STRING_BYTES for place in range(c.TF_TensorElementCount(tensor)))
    ]
    array = np.empty(len(texts), object)
    array[:] = texts
    return array.reshape(shape)


def _kind(dtype: int) -> str:
    if kind := _KINDS.get(dtype):
        return kind  # NumPy has none for bfloat16, quantized numbers, resources
    raise LoaderError(f"tensors of TensorFlow's type {dtype} (types.proto) cannot be asked nor answered here", 12)


def _raise(c: Any, status: Any) -> None:
    if code := c.TF_GetCode(status):
        raise LoaderError(f"{c.TF_Message(status).decode(errors='replace')} (TensorFlow's code {code})", code)


def library() -> Any:
    """Return TensorFlow's shared library, which the wheel brings, with the types of its functions used here."""
    import tensorflow as tf

    found = ctypes.CDLL(str(Path(tf.__file__).parent / "libtensorflow_cc.so.2"))
    pointer, outputs, tensors = c_void_p, POINTER(_Output), POINTER(c_void_p)
    alike: dict[str, tuple[Any, Sequence[Any]]] = {
        "NewStatus NewGraph NewSessionOptions": (pointer, ()),
        "DeleteStatus DeleteGraph DeleteSessionOptions DeleteTensor": (None, (pointer,)),
        "TensorData StringGetDataPointer": (pointer, (pointer,)),
        "TensorByteSize StringGetSize": (c_size_t, (pointer,)),
        "GetCode TensorType NumDims": (c_int, (pointer,)),
        "CloseSession DeleteSession": (None, (pointer, pointer)),
    }
    types = {f"TF_{name}": kind for names, kind in alike.items() for name in names.split()} | {
        "TF_Message": (c_char_p, (pointer,)),
        "TF_GraphOperationByName": (pointer, (pointer, c_char_p)),
        "TF_SetConfig": (None, (pointer, c_char_p, c_size_t, pointer)),
        "TF_NewBuffer": (POINTER(_Buffer), ()),
        "TF_DeleteBuffer": (None, (POINTER(_Buffer),)),
        "TF_LoadSessionFromSavedModel": (
            pointer,
            (pointer, pointer, c_char_p, POINTER(c_char_p), c_int, pointer, POINTER(_Buffer), pointer),
        ),
        "TF_SessionRun": (
            None,
            (pointer, pointer, outputs, tensors, c_int, outputs, tensors, c_int, pointer, c_int, pointer, pointer),
        ),
        "TF_AllocateTensor": (pointer, (c_int, POINTER(c_int64), c_int, c_size_t)),
        "TF_NewTensor": (pointer, (c_int, POINTER(c_int64), c_int, pointer, c_size_t, pointer, pointer)),
        "TF_Dim": (c_int64, (pointer, c_int)),
        "TF_TensorElementCount": (c_int64, (pointer,)),
    }  # fmt: skip
    for name, (result, arguments) in types.items():
        function = getattr(found, name)
        function.restype, function.argtypes = result, arguments
    return found
