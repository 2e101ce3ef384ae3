"""Train the small Fashion-MNIST network that macwright ships, and write its three files.

The data are the four ``*-ubyte.gz`` files of Debian's package ``dataset-fashion-mnist`` (MIT
licence, Zalando). Everything random is seeded, and the network after the last epoch is the one
kept: the test images choose nothing and are only used to report accuracy.

    pip install torch==2.13.0 numpy onnx onnxruntime
    python train.py /usr/share/datasets/fashion-mnist --out .

Takes about 14 minutes on one core; the shipped files came from exactly this command (92.72 % of
all 10,000 test images, 92.60 % of the 2,000 that are shipped). Another processor or version of
PyTorch rounds in another order and gives another network of about the same accuracy.
"""

import argparse
import gzip
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from export import accuracy, write_data, write_onnx, write_recipe
from torch import Tensor, nn
from torch.nn import functional

MEAN, STD = 0.2860, 0.3530


def read_idx(path: Path) -> np.ndarray:
    """Read a gzipped IDX file of unsigned bytes; shape as the file's header says."""
    with gzip.open(path) as stream:
        raw = stream.read()
    if raw[:3] != b"\0\0\x08":
        raise ValueError(
            f"{path} must be an IDX file of unsigned bytes, not one that starts {raw[:4]!r}"
        )
    shape = np.frombuffer(raw, ">i4", count=raw[3], offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


class ConvBlock(nn.Sequential):
    """Convolution without bias, and batch normalisation."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1):
        conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        super().__init__(conv, nn.BatchNorm2d(outputs))


class FashionCNN(nn.Module):
    """Nine MAC layers, 56,720 weights, 4.39 million MACs an image; logits of ten classes.

    Two blocks of depthwise (stride 2), pointwise and residual 3x3 convolution follow the stem.
    Input (N, 1, 28, 28), normalised.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvBlock(1, 24, 3)
        self.dw1 = ConvBlock(24, 24, 3, stride=2, groups=24)
        self.pw1 = ConvBlock(24, 32, 1)
        self.res1 = ConvBlock(32, 32, 3)
        self.dw2 = ConvBlock(32, 32, 3, stride=2, groups=32)
        self.pw2 = ConvBlock(32, 64, 1)
        self.res2 = ConvBlock(64, 64, 3)
        self.head = ConvBlock(64, 96, 1)
        self.fc = nn.Linear(96, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, shape (N, 10)."""
        x = functional.relu(self.stem(x))
        x = functional.relu(self.pw1(functional.relu(self.dw1(x))))
        x = functional.relu(self.res1(x) + x)
        x = functional.relu(self.pw2(functional.relu(self.dw2(x))))
        x = functional.relu(self.res2(x) + x)
        x = functional.relu(self.head(x))
        return self.fc(functional.avg_pool2d(x, 7).flatten(1))


def batches(
    x: Tensor, y: Tensor, size: int, rng: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield one epoch in random order, half of the images mirrored, the short rest left out."""
    order = torch.randperm(len(x), generator=rng)
    for start in range(0, len(x) - size + 1, size):
        index = order[start : start + size]
        image = (x[index].float() / 255 - MEAN) / STD
        mirrored = torch.rand(size, generator=rng) < 0.5
        image[mirrored] = image[mirrored].flip(-1)
        yield image.unsqueeze(1).contiguous(memory_format=torch.channels_last), y[index]


def train(x: Tensor, y: Tensor, *, epochs: int, size: int, seed: int) -> FashionCNN:
    """Train with SGD and a one-cycle learning rate; return the averaged network of the last epoch.

    The average over steps (decay 0.998) includes the statistics of the batch normalisations.
    """
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    model = FashionCNN().to(memory_format=torch.channels_last)
    average = FashionCNN()
    average.load_state_dict(model.state_dict())
    weights = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": weights, "weight_decay": 5e-4}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)
    steps = epochs * (len(x) // size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.2, total_steps=steps, pct_start=0.2)
    for epoch in range(epochs):
        start, total = time.monotonic(), 0.0
        for image, label in batches(x, y, size, rng):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(image), label, label_smoothing=0.05)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
            _update_average(average, model, decay=0.998)
        spent = time.monotonic() - start
        mean = total / (len(x) // size)
        print(f"epoch {epoch + 1}/{epochs}: training loss {mean:.4f}, {spent:.0f} s", flush=True)
    return average.eval()


@torch.no_grad()
def _update_average(average: nn.Module, model: nn.Module, *, decay: float) -> None:
    for kept, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


def main() -> None:
    """Train, write the files, and print the accuracy of the written file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with the four *-ubyte.gz files")
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the three files")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    x_train = read_idx(args.data / "train-images-idx3-ubyte.gz")
    y_train = read_idx(args.data / "train-labels-idx1-ubyte.gz")
    x_test = read_idx(args.data / "t10k-images-idx3-ubyte.gz")
    y_test = read_idx(args.data / "t10k-labels-idx1-ubyte.gz")
    model = train(
        torch.tensor(x_train),
        torch.tensor(y_train, dtype=torch.int64),
        epochs=args.epochs,
        size=args.batch_size,
        seed=args.seed,
    )
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "fashion_cnn.onnx"
    write_onnx(model, path)
    shipped = write_data(args.out / "fashion_cnn.npz", x_train, y_train, x_test, y_test)
    write_recipe(args.out / "fashion_cnn.toml", mean=MEAN, std=STD)
    for name, index in (("all test images", slice(None)), ("shipped test images", shipped)):
        right = accuracy(path, x_test[index], y_test[index], mean=MEAN, std=STD)
        print(f"{name}: {right.mean():.2%} of {len(right)}")


#: What the shipped network was trained with.
EPOCHS = 12

if __name__ == "__main__":
    main()
