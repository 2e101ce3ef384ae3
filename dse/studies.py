"""How a run measures, reports and is executed: value objects that settings are made of."""

from dataclasses import dataclass

from macwright.hw.errors import RefusedInput

__all__ = ["METRICS", "Execution", "Reporting", "SensitivityStudy", "check_metric", "check_number"]

#: Why a metric that others know is not among them.
NO_CURVATURES = (
    "Metric hessian is not offered, as fronts by curvatures were worse than those by logit_mse, "
    "which measures what curvatures estimate"
)
#: Metrics of sensitivities, and what they are.
METRICS = {
    "logit_mse": "mean squared change of the outputs",
    "kl": "mean Kullback-Leibler divergence of the float network's classes from the changed ones",
    "loss": "growth of the cross entropy to the calibration labels, at least zero",
    "layer_mse": "mean squared change of the layer's own outputs, relative to their mean square",
    "distance": "the same of the outputs of later layers and of the network, their mean",
}


def check_number(what: str, value: object, *, least: int) -> None:
    """Refuse what is not a whole number of at least `least`."""
    if type(value) is not int or value < least:
        raise RefusedInput(f"{what} must be a whole number of at least {least}, not {value!r}")


def check_metric(name: str) -> None:
    """Refuse what is no metric of sensitivities."""
    if name == "hessian":
        raise RefusedInput(NO_CURVATURES)
    if name not in METRICS:
        raise RefusedInput(
            f"Metric of sensitivities must be one of {', '.join(METRICS)}, not {name!r}"
        )


@dataclass(frozen=True, kw_only=True)
class SensitivityStudy:
    """How it is measured what each tensor's format matters.

    Parameters
    ----------
    metric : str
        What losses are, one of :data:`METRICS`.
    images : int
        Calibration samples for the sensitivities.
    pairs : int
        Neighbouring layers whose losses together are measured, as many pairs. They are those of
        weights rounded to nearest; fronts of networks rounded by GPTQ were no better for them.
    rank : int
        Random allocations to measure, to see how well the losses rank them: 0, or 3 at least.
    refine : int
        Times to search again with losses corrected by points that are run on calibration
        samples, where points left out are then predicted better by a fifth.
    rotate : bool
        Whether layers may read block Hadamard transforms: linear layers with signed activations,
        in pairs of formats whose loss on the calibration samples falls by 5 % or more.
    """

    metric: str = "logit_mse"
    images: int = 64
    pairs: int = 0
    rank: int = 0
    refine: int = 0
    rotate: bool = False

    def check_study(self) -> None:
        """Refuse what cannot be measured."""
        check_metric(self.metric)
        check_number("Number of calibration samples (images)", self.images, least=1)
        check_number("Number of pairs of layers", self.pairs, least=0)
        check_number("Number of random allocations to rank", self.rank, least=0)
        if 0 < self.rank < 3:
            raise RefusedInput(
                f"Number of random allocations to rank must be 0 or 3 at least, not {self.rank}"
            )
        check_number("Number of refinements", self.refine, least=0)
        other = {"another metric": self.metric != "logit_mse", "refinements": self.refine > 0}
        for what, given in other.items():
            if self.pairs and given:
                raise RefusedInput(f"Pairs of layers must come without {what}, not with both")
        if self.rotate and self.pairs:
            raise RefusedInput("Pairs of layers must come without rotate, not with both")


@dataclass(frozen=True, kw_only=True)
class Reporting:
    """How much of the front is reported and measured.

    Parameters
    ----------
    points : int
        Points of the front to report, besides the knee and those at the costs of uniform
        allocations.
    measured : int
        Allocations to measure on data, in all: reported points, and uniform allocations.
    held_out : float
        Share of the evaluation data that nothing is chosen by, at most a half; the knee is
        measured on it at last.
    layer_energy : bool
        Whether energies are measured with the operands of each layer, for the points reported.
    exact : bool
        Whether points that are measured are measured as integer networks, too.
    """

    points: int = 32
    measured: int = 10
    held_out: float = 0.0
    layer_energy: bool = False
    exact: bool = False

    def check_reporting(self) -> None:
        """Refuse what cannot be reported."""
        check_number("Number of points to report", self.points, least=1)
        check_number("Number of points to measure", self.measured, least=0)
        if not 0 <= self.held_out <= 0.5:
            raise RefusedInput(f"Share held out must be from 0 to 0.5, not {self.held_out!r}")


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How a run is executed: nothing that its results depend on.

    Parameters
    ----------
    verify : bool
        Whether to simulate the units of the front, if there is a simulator.
    jobs : int or None
        Processes; None: one for each processor.
    scheduler : str or None
        Address of a Dask cluster that characterises units and evaluates allocations.
    """

    verify: bool = True
    jobs: int | None = None
    scheduler: str | None = None

    def check_execution(self) -> None:
        """Refuse what cannot be executed."""
        if self.jobs is not None:
            check_number("Number of jobs", self.jobs, least=1)
