"""Trees of arrays as a list of calls that write into given arrays: the fast style's rules.

Every node becomes a call with `out=`; where the result lies in memory is left open (`symbp.lower.rooms` decides). What
is the same in every step is made once: views of arrays that stay, constants, padded arrays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product

import numpy as np

from symbp.expr import ZERO, Expr, Index, Num, mul
from symbp.lower.array import COMPARISONS, OTHERS, SIGN, Array, broadcast, elementwise
from symbp.lower.blas import Products
from symbp.lower.constants import constant, known
from symbp.lower.recorder import DOT, WORD, Call, Dims, Value, typical

_BOOLEAN = {*COMPARISONS.values(), "invert", "bitwise_and", "bitwise_or"}


class Calls(Products):
    """Takes trees apart into calls."""

    # ------------------------------------------------------------------------------------------- trees

    def compute(self, a: Array, into: Value | None = None) -> Value:
        """Records what computes the tree, into the given place or one to be found."""
        v = self._computed(a, into)
        return v if into is None or v is into else self.copy(v, into)

    def _computed(self, a: Array, into: Value | None) -> Value:
        """The same, but where that is no detour the result may lie elsewhere."""
        if self._is_constant(a):
            return self._constant(a)
        if not a.args:
            return self._leaf(a)
        if not a.dims:
            return self._number(a)
        match a.op:
            case "view":
                return self._view(a, into)
            case "matmul":
                return self._matmul(a, into)
            case "tensordot":
                return self._tensordot(a, into)
            case "sum" | "mean" | "max":
                return self._reduction(a, into)
            case "pad":
                return self._pad(a)
            case "choice":
                return self._choice(a, into)
            case "copy":
                return self.copy(self.compute(a.args[0]), into)
        if isinstance(getattr(np, a.op, None), np.ufunc) or a.op in _SPECIAL:
            return self._elementwise(a, into)
        return self._opaque(a)

    def _leaf(self, a: Array) -> Value:
        if a.form in self.names:
            return self.names[a.form]
        name, _, place = a.form.removesuffix("]").partition("[")
        if self.clock and self._words(a.form) == [name, self.clock]:  # one step of an array
            return self.view(self.names[name], f"{{}}[{place}]", a.dims)
        return self._opaque(a)

    def _in_order(self, into: Value | None, dims: Dims) -> Value:
        """The place that is wanted, if numbers lie in order there; else room."""
        return into if into is not None and into.contiguous else self.room(dims)

    def _words(self, code: str) -> list[str]:
        return [w for w in dict.fromkeys(WORD.findall(code)) if w in self.names]

    def _is_constant(self, a: Array) -> bool:
        return not self._words(a.code)

    def _constant(self, a: Array) -> Value:
        if a.dims and not a.boolean:
            return self.once(f"np.asarray({a.code}, DTYPE)" if _is_real(a) else a.code, a.dims)
        if a.boolean:
            return self.once(a.code, a.dims, "bool")
        return self.number(a.code)

    def _opaque(self, a: Array) -> Value:
        """Any other code: its arguments are computed, names in it are those of arrays; it makes an array of its own."""
        args = [self.compute(x) for x in a.args]
        words = self._words(a.form)
        parts = re.split(f"({WORD.pattern}|{{}})", a.form)
        count = iter(range(len(words), len(words) + len(args)))
        form = "".join(
            f"{{{words.index(p)}}}" if p in words else f"{{{next(count)}}}" if p == "{}" else p for p in parts
        )
        args = [*(self.names[w] for w in words), *args]
        return self.bind(form, args, a.dims, "bool" if a.boolean else "")

    def _number(self, a: Array) -> Value:
        """Arithmetic of numbers, as Python text; sums over all of an array as inner products."""
        args: dict[str, Value] = {}
        text = self._numeric(a, args)
        words = list(args)
        parts = re.split(r"(@\d+@)", text.code.replace("{", "{{").replace("}", "}}"))
        form = "".join(f"{{{words.index(p)}}}" if p in args else p for p in parts)
        return self.bind(form, args.values(), ())

    def _numeric(self, a: Array, args: dict[str, Value]) -> Array:
        def leaf(v: Value) -> Array:
            mark = f"@{len(args)}@"
            args[mark] = v
            return Array(mark)

        if self._is_constant(a):
            return a
        if a.op in ("sum", "mean") and not a.dims:
            (x,) = a.args
            if x.op == "multiply" and all(y.dims == x.dims for y in x.args):
                left, right = (self.flat(self.compute(y)) for y in x.args)
            else:
                left = self.flat(self.compute(x))
                right = self.ones(left.dims)
            total = Array("{}.dot({})", args=(leaf(left), leaf(right)), levels=(0, 0))
            if a.op == "sum":
                return total
            return elementwise("divide", total, constant(mul(*x.dims)), axes=())
        if a.form == "np.vdot({}, {})":
            left, right = (self.compute(x) for x in a.args)
            if left.form == right.form == "{}.T" and left.base is not None and right.base is not None:
                left, right = left.base, right.base  # the same pairs of numbers
            if left.contiguous and right.contiguous:  # `vdot` would find out anew in every step
                return Array("{}.dot({})", args=(leaf(self.flat(left)), leaf(self.flat(right))), levels=(0, 0))
        if not a.args or a.op in ("view", "max"):
            return leaf(self.compute(a) if not a.args or a.op == "view" else self._opaque(a))
        return replace(a, args=tuple(self._numeric(x, args) if not x.dims else leaf(self.compute(x)) for x in a.args))

    def _choice(self, a: Array, into: Value | None) -> Value:
        """One of two values, as the loop's step says."""
        test = a.form[len("({} if ") : -len(" else {})")]
        out = into if into is not None else self.room(a.dims)
        then, otherwise = a.args
        self.open(f"if {test}:")
        self._put_into(then, out)
        self.close()
        self.open("else:")
        self._put_into(otherwise, out)
        self.close()
        return out

    def _put_into(self, a: Array, out: Value) -> None:
        if not a.dims and self._is_constant(a):
            self.statement(f"{{out}}.fill({a.code})", (), out)
        else:
            self.compute(a, out)

    # ------------------------------------------------------------------------------------------- views

    def _view(self, a: Array, into: Value | None) -> Value:
        (x,) = a.args
        if into is not None:
            place = self._under(a, into)
            if place is not None:
                self.compute(x, place)
                return into
        elif x.op == "matmul" and a.form.startswith(("{}.T", "{}.swapaxes", "{}.transpose")):
            return self._view(a, self.room(a.dims))  # written as it will be read
        return self.view(self.compute(x), a.form, a.dims)

    def _under(self, a: Array, into: Value) -> Value | None:
        """Where the array must lie so that the view of it lies in `into`; None where no view says that."""
        x = a.args[0]
        if a.form == "{}.T" or a.form == "{}.swapaxes(-1, -2)":
            return self.view(into, a.form, x.dims)
        if a.form.startswith("{}.transpose("):
            order = [int(n) for n in a.form[len("{}.transpose(") : -1].split(",")]
            back = ", ".join(str(order.index(k)) for k in range(len(order)))
            return self.view(into, f"{{}}.transpose({back})", x.dims)
        if a.form.startswith("{}.reshape(") and into.contiguous:
            return self.reshaped(into, x.dims)
        return None

    def _pad(self, a: Array) -> Value:
        """An array within zeros: these stay, what is inside is written."""
        (x,) = a.args
        pads = re.findall(r"\(([^(),]+), ([^(),]+)\)", a.form[len("np.pad({}, (") :])
        found = self._made.get(a.code)
        if found is None:
            v = self.compute(x)
            sizes = [constant(n).code for n in v.dims]
            padded = [[n for n in (b, size, e) if n != "0"] for size, (b, e) in zip(sizes, pads, strict=True)]
            shape = ", ".join(" + ".join(parts) for parts in padded)
            found = self._made[a.code] = self.new(Value(v.dims, form=f"np.zeros(({shape}), DTYPE)"))
            cuts = [":" if b == e == "0" else f"{b}:{b} + {n}" for n, (b, e) in zip(sizes, pads, strict=True)]
            self.copy(v, self.view(found, f"{{}}[{', '.join(cuts)}]", v.dims), "padding kept")
        return found

    # ------------------------------------------------------------------------------------- elementwise

    def _elementwise(self, a: Array, into: Value | None) -> Value:
        special = _SPECIAL.get(a.op)
        if special is not None:
            return special(self, a, into)
        if a.op == "subtract" and _is_one_hot(a.args[1]) and a.args[0].dims == a.args[1].dims == a.dims:
            return self._less_one_hot(a, into)
        boolean = a.op in _BOOLEAN
        args: list[Value] = []
        free = into if into is None or not into.place else None  # a place may be another's until the last call
        for x in a.args:
            here = None
            if free is not None and x.args and x.op != "view" and x.dims == a.dims and not x.boolean and not boolean:
                here, free = free, None
            v = self.compute(x, here) if not self._is_constant(x) or here is None else self.compute(x)
            args.append(v if boolean else self.real(v))
        if a.op == "divide" and not args[1].dims and self._is_constant(a.args[1]):
            args[1] = self.number(f"1 / {a.args[1].at(SIGN)}")
            return self.call("multiply", *args, out=into or self.room(a.dims), in_place=True, rule="no division")
        dims = broadcast(v.dims for v in args)
        out = into if into is not None else self.room(dims, "bool" if boolean else "DTYPE")
        return self.call(a.op, *args, out=out, in_place=True)

    def real(self, v: Value) -> Value:
        """Truth values as numbers: NumPy multiplies two arrays of one type three times faster."""
        return self.copy(v, self.room(v.dims), "mask as numbers") if v.dtype == "bool" else v

    def _astype(self, a: Array, into: Value | None) -> Value:
        v = self.compute(a.args[0])
        return self.copy(v, into or self.room(v.dims), "mask as numbers")

    def _square(self, a: Array, into: Value | None) -> Value:
        v = self.compute(a.args[0])
        return self.call("multiply", v, v, out=into or self.room(v.dims), in_place=True)

    def _sigmoid(self, a: Array, into: Value | None) -> Value:
        """1/2 + tanh(z/2)/2: never overflows, and NumPy's tanh is vectorised."""
        (x,) = a.args
        v = self.compute(x, into if x.args and x.op != "view" else None)
        half = self.number("0.5")
        out = into or self.room(v.dims)
        self.call("multiply", v, half, out=out, in_place=True, rule="sigmoid through tanh")
        self.call("tanh", out, out=out, in_place=True)
        self.call("multiply", out, half, out=out, in_place=True)
        return self.call("add", out, half, out=out, in_place=True)

    # ------------------------------------------------------------------------------- sums and products

    def _matmul(self, a: Array, into: Value | None) -> Value:
        x, y = (self.real(self.compute(b)) for b in a.args)
        dims = a.dims if a.shape is not None else _product_dims(x, y)
        out = into if into is not None else self.room(dims)
        if len(x.dims) > 2 and len(y.dims) <= 2 and x.contiguous and out.contiguous:
            rows = (mul(*x.dims[:-1]), x.dims[-1])
            self.product(self.reshaped(x, rows), y, self.reshaped(out, (rows[0], *out.dims[len(x.dims) - 1 :])))
        else:
            self.product(x, y, out)
        return out

    def _tensordot(self, a: Array, into: Value | None) -> Value:
        """A matrix product of operands whose axes are moved first; in the order that moves the fewest numbers."""
        x, y = a.args
        both = [[i for i in b.axes if i in x.axes and i in y.axes and i not in a.axes] for b in (x, y)]
        left, right = ([i for i in b.axes if i not in both[0]] for b in (x, y))

        def moved(inner: list[Index]) -> int:
            kept = ((x, left), (y, right))
            return sum(typical(mul(*b.dims)) for b, own in kept if not _is_matrix(b, own, inner))

        inner = min(both, key=moved)
        v, w = self._matrix(x, left, inner), self.transposed(self._matrix(y, right, inner))
        dims = tuple(i.size for i in (*left, *right))
        out = self._in_order(into, dims)
        self.product(v, w, self.reshaped(out, (v.dims[0], w.dims[1])))
        return out

    def _matrix(self, a: Array, rows: list[Index], columns: list[Index]) -> Value:
        """The array with its axes merged into two."""
        v = self.compute(a)
        shape = mul(*(i.size for i in rows)), mul(*(i.size for i in columns))
        if list(a.axes) == [*columns, *rows] != [*rows, *columns]:
            return self.transposed(self.reshaped(v, (shape[1], shape[0])))
        if list(a.axes) != [*rows, *columns]:
            order = [*rows, *columns]
            positions = ", ".join(str(a.axes.index(i)) for i in order)
            v = self.view(v, f"{{}}.transpose({positions})", tuple(i.size for i in order))
        return self.reshaped(v, shape)

    def _reduction(self, a: Array, into: Value | None) -> Value:
        """Sums over the first or the last axes are products with a vector of ones; a mean's vector holds 1/n."""
        v = self.real(self.compute(a.args[0]))
        n = len(v.dims)
        kept = tuple(d for k, d in enumerate(v.dims) if k not in a.over)
        out = into if into is not None else self.room(kept)
        over = mul(*(v.dims[k] for k in a.over))
        first, last = a.over == tuple(range(len(a.over))), a.over == tuple(range(n - len(a.over), n))
        if a.op != "max" and (first or last) and v.contiguous and out.contiguous:
            weights = self.ones((over,)) if a.op == "sum" else self.means(over)
            flat = self.reshaped(out, (mul(*kept),))
            if first:
                args = weights, self.reshaped(v, (over, mul(*kept)))
            else:
                args = self.reshaped(v, (mul(*kept), over)), weights
            self.statement(DOT, args, flat, "sum as a product with ones")
            return out
        function = "maximum" if a.op == "max" else "add"
        rows = n - 1 not in a.over or not (v.contiguous or v.root.bound)
        if not first and rows and 1 < known(over) <= FEW_TERMS:
            slices = self._slices(v, a.over, kept)
            self.call(function, slices[0], slices[1], out=out, rule="a few slices entry by entry")
            for s in slices[2:]:
                self.call(function, out, s, out=out, in_place=True)
            return self.scaled(out, over) if a.op == "mean" else out
        axis = str(a.over[0]) if len(a.over) == 1 else str(a.over)
        least = ", False, -math.inf" if "initial=" in a.form else ""
        self.call(function, v, out=out, form=f"{function}.reduce({{}}, {axis}, None, {{out}}{least})")
        return self.scaled(out, over) if a.op == "mean" else out

    def _slices(self, v: Value, over: tuple[int, ...], kept: Dims) -> list[Value]:
        """The array at every place of these axes."""
        found = []
        for places in product(*(range(known(v.dims[k])) for k in over)):
            at = [str(places[over.index(k)]) if k in over else ":" for k in range(len(v.dims))]
            while at[-1] == ":":
                at.pop()
            if at[: over[0]] == [":"] * over[0] and len(at) == len(v.dims) == over[0] + len(over) and over[0] > 1:
                at[: over[0]] = ["..."]
            found.append(self.view(v, f"{{}}[{', '.join(at)}]", kept))
        return found

    def _overlap_add(self, a: Array, into: Value | None) -> Value:
        """The windows of one tap after another are added where they were read."""
        v = self.compute(a.args[0])
        if v.root.bound or not all(isinstance(f.taps, Num) for f in a.folds):
            return self._opaque(a)
        out = into if into is not None else self.room(a.dims)
        places, taps = [":"] * len(a.dims), []
        for n, f in enumerate(a.folds):
            tap = f"tap{n}" if f.stride == 1 else f"{f.stride} * tap{n}"
            first = tap if f.start is ZERO else f"{constant(f.start).code} + {tap}"
            reach = constant(f.step * (f.count - 1) + 1).code
            places[f.axis] = f"{first}:{first} + {reach}" + (f":{f.step}" if f.step > 1 else "")
            taps.append(f"for tap{n} in range({constant(f.taps).code})")
        every = " ".join(taps)
        number = ", ".join(f"tap{n}" for n in range(len(taps)))
        there = self.view(out, f"[{{}}[{', '.join(places)}] {every}]", a.dims)
        parts = self.view(v, f"[{{}}[..., {number}] {every}]", v.dims)
        self.statement("{out}.fill(0)", (), out)
        self.functions["add"] = None
        form = "for place, part in zip({}, {}):\n    add(place, part, place)"
        self.calls.append(Call(form, (there, parts), out, self.part, rule="windows added up"))
        return out

    # ------------------------------------------------------------------------------- places by integers

    def _places(self, labels: Array, classes: Expr, first: bool = False) -> Value:
        """The place of (..., label), or with the label first, in an array whose numbers are counted through."""
        v = self.compute(labels)
        rows = mul(*labels.dims)
        key = (id(v), f"places {constant(classes).code} {first}")
        if key not in self._views:
            n, c = constant(rows).at(SIGN), constant(classes).at(SIGN)
            flat = "{}" if len(labels.dims) == 1 else "{}.reshape(-1)"
            base = self.once(f"np.arange({constant(rows).code})" + ("" if first else f" * {c}"), (rows,), "int")
            form = f"{flat} * {n} + {{}}" if first else f"{flat} + {{}}"
            self._views[key] = self.bind(form, (v, base), (rows,), "int")
        return self._views[key]

    def _one_hot(self, a: Array, into: Value | None) -> Value:
        """Ones at the labels' places."""
        places = self._places(a.args[0], a.dims[-1])
        out = self._in_order(into, a.dims)
        self.statement("{out}.fill(0)", (), out)
        self.statement("{out}[{}] = 1", (places,), self.flat(out))
        return out

    def _less_one_hot(self, a: Array, into: Value | None) -> Value:
        """An array less ones at the labels' places."""
        left, right = a.args
        turned = right.op == "view"
        rows = right.args[0] if turned else right
        places = self._places(rows.args[0], rows.dims[-1], turned)
        out = self._in_order(into, a.dims)
        v = self.compute(left, out if left.args and left.op != "view" else None)
        if v is not out:
            self._copied(v, out, "one-hot rows taken off in place", in_place=True)
        self.statement("{out}[{}] -= 1", (places,), self.flat(out), "one-hot rows taken off in place")
        return out

    def _add_rows(self, a: Array, into: Value | None) -> Value:
        """Rows added up by their labels: few labels as a product with one-hot rows."""
        values, labels = a.args
        v = self.compute(values)
        count, width = a.dims
        n = mul(*values.dims[:-1])
        out = self._in_order(into, a.dims)
        if known(count) <= FEW_LABELS:
            rows = self._one_hot(Array("", labels.axes, args=(labels,), levels=(0,), shape=(*labels.dims, count)), None)
            self.product(self.transposed(self.reshaped(rows, (n, count))), self.reshaped(v, (n, width)), out)
        else:
            flat = self.flat(self.compute(labels))
            self.statement("{out}.fill(0)", (), out)
            self.statement("np.add.at({out}, {}, {})", (flat, self.reshaped(v, (n, width))), out)
        return out

    def _pick(self, a: Array, into: Value | None) -> Value:
        """Of each row the entry that its label says."""
        name = a.form.split("[")[0]
        source = self.names[name]
        same = source.dims[1:] == a.dims == a.args[0].dims
        first = len(a.dims) == 1 and same and self._words(a.args[0].code)
        if not source.contiguous or source.root.bound or (source.dims[:-1] != a.dims and not first):
            return self._opaque(a)
        labels = a.args[0] if first else a.args[-1]
        places = self._places(labels, source.dims[0 if first else -1], bool(first))
        out = self._in_order(into, a.dims)
        self.statement("{}.take({}, None, {out}, 'clip')", (self.flat(source), places), self.flat(out))
        return out

    def _rows(self, a: Array, into: Value | None) -> Value:
        """Rows of a table."""
        source = self.names[a.form.split("[")[0]]
        rows = self.compute(a.args[0])
        if source.root.bound:
            return self._opaque(a)
        out = self._in_order(into, a.dims)
        self.statement("{}.take({}, 0, {out}, 'clip')", (source, rows), out)
        return out

    def _where(self, a: Array, into: Value | None) -> Value:
        """Where a constant condition fails, minus infinity: added, which is three times faster."""
        condition, then, otherwise = a.args
        if otherwise.code != "-math.inf" or not self._is_constant(condition):
            return self._opaque(a)
        v = self.compute(then)
        dims = broadcast((condition.dims, v.dims))
        bias = self.once(f"np.where({condition.code}, 0, -math.inf).astype(DTYPE)", condition.dims)
        out = into if into is not None else self.room(dims)
        return self.call("add", v, bias, out=out, in_place=True, rule="mask as a sum with -inf")


FEW_LABELS = 1000
FEW_TERMS = 16
_SPECIAL: Mapping[str, Callable[[Calls, Array, Value | None], Value]] = {
    "square": Calls._square,
    "sigmoid": Calls._sigmoid,
    "astype": Calls._astype,
    "where": Calls._where,
    "one_hot": Calls._one_hot,
    "add_rows": Calls._add_rows,
    "pick": Calls._pick,
    "overlap_add": Calls._overlap_add,
    "rows": Calls._rows,
}


def _is_real(a: Array) -> bool:
    """Whether the constant is used as numbers: arrays of integers are places."""
    return "arange" not in a.code or a.op not in OTHERS


def _is_matrix(a: Array, rows: list[Index], columns: list[Index]) -> bool:
    """Whether the array has its axes in two groups, as a matrix or its transpose has."""
    return list(a.axes) in ([*rows, *columns], [*columns, *rows])


def _is_one_hot(a: Array) -> bool:
    turned = a.op == "view" and a.form == "{}.T" and a.args[0].op == "one_hot" and len(a.dims) == 2
    return turned or a.op == "one_hot"


def _product_dims(x: Value, y: Value) -> Dims:
    if len(y.dims) == 1:
        return x.dims[:-1]
    if len(x.dims) == 1:
        return y.dims[1:]
    lead = broadcast((x.dims[:-2], y.dims[:-2]))
    return (*lead, x.dims[-2], y.dims[-1])
