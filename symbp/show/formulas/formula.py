"""A formula and a saying, each in LaTeX and in plain text."""

from __future__ import annotations

from dataclasses import dataclass, replace

from symbp.expr import Access, Expr


@dataclass(frozen=True)
class Said:
    """The same in LaTeX and in plain text. Formulas carry invisible marks where they may be broken."""

    latex: str
    text: str


@dataclass(frozen=True)
class Formula:
    """target = value, and how that is written: sides[0] = sides[1] = ... number: of a definition, to refer to.

    beside: the same in matrix notation, where both forms are asked for and it has one. worked: at a given point the
    last side with numbers put in (at neuron level), and what comes out; it follows `beside` if there is that.
    """

    target: Access
    value: Expr
    sides: tuple[Said, ...]
    number: int | None = None
    beside: tuple[Said, ...] = ()
    worked: tuple[Said, ...] = ()

    @property
    def name(self) -> str:
        return self.target.label

    @property
    def chain(self) -> tuple[tuple[str, Said], ...]:
        """The sides behind the first, each with the sign in front of it; what is worked out is rounded."""
        worked = () if self.beside else self.worked
        return (*(("=", s) for s in self.sides[1:]), *(("≈", s) for s in worked))

    @property
    def groups(self) -> list[list[tuple[str, Said]]]:
        """The chain in pieces for a line each: a letter's meaning goes with what follows, numbers go together."""
        out: list[list[tuple[str, Said]]] = []
        for k, (sign, side) in enumerate(self.chain):
            spelled = k == 1 and sign == "=" and self._is_spelled(self.sides[1])
            if out and (spelled or sign == out[-1][-1][0] == "≈"):
                out[-1].append((sign, side))
            else:
                out.append([(sign, side)])
        return out

    def _is_spelled(self, side: Said) -> bool:
        return side.text.startswith("∂") and " " not in side.text and not self.sides[0].text.startswith("∂")

    @property
    def in_matrices(self) -> Formula:
        """The matrix form by itself."""
        return replace(self, sides=self.beside, beside=(), number=None)
