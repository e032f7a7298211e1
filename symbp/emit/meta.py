"""Arrays without numbers: shape, type and layout in memory, and an account of the bytes that NumPy would hold.

Emitted code that runs on them does no arithmetic and needs no memory, yet names, views and temporaries live as long as
they do with numbers. (PyTorch calls such arrays meta tensors.)
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np

from symbp.emit.strides import hollow, product_shape, strides_in_place, strides_like

ELISION = 256 * 1024  # bytes from which on NumPy writes over a temporary operand (its temp_elide.c)
PYTHON_NUMBER = 32  # bytes of a float and its place in a list
COMMUTES = ("add", "multiply", "bitwise_and", "bitwise_or")


class Account:
    """Bytes held now, and at most; line: of the module in which the most were held."""

    def __init__(self, filename: str) -> None:
        self.filename = filename
        self.now = self.peak = self.line = 0

    def hold(self, n: int) -> None:
        self.now += n
        if self.now > self.peak:
            self.peak = self.now
            self.line = self._line() or self.line

    def _line(self) -> int:
        frame = sys._getframe(1)
        found = 0
        while frame is not None:  # the outermost function of the module that works in arrays
            if frame.f_code.co_filename == self.filename:
                found = frame.f_lineno
                if frame.f_code.co_name in ("loss_and_grads", "step"):
                    return found
            frame = frame.f_back  # type: ignore[assignment]
        return found


class Buffer:
    """The memory of an array, given back when nothing refers to it."""

    __slots__ = ("account", "size")

    def __init__(self, account: Account | None, size: int) -> None:
        self.account, self.size = account, size
        if account is not None:
            account.hold(size)

    def __del__(self) -> None:
        if self.account is not None:
            self.account.now -= self.size


def _references(a: object) -> int:
    return sys.getrefcount(a)


class _Probe:
    def __add__(self, other: object) -> int:
        return _references(self)


_probe = _Probe()
TEMPORARY = _Probe() + 0  # references to an operand that has no name, inside its method
CAN_TELL = TEMPORARY < _probe + 0


class MetaArray:
    """form: an array of the same shape, type and strides; its numbers must not be looked at. owns: it is no view."""

    __slots__ = ("buffer", "form", "owns")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, form: np.ndarray[Any, Any], buffer: Buffer, owns: bool = False) -> None:
        self.form, self.buffer, self.owns = form, buffer, owns

    shape = property(lambda self: self.form.shape)
    ndim = property(lambda self: self.form.ndim)
    size = property(lambda self: self.form.size)
    dtype = property(lambda self: self.form.dtype)
    flags = property(lambda self: self.form.flags)
    nbytes = property(lambda self: self.form.nbytes)

    def new(self, shape: Sequence[int], dtype: Any, like: Sequence[np.ndarray[Any, Any]] = ()) -> MetaArray:
        """An array of its own, its axes in memory as these arrays have them."""
        return made(self.buffer.account, tuple(shape), dtype, like)

    def view(self, form: np.ndarray[Any, Any]) -> MetaArray:
        return MetaArray(form, self.buffer)

    # ----------------------------------------------------------------------------------------------- views

    @property
    def T(self) -> MetaArray:
        return self.view(self.form.T)

    def transpose(self, *axes: Any) -> MetaArray:
        return self.view(self.form.transpose(*axes))

    def swapaxes(self, a: int, b: int) -> MetaArray:
        return self.view(self.form.swapaxes(a, b))

    def diagonal(self, *axes: int) -> MetaArray:
        return self.view(self.form.diagonal(*axes))

    def reshape(self, *shape: Any) -> MetaArray:
        wanted = tuple(shape[0]) if isinstance(shape[0], (tuple, list)) else shape
        if -1 in wanted:
            wanted = tuple(self.size // -prod(wanted) if n == -1 else n for n in wanted)
        strides = strides_in_place(self.form, wanted)
        if strides is None:
            return self.new(wanted, self.dtype)
        return self.view(hollow(wanted, self.dtype, strides))

    def ravel(self) -> MetaArray:
        return self.reshape(-1)

    def __getitem__(self, key: Any) -> MetaArray:
        keys = key if isinstance(key, tuple) else (key,)
        if any(isinstance(k, (MetaArray, np.ndarray, list)) for k in keys):
            return self.new(indexed_shape(self.shape, keys), self.dtype)
        return self.view(self.form[keys if Ellipsis in keys else (*keys, Ellipsis)])

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def __len__(self) -> int:
        return len(self.form)

    def __iter__(self) -> Iterator[MetaArray]:
        return (self[k] for k in range(len(self)))

    def tolist(self) -> list[Any]:
        return Numbers(self.buffer.account, self.size)

    # ------------------------------------------------------------------------------------------- new arrays

    def copy(self) -> MetaArray:
        return self.new(self.shape, self.dtype)

    def astype(self, dtype: Any) -> MetaArray:
        return self.new(self.shape, dtype, [self.form])

    def fill(self, value: object) -> None:
        pass

    def take(self, places: Any, axis: int | None = None, out: Any = None, mode: str = "raise") -> MetaArray:
        if out is not None:
            return out
        n = 0 if axis is None else axis
        before, after = ((), ()) if axis is None else (self.shape[:n], self.shape[n + 1 :])
        return self.new((*before, *np.shape(places), *after), self.dtype)

    def dot(self, other: MetaArray, out: MetaArray | None = None) -> MetaArray:
        taken = [_for_blas(x) for x in (self, other)]
        if out is not None:
            return out
        after = (*other.shape[:-2], *other.shape[-1:]) if other.ndim > 1 else ()
        return taken[0].new((*self.shape[:-1], *after), np.result_type(self.dtype, other.dtype))

    def _reduced(self, axis: Any = None, dtype: Any = None, keepdims: bool = False, initial: Any = None) -> MetaArray:
        axes = range(self.ndim) if axis is None else [n % self.ndim for n in np.atleast_1d(axis)]
        shape = [1 if k in axes else n for k, n in enumerate(self.shape)]
        if not keepdims:
            shape = [n for k, n in enumerate(self.shape) if k not in axes]
        left = self.form[tuple(0 if k in axes else slice(None) for k in range(self.ndim))]
        like = [left] if left.shape == tuple(shape) else []
        return self.new(shape, np.intp if self.dtype == bool else self.dtype, like)

    sum = mean = max = min = prod = _reduced

    def all(self) -> bool:
        return True

    # ------------------------------------------------------------------------------------------ arithmetic

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        if out is not None:
            return out[0]
        if method == "at":
            return None
        if method == "reduce":
            given = dict(zip(("axis", "dtype"), inputs[1:], strict=False)) | options
            return inputs[0]._reduced(**given)
        if ufunc is np.matmul:
            return self.new(product_shape(*(np.shape(x) for x in inputs)), np.result_type(*map(type_of, inputs)))
        return self.new(*self._outcome(ufunc, inputs))

    def _outcome(self, ufunc: np.ufunc, inputs: Sequence[Any]) -> tuple[tuple[int, ...], Any, list[Any]]:
        shape = np.broadcast_shapes(*(np.shape(x) for x in inputs))
        dtype = ufunc(*(np.ones((), x.dtype) if isinstance(x, (MetaArray, np.ndarray)) else x for x in inputs)).dtype
        like = [x.form for x in inputs if isinstance(x, MetaArray) and x.shape == shape]
        return shape, dtype, like

    def __float__(self) -> float:
        return 1.0

    def __int__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return False


def _operator(name: str) -> Any:
    ufunc = getattr(np, name)

    def method(self: MetaArray, other: Any) -> Any:
        if CAN_TELL and _references(self) <= TEMPORARY and _elides(self, other, ufunc):
            return self
        if CAN_TELL and name in COMMUTES and _references(other) <= TEMPORARY and _elides(other, self, ufunc):
            return other
        return ufunc(self, other)

    return method


def _elides(a: Any, b: Any, ufunc: np.ufunc) -> bool:
    """Whether NumPy writes the result over the operand a that has no name."""
    if not isinstance(a, MetaArray) or not a.owns or a.nbytes < ELISION or a.dtype == bool:
        return False
    if np.shape(b) and np.shape(b) != a.shape:
        return False
    return bool(a._outcome(ufunc, (a, b))[1] == a.dtype and np.can_cast(type_of(b), a.dtype))


def _reflected(name: str) -> Any:
    ufunc = getattr(np, name)

    def method(self: MetaArray, other: Any) -> Any:
        if CAN_TELL and name in COMMUTES and _references(self) <= TEMPORARY and _elides(self, other, ufunc):
            return self
        return ufunc(other, self)

    return method


def _unary(name: str) -> Any:
    ufunc = getattr(np, name)

    def method(self: MetaArray) -> Any:
        if CAN_TELL and _references(self) <= TEMPORARY and _elides(self, 0, np.add):
            return self
        return ufunc(self)

    return method


def _power(self: MetaArray, n: Any) -> Any:
    if CAN_TELL and n == 2 and _references(self) <= TEMPORARY and _elides(self, 0, np.add):
        return self
    power: Any = np.power
    return power(self, n)


def _in_place(self: MetaArray, other: object) -> MetaArray:
    return self


for _name, _ufunc in {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "and": "bitwise_and",
                      "or": "bitwise_or"}.items():  # fmt: skip
    setattr(MetaArray, f"__{_name}__", _operator(_ufunc))
    setattr(MetaArray, f"__r{_name}__", _reflected(_ufunc))
    setattr(MetaArray, f"__i{_name}__", _in_place)
for _name, _ufunc in {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal",
                      "ne": "not_equal", "matmul": "matmul", "rpow": "power"}.items():  # fmt: skip
    setattr(MetaArray, f"__{_name}__", (lambda u: lambda self, other: u(self, other))(getattr(np, _ufunc)))
for _name, _method in {"neg": _unary("negative"), "invert": _unary("invert"), "abs": _unary("absolute"),
                       "pow": _power}.items():  # fmt: skip
    setattr(MetaArray, f"__{_name}__", _method)


def _for_blas(a: MetaArray) -> MetaArray:
    """A matrix that BLAS can't step through as it lies is copied."""
    fine = a.ndim != 2 or a.form.itemsize in a.form.strides or 1 in a.shape
    return a if fine else a.copy()


class Numbers(list[float]):
    """As many Python numbers, and as many more, which are made of them one by one."""

    def __init__(self, account: Account | None, n: int) -> None:
        super().__init__([1.0] * n)
        self.buffer = Buffer(account, 2 * PYTHON_NUMBER * n)


def made(
    account: Account | None, shape: tuple[int, ...], dtype: Any, like: Sequence[np.ndarray[Any, Any]] = ()
) -> MetaArray:
    """A new array; its axes lie in memory as in all of the arrays `like`, or as they stand."""
    item = np.dtype(dtype).itemsize
    form = hollow(shape, dtype, strides_like(shape, item, like))
    return MetaArray(form, Buffer(account, prod(shape) * item), owns=True)


def indexed_shape(shape: tuple[int, ...], keys: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape of what an index with arrays of integers picks."""
    small = np.broadcast_to(np.empty((), np.int8), shape)
    return small[tuple(np.broadcast_to(np.intp(0), np.shape(k)) if isinstance(k, MetaArray) else k for k in keys)].shape


def type_of(x: Any) -> Any:
    return x.dtype if isinstance(x, (MetaArray, np.ndarray, np.generic)) else np.min_scalar_type(x)
