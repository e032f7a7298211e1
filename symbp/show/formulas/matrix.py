"""Matrix notation for equations of tensors with at most two indices; None for those that have no matrix form.

Convention: rows are samples, so vectors over features are row vectors, and a vector that runs over the first index of
the values (one number a sample) is a column. Products of entries are written with a ring, sums over one index as matrix
products, column sums with a vector of ones. A row added to a matrix is added to each of its rows. With the printer's
`columns` samples are columns instead: every symbol stands for the transpose.

Tensors of more indices have a form, too, if that is asked for: the leading indices that all of an equation's tensors
share stay as subscripts, and h_n is the matrix of sample n.
"""

from __future__ import annotations

from fractions import Fraction

from symbp.expr import (
    ONE,
    ZERO,
    Access,
    Add,
    Call,
    Condition,
    Delta,
    Expr,
    Index,
    Mul,
    Num,
    Pow,
    Reduce,
    Select,
    access,
    mul,
    power,
)
from symbp.show.formulas.contractions import MATMUL, Contractions, NoForm
from symbp.show.formulas.order import Product, factor_key, ordered_terms, product
from symbp.show.formulas.orientation import Axis, Orientation
from symbp.show.formulas.printer import Printer
from symbp.show.formulas.products import Piece, spoken_arguments
from symbp.show.names.symbols import Symbol
from symbp.show.styles import breaks
from symbp.show.styles.style import ATOM, POWER, PRODUCT, SUM

RING = PRODUCT  # a chain of entrywise products binds like one; matrix products bind tighter


class MatrixPrinter(Contractions):
    """Matrix notation in the style of a Printer. notes: which conventions were made use of, as keys of `words`.

    batched: whether leading indices may stay. kept: those of the equation that is being written, those of its sums
    included. sliced: whether it has tensors of more than two indices.
    """

    def __init__(self, printer: Printer, batched: bool = False) -> None:
        self.printer, self.names, self.style, self.columns = printer, printer.names, printer.style, printer.columns
        self.notes: set[str] = set()
        self.batched = batched and any(len(t.indices) > 2 for t in self.names.tensors.values())
        self.orientation = Orientation(self.names, self.columns, self.batched)
        self.kept: tuple[Index, ...] = ()
        self.sliced = False

    # ------------------------------------------------------------------------------------- entry points

    def side(self, target: Access, value: Expr) -> str | None:
        """The right-hand side of an equation, None if it has no matrix form. `left` then gives the other side."""
        large = [a for a in (target, *value.accesses) if len(a.args) > 2]
        if large and not self.batched:
            return None
        fewest = max(0, len(target.args) - 2)
        for count in range(fewest, max(fewest, 1 if large and len(target.args) == 2 else 0) + 1):
            found = self.written(target, value, count, bool(large))
            if found is not None:
                return found
        return None

    def written(self, target: Access, value: Expr, count: int, sliced: bool) -> str | None:
        """The right-hand side with so many leading indices of the target kept."""
        notes, standing = set(self.notes), dict(self.orientation.standing)
        self.kept, self.sliced = target.args[:count], sliced  # type: ignore[assignment]
        axes = self.orientation.axes(access(target.label, target.args[count:]))
        try:
            found = None if axes is None else self.write(value, *axes)[0]
        except NoForm:
            found = None
        if found is None:
            self.notes, self.orientation.standing, self.kept = notes, standing, ()
        elif sliced:
            self.notes.add("slices")
        if found is not None:
            self.orientation.stands(target, target.args[count:])
        return found

    def left(self, target: Access, *, spelled: bool = False) -> str:
        """The target without the indices that aren't kept, as `side` has just written it."""
        return self.printer.name(target.label, self.kept, spelled=spelled)

    # ------------------------------------------------------------------------------------------- nodes

    def write(self, e: Expr, row: Axis, col: Axis) -> Piece:
        """The expression as a matrix whose rows and columns the two indices count."""
        if not e.accesses and not e.free:
            return self.printer.piece(e)
        if not (e.free <= {i for i in (row, col, *self.kept) if i is not None}):
            raise NoForm
        row, col = (row if row in e.free else None), (col if col in e.free else None)
        match e:
            case Access():
                return self.access(e, row, col)
            case Add():
                return self.add(e, row, col, False), SUM
            case Mul():
                return self.mul(e, row, col)
            case Pow():
                return self.power(e, row, col)
            case Call():
                pieces = [self.write(a, row, col) for a in spoken_arguments(e)]
                return self.style.call(e.label, [p[0] for p in pieces], [p[1] for p in pieces]), ATOM
            case Reduce():
                return self.contraction(e, row, col)
            case Select() if e.args[1] is ONE and e.args[2] is ZERO:
                self.notes.add("iverson")
                return self.style.iverson(breaks.unmarked(self.write(e.args[0], row, col)[0])), ATOM
            case Condition() if len(e.args) == 2 and not any(isinstance(a, Condition) for a in e.args):
                sign = self.style.relation(e.label)
                return f" {sign} ".join(self.write(a, row, col)[0] for a in e.args), SUM
            case Delta() if set(e.args) == {row, col}:
                return self.style.identity(), ATOM
        raise NoForm

    def access(self, e: Access, row: Axis, col: Axis) -> Piece:
        count = 0
        while count < len(e.args) and e.args[count] in self.kept:
            count += 1
        kept, rest = e.args[:count], e.args[count:]
        if (
            not all(isinstance(i, Index) and i not in self.kept for i in rest)
            or len(rest) > 2
            or len(set(rest)) < len(rest)
        ):
            raise NoForm
        if len(rest) == 2:
            transposed = rest != self.orientation.placed(row, col)
        elif len(rest) == 1:
            transposed = (row is None) == (self.orientation.counts_rows(rest[0]) != self.columns)  # type: ignore[arg-type]
            self.orientation.stands(e, rest)
        else:
            transposed = False
        return self.printer.named(e.label, kept, False, transposed)

    def broadcast(self, f: Expr, row: Axis, col: Axis) -> None:
        """Notes that a row or a column is repeated to fill the matrix."""
        if row is not None and col is not None and f.accesses:
            if row not in f.free and col in f.free:
                self.notes.add("row_repeated")
            elif col not in f.free and row in f.free:
                self.notes.add("column_repeated")

    def add(self, e: Add, row: Axis, col: Axis, flipped: bool) -> str:
        out = ""
        for t in ordered_terms(self.names, e, flipped):
            self.broadcast(t, row, col)
            term = mul(-1, t) if flipped else t
            if isinstance(term, Add):
                raise NoForm
            text, binding = self.write(term, row, col)
            negative = text.startswith("-") and binding == SUM
            sign = ("-" if not out else " - ") if negative else ("" if not out else " + ")
            breakable = bool(out) and not out.isdigit()  # "1" alone makes no good line
            out += (breaks.mark(breaks.SIGN) if breakable else "") + sign
            out += breaks.deeper(text[1:] if negative else text)
        return out

    def mul(self, e: Expr, row: Axis, col: Axis) -> Piece:
        p = product(self.names, e)
        constant = self.constant(p)
        entries = [f for f in p.top if f.free - set(self.kept)]
        scalars = [f for f in p.top if f not in entries]
        scale = [self.held(self.write(f, None, None), POWER) for f in scalars]
        if (
            not p.bottom
            and not scale
            and len(entries) == 1
            and p.below
            and p.number.numerator == 1
            and self.over_size(entries[0])
        ):
            inside = self.add(entries[0], row, col, entries[0] is p.flipped)  # type: ignore[arg-type]
            below = [] if p.number.denominator == 1 else [self.style.number(Fraction(p.number.denominator))]
            below += [self.printer.write(c) for c in p.below]
            text = self.printer.stack(inside, SUM, below)
            return (f"-{text}", SUM) if p.negative else (text, MATMUL)
        if p.bottom:
            text, binding = self.over(entries, row, col, p)
        else:
            text, binding = self.ringed(entries, row, col, p)
        front = [*([constant] if constant else []), *scale]
        if front and (entries or p.bottom):
            text = self.style.space.join([*front, self.held((text, binding), RING)])
            binding = min(binding, MATMUL)
        elif front:
            text, binding = self.style.space.join(front), MATMUL if len(front) > 1 else POWER
        return (f"-{text}", SUM) if p.negative else (text, binding)

    def constant(self, p: Product) -> str:
        number = mul(p.number, *p.constants, *(power(b, -1) for b in p.below))
        return "" if number is ONE else self.printer.at_least(number, PRODUCT)

    def over_size(self, f: Expr) -> bool:
        return self.printer.fits_above(f)

    def ringed(self, entries: list[Expr], row: Axis, col: Axis, p: Product, last: tuple[Piece, ...] = ()) -> Piece:
        """The entrywise product, what carries an adjoint first. last: factors that are written already."""
        down = [f for f in entries if row in f.free and col not in f.free]
        across = [f for f in entries if col in f.free and row not in f.free]
        plain = self.sliced and not last and p.flipped not in entries
        if plain and down and across and len(down) + len(across) == len(entries):  # a column times a row
            sides = (self.factor_of_product(down, row, None), self.factor_of_product(across, None, col))
            return self.style.matmul.join(sides), MATMUL
        ranked = sorted(entries, key=lambda f: (not self.leads(f), factor_key(self.names, f)))
        pieces: list[Piece] = []
        for f in ranked:
            self.broadcast(f, row, col)
            flipped = isinstance(f, Add) and f is p.flipped
            pieces.append((self.add(f, row, col, True), SUM) if flipped else self.write(f, row, col))  # type: ignore[arg-type]
        pieces += last
        if len(pieces) < 2:
            return pieces[0] if pieces else ("", ATOM)
        self.notes.add("ring")
        ring = breaks.mark(breaks.SIGN) + self.style.hadamard()
        return ring.join(breaks.deeper(self.held(piece, POWER)) for piece in pieces), RING

    def leads(self, f: Expr) -> bool:
        """Whether a factor carries the adjoint: it is written first."""
        return any(a.label in self.names.derivatives for a in f.accesses)

    def over(self, entries: list[Expr], row: Axis, col: Axis, p: Product) -> Piece:
        """A fraction taken entry by entry; what is tall stands in front of it."""
        self.notes.add("entrywise")
        for f in p.bottom:
            self.broadcast(f, row, col)
        flat = [f for f in entries if self.printer.flat(f)]
        tall = [f for f in entries if f not in flat]
        top, binding = self.ringed(flat, row, col, p) if flat else (self.style.number(Fraction(1)), ATOM)
        below = [self.write(f, row, col) for f in p.bottom]
        bottom = below[0][0] if len(below) == 1 else self.style.hadamard().join(self.held(b, POWER) for b in below)
        loosest = below[0][1] if len(below) == 1 else PRODUCT
        fraction = self.printer.stack(top, binding, [bottom], loosest), POWER
        return self.ringed(tall, row, col, p, (fraction,)) if tall else fraction

    def power(self, e: Pow, row: Axis, col: Axis) -> Piece:
        base, n = e.args
        if not isinstance(n, Num):
            raise NoForm
        if n.value < 0:
            return self.mul(e, row, col)
        inside, binding = self.write(base, row, col)
        if n.value == Fraction(1, 2):
            self.notes.add("entrywise")
            return self.style.root(breaks.unmarked(inside)), ATOM
        if not base.free:
            return self.printer.piece(e)
        if n.value == 2 and isinstance(base, Access) and isinstance(self.names.meaning[base.label], Symbol):
            self.notes.add("ring")
            return f"{inside}{self.style.hadamard()}{inside}", RING
        self.notes.add("ring_power")
        held = inside if binding >= ATOM and isinstance(base, Access) else self.style.brackets(inside)
        return self.style.elementwise_power(held, self.style.number(Fraction(n.value))), POWER
