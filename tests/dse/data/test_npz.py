"""NPZ files that are the same whenever they are made."""

import io
import time
import zipfile

import numpy as np

from macwright.dse.data.npz import npz_bytes


def test_arrays_come_back_and_the_time_of_day_stays_out(monkeypatch):
    arrays = {"x": np.arange(6.0).reshape(2, 3), "scale": np.float32(0.5)}
    now = npz_bytes(arrays)
    later = time.localtime(time.time() + 3600)
    monkeypatch.setattr(time, "localtime", lambda *_: later)
    assert npz_bytes(arrays) == now
    with zipfile.ZipFile(io.BytesIO(now)) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    kept_whole = np.load(io.BytesIO(now))
    assert kept_whole["x"].tolist() == arrays["x"].tolist()
    assert kept_whole["scale"].shape == ()
    assert kept_whole["scale"].dtype == np.float32
