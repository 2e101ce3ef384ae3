"""An allocation of any network, as a file."""

import json
from pathlib import Path

from macwright.dse.quantizer import QuantOptions, act_format
from macwright.dse.run.allocation import Allocation, LayerChoice
from macwright.hw.pe import IntMacSpec


def write_allocation(path: Path, workload, **fields) -> Path:
    unit = IntMacSpec()
    allocation = Allocation(
        point=0,
        model_sha256=workload.sha256,
        technology="ecp5",
        layers={
            layer.name: LayerChoice(
                weight="int4", activation=act_format(layer, "int5"), unit=unit.name
            )
            for layer in workload.layers
        },
        units={unit.name: unit},
        quantiser=QuantOptions().to_fields(),
    )
    path.write_text(json.dumps({**allocation.to_fields(), **fields}))
    return path
