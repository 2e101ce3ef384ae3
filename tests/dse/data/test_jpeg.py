"""Images packed as JPEG, whole and damaged."""

import io

import numpy as np
import pytest
from helpers.tiny import write_tiny_model

from macwright.dse.data.recipe import load_recipe

Image = pytest.importorskip("PIL.Image", reason="needs Pillow")


def write(folder, *, stream=None, offsets=None):
    """A recipe of two images of 6 x 8 pixels, cropped to 4 x 4."""
    path = write_tiny_model(folder)
    rng = np.random.default_rng(3)
    parts = []
    for _ in range(2):
        out = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).save(out, "JPEG")
        parts.append(out.getvalue())
    whole = np.frombuffer(b"".join(parts), np.uint8)
    ends = np.cumsum([0, *map(len, parts)]) if offsets is None else offsets
    stream = whole if stream is None else stream(whole)
    np.savez(folder / "d.npz", x=stream, at=ends, y=np.zeros(2, np.int64))
    path.with_suffix(".toml").write_text(
        'task = "classification"\ndata = "d.npz"\ncalibration = "x"\nevaluation = "x"\n'
        'labels = "y"\nencoded = "jpeg"\ncrop = 4\noffsets = "at"\n'
        'calibration_offsets = "at"\nlayout = "NHWC"\n'
    )
    return path, parts


def first(file):
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image.convert("RGB"))[1:5, 2:6]


def test_images_are_cropped_at_their_middle(tmp_path):
    path, parts = write(tmp_path)
    with pytest.raises(ValueError, match=r"samples of shape \(1, 4, 4\), not \(3, 4, 4\)"):
        load_recipe(path)  # of three channels: the network takes one
    from macwright.costmodel.npz import Archive
    from macwright.dse.data.arrays import _decode_images

    archive = Archive(tmp_path / "d.npz")
    found = _decode_images(archive["x"], archive["at"], {"encoded": "jpeg", "crop": 4})
    assert np.array_equal(found, [first(file) for file in parts])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"stream": lambda raw: raw[:-200]}, "Image 1 of JPEG data must be a whole image"),
        ({"stream": lambda raw: 0 * raw}, "Image 0 of JPEG data must be a whole image"),
        ({"stream": lambda raw: raw[None]}, "must be one row of bytes"),
        ({"offsets": np.array([0.0, 5.0])}, "whole numbers that say where images begin"),
        ({"offsets": np.array([[0, 5]])}, "whole numbers that say where images begin"),
        ({"offsets": np.array([0])}, "their offsets name none"),
    ],
)
def test_damaged_images_are_refused(damage, message, tmp_path):
    path, _ = write(tmp_path, **damage)
    with pytest.raises(ValueError, match=message):
        load_recipe(path)
