"""Where a network's data is."""

from dataclasses import dataclass
from pathlib import Path

from macwright.dse.data.recipe import Dataset, load_recipe
from macwright.dse.workload import Workload, load_workload

__all__ = ["BESIDE_THE_MODEL", "DataSource"]


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """Where the data of a network is, and what of it counts.

    Parameters
    ----------
    recipe : path, optional
        TOML file; by default the one of the model's name beside it.
    data : path, optional
        NumPy archive instead of the one that the recipe names.
    output : str, optional
        Which result counts, of a model that has several.
    labels : bool, default=True
        Whether accuracy is measured; else the error of the outputs.

    Examples
    --------
    >>> from macwright.dse.models import embedded_model
    >>> workload, dataset = DataSource(labels=False).load(embedded_model())
    >>> workload.output, dataset.task
    ('logits', 'unlabelled')
    """

    recipe: Path | str | None = None
    data: Path | str | None = None
    output: str | None = None
    labels: bool = True

    def load(self, model: Path) -> tuple[Workload, Dataset]:
        """The network and its data.

        Raises
        ------
        OSError
            If a file is missing.
        RefusedInput
            If the model or the data cannot be used; see
            :func:`macwright.dse.data.recipe.load_recipe`.
        """
        dataset = load_recipe(model, self.recipe, self.data, output=self.output, labels=self.labels)
        return load_workload(model, dataset, output=self.output), dataset


#: The recipe of the model's name, if there is one.
BESIDE_THE_MODEL = DataSource()
