"""Makes weights for the networks, as OpenPose's real 200 MB cannot be in a repository: any weights, or seeing ones.

    write_caffemodel(path, random_weights(layer_shapes("COCO")))     full size, right names, any values: it runs
    write_caffemodel(path, seeing_weights("MPI"))                    full size, and it finds painted figures:
    picture, keypoints = painted_figures("MPI", (640, 480), [(320, 240, 450)])   feed it this, and expect these

The seeing network knows a colour for each keypoint and each limb. The colours lie on a sphere about grey in BGR space,
so none lies between others: no mixture of colours, as scaling and compressing a picture give along its edges, is taken
for another colour. The background is grey, which to the network is 0, the same as the padding around a picture.
"""

from pathlib import Path

import numpy as np

# Numbers of OpenPose, written out once more on purpose: a table shared with pose/ could not show a mistake in it.
KEYPOINTS = {"COCO": 18, "MPI": 15}
LIMBS = {  # the two keypoints, and the channels of the field's x and y in the whole output
    "COCO": (
        ((1, 2), (31, 32)), ((1, 5), (39, 40)), ((2, 3), (33, 34)), ((3, 4), (35, 36)), ((5, 6), (41, 42)),
        ((6, 7), (43, 44)), ((1, 8), (19, 20)), ((8, 9), (21, 22)), ((9, 10), (23, 24)), ((1, 11), (25, 26)),
        ((11, 12), (27, 28)), ((12, 13), (29, 30)), ((1, 0), (47, 48)), ((0, 14), (49, 50)), ((14, 16), (53, 54)),
        ((0, 15), (51, 52)), ((15, 17), (55, 56)), ((2, 16), (37, 38)), ((5, 17), (45, 46)),
    ),
    "MPI": (
        ((0, 1), (16, 17)), ((1, 2), (18, 19)), ((2, 3), (20, 21)), ((3, 4), (22, 23)), ((1, 5), (24, 25)),
        ((5, 6), (26, 27)), ((6, 7), (28, 29)), ((1, 14), (30, 31)), ((14, 8), (32, 33)), ((8, 9), (34, 35)),
        ((9, 10), (36, 37)), ((14, 11), (38, 39)), ((11, 12), (40, 41)), ((12, 13), (42, 43)),
    ),
}  # fmt: skip
# The figure that the seeing network knows, in a unit square: a person who faces us with the left arm up. No limb
# crosses another, and left and right differ.
_BODY = {
    2: (0.36, 0.27), 3: (0.24, 0.39), 4: (0.13, 0.52), 5: (0.64, 0.27), 6: (0.78, 0.19), 7: (0.88, 0.07),
    8: (0.42, 0.57), 9: (0.37, 0.76), 10: (0.40, 0.95), 11: (0.58, 0.57), 12: (0.67, 0.74), 13: (0.62, 0.93),
}  # fmt: skip
_FACE = {0: (0.50, 0.13), 14: (0.43, 0.06), 15: (0.57, 0.06), 16: (0.34, 0.10), 17: (0.66, 0.10)}
FIGURE = {
    "COCO": _BODY | _FACE | {1: (0.50, 0.26)},
    "MPI": _BODY | {0: (0.50, 0.06), 1: (0.50, 0.23), 14: (0.50, 0.41)},
}
DOT_RADIUS, LIMB_WIDTH = 0.036, 0.028  # of the figure's square

GREY, REACH = 128, 127  # the sphere of colours
BLUR = np.outer([1, 2, 1], [1, 2, 1]) / 16
LIMB_GAIN = 30  # so that a limb's field is 1 along all of it, its ends under the dots too


def layer_shapes(mode: str, stages: int = 6) -> dict[str, tuple[int, int, int, int]]:
    """Shape of each convolution's weights, as OpenPose published them: outputs, inputs, kernel height and width."""
    maps = {"L1": 2 * len(LIMBS[mode]), "L2": KEYPOINTS[mode] + 1}
    shapes, inputs = {}, 3
    for name, outputs in (
        ("conv1_1", 64), ("conv1_2", 64), ("conv2_1", 128), ("conv2_2", 128), ("conv3_1", 256), ("conv3_2", 256),
        ("conv3_3", 256), ("conv3_4", 256), ("conv4_1", 512), ("conv4_2", 512), ("conv4_3_CPM", 256),
        ("conv4_4_CPM", 128),
    ):  # fmt: skip
        shapes[name] = (outputs, inputs, 3, 3)
        inputs = outputs
    for branch, outputs in maps.items():
        for i in (1, 2, 3):
            shapes[f"conv5_{i}_CPM_{branch}"] = (128, 128, 3, 3)
        shapes[f"conv5_4_CPM_{branch}"] = (512, 128, 1, 1)
        shapes[f"conv5_5_CPM_{branch}"] = (outputs, 512, 1, 1)
    for stage in range(2, stages + 1):
        for branch, outputs in maps.items():
            for i in (1, 2, 3, 4, 5):
                shapes[f"Mconv{i}_stage{stage}_{branch}"] = (128, 128 + sum(maps.values()) if i == 1 else 128, 7, 7)
            shapes[f"Mconv6_stage{stage}_{branch}"] = (128, 128, 1, 1)
            shapes[f"Mconv7_stage{stage}_{branch}"] = (outputs, 128, 1, 1)
    return shapes


def random_weights(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Weights and biases by layer, of a size that keeps the signal's strength from layer to layer."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in shapes.items():
        spread = np.float32((2 / np.prod(shape[1:])) ** 0.5)
        weights[name] = (rng.standard_normal(shape, np.float32) * spread, rng.random(shape[0], np.float32) / 10)
    return weights


def seeing_weights(mode: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Weights of full size with which the network finds painted figures; the answer is the same after each stage.

    Heatmaps have one smooth peak, at the dot's centre to half a pixel, of 0.4 for a figure of 190 pixels where the
    network sees it, 0.8 for 350. Fields are the figure's unit vectors along each limb, up to figures of 450 pixels: in
    larger ones the dots hide the limbs' ends.
    """
    weights = {name: (np.zeros(s, np.float32), np.zeros(s[0], np.float32)) for name, s in layer_shapes(mode).items()}
    k, limbs = KEYPOINTS[mode], LIMBS[mode]
    n = k + len(limbs)
    every, dots, lines = range(n), range(k), range(k, n)

    def connect(layer, outputs, inputs, kernel=1.0, bias=0.0):
        """Each output of the layer takes one input, through a kernel in the middle of the layer's own."""
        kernel = np.atleast_2d(kernel)
        values, biases = weights[layer]
        corner = (values.shape[2] - len(kernel)) // 2
        place = slice(corner, corner + len(kernel))
        for out, into in zip(outputs, inputs, strict=True):
            values[out, into, place, place] += kernel
            biases[out] = bias

    def after(first, channels):
        return range(first, first + len(channels))

    # How far a pixel lies in the direction of each colour: 0 and less for the other colours, 2 for that colour.
    colours = (code_colours(n) - GREY) / 256
    length = np.linalg.norm(colours, axis=1)
    towards = colours / length[:, None]
    room = length - np.sort(towards @ colours.T, axis=1)[:, -2]
    weights["conv1_1"][0][:n, :, 1, 1] = towards / (0.35 * room)[:, None]
    weights["conv1_1"][1][:n] = 2 - length / (0.35 * room)
    connect("conv1_2", every, every)
    # min(x, 1) is relu(x) - relu(x - 1).
    connect("conv2_1", every, every)
    connect("conv2_1", after(n, every), every, bias=-1)
    connect("conv2_2", every, every, BLUR)
    connect("conv2_2", every, after(n, every), -BLUR)
    for layer in ("conv3_1", "conv3_2", "conv3_3", "conv3_4", "conv4_1"):
        connect(layer, every, every, BLUR)
    connect("conv4_2", dots, dots)
    connect("conv4_2", lines, lines, LIMB_GAIN * BLUR)
    connect("conv4_2", after(n + k, lines), lines, LIMB_GAIN * BLUR, bias=-1)
    connect("conv4_3_CPM", every, every)
    connect("conv4_3_CPM", lines, after(n + k, lines), -1)
    connect("conv4_4_CPM", every, every)
    # Stage 1 passes it on. Later stages take heatmaps from the stage before, limbs from conv4_4_CPM.
    fields = 2 * len(limbs)
    for stage in range(1, 7):
        names = (
            [f"Mconv{i}_stage{stage}" for i in range(1, 8)] if stage > 1 else [f"conv5_{i}_CPM" for i in range(1, 6)]
        )
        for layer in names[:-1]:
            first = stage > 1 and layer == names[0]
            connect(f"{layer}_L2", dots, after(fields, dots) if first else dots)
            connect(f"{layer}_L1", lines, after(fields + k + 1 + k, lines) if first else lines)
        connect(f"{names[-1]}_L2", dots, dots)
        connect(f"{names[-1]}_L2", [k] * k, dots, -1, bias=1)
        for line, ((a, b), channels) in zip(lines, limbs, strict=True):
            way = np.subtract(FIGURE[mode][b], FIGURE[mode][a])
            for channel, part in zip(channels, way / np.linalg.norm(way), strict=True):
                connect(f"{names[-1]}_L1", [channel - k - 1], [line], part)
    return weights


def code_colours(count: int) -> np.ndarray:
    """So many BGR colours (count, 3) far from each other, on a spiral about a sphere."""
    turn, z = np.arange(count) * np.pi * (1 + 5**0.5), 1 - (2 * np.arange(count) + 1) / count
    sphere = np.stack([np.sqrt(1 - z * z) * np.cos(turn), np.sqrt(1 - z * z) * np.sin(turn), z], axis=1)
    return np.rint(GREY + REACH * sphere)


def painted_figures(mode: str, size_wh: tuple[int, int], places: list) -> tuple[np.ndarray, np.ndarray]:
    """A BGR picture with a figure at each (centre x, centre y, side) in pixels, and all keypoints (N, K, 2)."""
    width, height = size_wh
    picture = np.full((height, width, 3), GREY, np.float32)
    k = KEYPOINTS[mode]
    colours = code_colours(k + len(LIMBS[mode]))
    unit = np.array([FIGURE[mode][i] for i in range(k)]) - 0.5
    everyone = np.array([unit * side + (x, y) for x, y, side in places])
    for points, (_, _, side) in zip(everyone, places, strict=True):
        for ((a, b), _), colour in zip(LIMBS[mode], colours[k:], strict=True):
            _paint(picture, points[a], points[b], LIMB_WIDTH / 2 * side, colour)
        for point, colour in zip(points, colours, strict=False):
            _paint(picture, point, point, DOT_RADIUS * side, colour)
    return np.rint(picture).astype(np.uint8), everyone


def _paint(picture: np.ndarray, a: np.ndarray, b: np.ndarray, radius: float, colour: np.ndarray) -> None:
    """All within the radius of the line from a to b, with soft edges."""
    low = np.floor(np.maximum(np.minimum(a, b) - radius - 2, 0)).astype(int)
    high = np.ceil(np.maximum(np.maximum(a, b) + radius + 2, 0)).astype(int)
    part = picture[low[1] : high[1], low[0] : high[0]]
    if not part.size:
        return
    y, x = np.indices(part.shape[:2])
    pixels = np.stack([x + low[0], y + low[1]], axis=-1)
    along = np.clip((pixels - a) @ (b - a) / max((b - a) @ (b - a), 1e-9), 0, 1)[..., None]
    distance = np.linalg.norm(pixels - a - along * (b - a), axis=-1)
    part += np.clip(radius + 0.5 - distance, 0, 1)[..., None] * (colour - part)


def write_caffemodel(path: Path, weights: dict, legacy: bool = False, extra: bool = True) -> None:
    """Writes weights and biases by layer as Caffe does.

    legacy    sizes in four numbers, and not in a BlobShape
    extra     with what a snapshot of the training has besides: an empty name, data and loss layers
    """

    def layer(name: str, *blobs: np.ndarray) -> bytes:
        pieces = [field(1, name.encode()), field(2, b"Convolution"), field(3, b"before"), field(4, name.encode())]
        for values in blobs:
            shape = field(7, field(1, b"".join(map(_varint, values.shape))))
            if legacy:
                sizes = (1,) * (4 - values.ndim) + values.shape
                shape = b"".join(_varint(i << 3) + _varint(size) for i, size in enumerate(sizes, 1))
            pieces.append(field(7, field(5, np.ascontiguousarray(values, "<f4").tobytes()) + shape))
        return field(100, b"".join(pieces))

    with open(path, "wb") as file:
        if extra:
            data = field(1, b"data") + field(2, b"CPMData") + field(4, b"data") + field(10, b"\x08\x00")
            file.write(field(1, b"") + field(100, data))
        for name, blobs in weights.items():
            file.write(layer(name, *blobs))
            if extra and name.startswith("Mconv7"):
                loss = (
                    field(1, f"loss_{name}".encode()) + field(2, b"EuclideanLoss") + b"\x2d\0\0\x80\x3f\x31" + bytes(8)
                )
                file.write(field(100, loss))
        if extra:
            file.write(layer("not_in_the_prototxt", np.ones((2, 2), np.float32)))


def field(number: int, content: bytes) -> bytes:
    """A protobuf field that has its length in front."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + _varint(value >> 7)
