"""Table of options: what each way to compute each layer loses and costs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from macwright.dse.csv_file import check_names, quoted, read_csv, trimmed
from macwright.hw.errors import RefusedInput

__all__ = ["OptionTable"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class OptionTable:
    """Options of every layer, one row for each (layer, option).

    Parameters
    ----------
    layers : sequence of str, length n_layers
        Names, all different.
    start : array of int, shape (n_layers + 1,)
        Rows of layer `i` are ``start[i]`` to ``start[i + 1] - 1``; every layer has one or more.
    options : sequence of str, length n_rows
        Names of the options, all different within a layer.
    values : mapping from str to array of float, shape (n_rows,)
        Loss and cost columns, each additive over layers, finite and at least zero.
    labels : mapping from str to sequence of str, length n_rows, optional
        Text columns, such as the unit type of the option.

    Raises
    ------
    ValueError
        If a value is missing, not finite or negative, or a name occurs twice.

    Examples
    --------
    >>> table = OptionTable.from_arrays(
    ...     ["conv", "fc"],
    ...     [["int4", "int8"], ["int4", "int8"]],
    ...     loss=[[3.0, 0.5], [2.0, 0.25]],
    ...     area_time=[[4.0, 9.0], [2.0, 5.0]],
    ... )
    >>> table.n_rows, table.column("loss")
    (4, array([3.  , 0.5 , 2.  , 0.25]))
    """

    layers: Sequence[str]
    start: NDArray[np.int64]
    options: Sequence[str]
    values: Mapping[str, Floats]
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.layers:
            raise RefusedInput("Options must be given for one layer or more, not for none")
        if len(set(self.layers)) < len(self.layers):
            names = pd.Index(list(self.layers))
            raise RefusedInput(
                f"Layer {names[names.duplicated()][0]!r} must be given once, not twice"
            )
        empty = np.flatnonzero(np.diff(self.start) < 1)
        if empty.size:
            raise RefusedInput(
                f"Layer {self.layers[empty[0]]!r} must have one option or more, not none"
            )
        for name, column in {**self.values, **self.labels}.items():
            if len(column) != self.n_rows:
                raise RefusedInput(
                    f"Column {name!r} must have {self.n_rows} values, one for each option, "
                    f"not {len(column)}"
                )
        if not self.values:
            seen = "".join(
                f"; {name!r} of {self.where(0)} is {quoted(texts[0])}, without a decimal point"
                for name, texts in list(self.labels.items())[:1]
            )
            raise RefusedInput(f"Options must have one column of numbers or more, not none{seen}")
        for name, column in self.values.items():
            for wrong, what in (
                (~np.isfinite(column), "a finite number"),
                (column < 0, "at least 0"),
            ):
                if wrong.any():
                    row = int(np.flatnonzero(wrong)[0])
                    remedy = what == "at least 0" and (
                        "; adding one constant to all options of a layer changes no choice"
                    )
                    raise RefusedInput(
                        f"{name!r} of {self.where(row)} must be {what}, "
                        f"not {column[row]}{remedy or ''}"
                    )
        pairs = pd.MultiIndex.from_arrays([self.layer_of_row, np.asarray(self.options, object)])
        if pairs.has_duplicates:
            row = int(np.flatnonzero(pairs.duplicated())[0])
            raise RefusedInput(f"{self.where(row)} must be given once, not twice")

    @property
    def n_rows(self) -> int:
        """Number of options of all layers together."""
        return int(self.start[-1])

    @cached_property
    def layer_of_row(self) -> NDArray[np.int64]:
        """Index of the layer of each row, shape (n_rows,)."""
        return np.repeat(np.arange(len(self.layers)), np.diff(self.start))

    def where(self, row: int) -> str:
        """Words that name a row in a message."""
        layer = self.layers[int(np.searchsorted(self.start, row, side="right")) - 1]
        return f"option {quoted(self.options[row])} of layer {quoted(layer)}"

    def column(self, name: str) -> Floats:
        """Values of a column of numbers, shape (n_rows,).

        Raises
        ------
        ValueError
            If there is no such column.
        """
        if name in self.labels:
            raise RefusedInput(
                f"{name!r} of {self.where(0)} must be a number with a decimal point, "
                f"not {quoted(self.labels[name][0])}"
            )
        if name not in self.values:
            known = ", ".join(self.values)
            raise RefusedInput(f"Column must be one of {known}, not {name!r}")
        return self.values[name]

    def label(self, name: str) -> Sequence[str]:
        """Texts of a label column; ``"option"`` is the name of the option itself.

        Raises
        ------
        ValueError
            If there is no such column.
        """
        if name == "option":
            return self.options
        if name not in self.labels:
            known = ", ".join(("option", *self.labels))
            raise RefusedInput(f"Column of names must be one of {known}, not {name!r}")
        return self.labels[name]

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> "OptionTable":
        """Make a table from a DataFrame with columns `layer`, `option` and numbers or labels.

        Rows of a layer need not be adjacent; layers keep the order of their first rows. Blanks
        around names are taken off. A column of which no entry is a number is a label.

        Raises
        ------
        ValueError
            If a column is missing or an entry is not what it must be.
        """
        for needed in ("layer", "option"):
            if needed not in frame.columns:
                raise RefusedInput(
                    f"Options must have a column {needed!r}, not only {', '.join(map(str, frame))}"
                )
        if frame.columns.has_duplicates:
            twice = frame.columns[frame.columns.duplicated()][0]
            raise RefusedInput(f"Column {twice!r} must be given once, not twice")
        if frame.empty:
            raise RefusedInput("Options must have one row or more, not none")
        for needed in ("layer", "option"):
            blank = frame[needed].isna() | (frame[needed].astype(str).str.strip() == "")
            if blank.any():
                row = int(np.flatnonzero(blank)[0])
                raise RefusedInput(
                    f"{needed.capitalize()} of row {row + 1} must be a name, not empty"
                )
        names = [frame[column].astype(str).map(trimmed) for column in ("layer", "option")]
        check_names(names[0], "Layers")
        check_names(names[1], "Options")
        codes, layers = pd.factorize(names[0])
        order = np.argsort(codes, kind="stable")
        frame = frame.iloc[order]
        options = names[1].iloc[order].tolist()
        counts = np.bincount(codes, minlength=len(layers))
        start = np.concatenate(([0], np.cumsum(counts)))
        values: dict[str, Floats] = {}
        labels: dict[str, list[str]] = {}
        for name in frame.columns.drop(["layer", "option"]):
            numbers = np.asarray(pd.to_numeric(frame[name], errors="coerce"), np.float64)
            text = frame[name].astype(str).str.strip()
            unread = np.isnan(numbers)
            if unread.all() and not text.str.lower().isin(["", "nan", "none", "<na>"]).any():
                labels[str(name)] = text.tolist()
                continue
            if unread.any():
                row = int(np.flatnonzero(unread)[0])
                layer = layers[codes[order[row]]]
                raise RefusedInput(
                    f"{str(name)!r} of option {quoted(options[row])} of layer {quoted(layer)} "
                    f"must be a finite number, not {quoted(text.iloc[row])}"
                )
            values[str(name)] = numbers
        return cls(layers.tolist(), start, options, values, labels)

    @classmethod
    def from_csv(cls, path: Path | str) -> "OptionTable":
        """Read a CSV file; see :meth:`from_frame`.

        Raises
        ------
        FileNotFoundError
            If the file is absent.
        ValueError
            If it is no CSV file of options.
        """
        return cls.from_frame(read_csv(path, "Options"))

    @classmethod
    def from_arrays(
        cls,
        layers: Sequence[str],
        options: Sequence[Iterable[str]],
        **columns: Sequence[Sequence[float]],
    ) -> "OptionTable":
        """Make a table from nested sequences.

        Parameters
        ----------
        layers : sequence of str, length n_layers
            Names.
        options : sequence of shape (n_layers, n_options)
            Names; the number may differ between layers.
        **columns : sequence of shape (n_layers, n_options)
            Loss and cost columns.
        """
        names = [list(map(str, of_layer)) for of_layer in options]
        if len(names) != len(layers):
            raise RefusedInput(f"Options must be given for {len(layers)} layers, not {len(names)}")
        start = np.concatenate(([0], np.cumsum([len(of_layer) for of_layer in names])))
        values: dict[str, Floats] = {}
        for name, column in columns.items():
            if [len(of_layer) for of_layer in column] != [len(of_layer) for of_layer in names]:
                raise RefusedInput(
                    f"Column {name!r} must have as many values in each layer as options"
                )
            values[name] = np.array([v for of_layer in column for v in of_layer], np.float64)
        flat = [name for of_layer in names for name in of_layer]
        return cls(list(layers), start, flat, values)
