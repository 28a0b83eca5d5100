"""Makes what README shows and the example results in Output/ anew: python tests/pictures.py; then look at them.

With OpenCV 5 and matplotlib; OpenPose's weights are not used.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import av
import cv2
import matplotlib
import numpy as np

PROJECT = Path(__file__).parent.parent
sys.path.insert(0, str(PROJECT))
import get_hpe_image  # noqa: E402
import get_hpe_video  # noqa: E402
from pose import PoseEstimator, draw_skeleton  # noqa: E402
from pose.labels import draw_text  # noqa: E402
from pose.networks import engine_choice  # noqa: E402

INPUT, OUTPUT = PROJECT / "Input", PROJECT / "Output"
PHOTOS, CLIPS = ["example_image1.png", "example_image4.jpg"], ["example_video1.mp4"]
COMMANDS = [  # of which the results in Output/ are. Those without options come last, as results may name the options
    (get_hpe_image, PHOTOS, "--write_json"),  # that made them, and a first run has none.
    (get_hpe_image, PHOTOS, ""),
    (get_hpe_image, PHOTOS[:1], "--mode MPI"),
    (get_hpe_video, CLIPS, "--write_json --write_plot"),
    (get_hpe_video, CLIPS, ""),
]
ROWS = [  # of example.jpg
    ["example_image4.jpg", "example_image6.jpg"],
    ["example_image1.png", "example_image2.jpg", "example_image5.jpg", "example_image7.jpg", "example_image3.png"],
]
ROW_W = 1200  # pixels
TILE_WH = 300, 330


def run(command, names: list[str], options: str, folder: Path) -> None:
    """As in a fresh clone: the examples' folder holds no weights of OpenPose's."""
    paths, folders = [str(INPUT / name) for name in names], ["--model_folder", str(INPUT), "--output_dir", str(folder)]
    command.main([*paths, *options.split(), *folders, "--no_display", "--quiet"])


def versions() -> str:
    """What the bytes of results depend on."""
    names = {"OpenCV": cv2, "numpy": np, "PyAV": av, "matplotlib": matplotlib}
    lines = [f"{name} {module.__version__}" for name, module in names.items()]
    return "\n".join([*lines, f"processor {cv2.getCPUFeaturesLine()}", ""])


def save_results(folder: Path) -> None:
    for command, names, options in COMMANDS:
        run(command, names, options, folder)
    (folder / "versions.txt").write_text(versions())


def save_gif() -> None:
    """The example clip as --codec gif writes it; of every third frame, so that a page loads it quickly."""
    with tempfile.TemporaryDirectory() as folder:
        run(get_hpe_video, ["example_video1.mp4"], "--codec gif --frame_step 3", Path(folder))
        (gif,) = Path(folder).rglob("*.gif")
        shutil.copyfile(gif, OUTPUT / "example.gif")


def read(name: str, rows: slice = slice(None), columns: slice = slice(None)) -> np.ndarray:
    return cv2.imread(str(PROJECT / name))[rows, columns]


def blurred(picture: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), 6)


def hard_pictures() -> list[np.ndarray]:
    walker = read("Input/example_image1.png")
    return [
        read("tests/data/pair_360.jpg"),
        read("tests/data/pair_448.jpg"),
        cv2.rotate(walker, cv2.ROTATE_90_CLOCKWISE),
        cv2.rotate(walker, cv2.ROTATE_180),
        walker // 4,
        read("Input/example_image2.jpg", slice(0, 460), slice(0, 420)),
        read("tests/data/sport_168.jpg"),
        read("Input/example_image3.png"),
        read("tests/data/pair_260.jpg"),
        blurred(read("tests/data/sport_028.jpg", slice(0, 500), slice(200, 650))),
    ]


def tile(picture: np.ndarray, number: int) -> np.ndarray:
    """The picture fitted into a white tile, with its number."""
    h, w = picture.shape[:2]
    scale = min(TILE_WH[0] / w, TILE_WH[1] / h)
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    right, bottom = TILE_WH[0] - picture.shape[1], TILE_WH[1] - picture.shape[0]
    draw_text(picture, str(number), np.array([6, 28]), height=18)
    sides = bottom // 2, bottom - bottom // 2, right // 2, right - right // 2
    return cv2.copyMakeBorder(picture, *sides, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def row(pictures: list[np.ndarray]) -> np.ndarray:
    """Pictures side by side, equally high, ROW_W wide."""
    ratios = np.array([picture.shape[1] / picture.shape[0] for picture in pictures])
    h = round(ROW_W / ratios.sum())
    ends = np.round(np.cumsum(ratios) / ratios.sum() * ROW_W).astype(int)
    widths = np.diff(ends, prepend=0).tolist()
    sized = zip(pictures, widths, strict=True)
    return np.hstack([cv2.resize(picture, (w, h), interpolation=cv2.INTER_AREA) for picture, w in sized])


def main() -> None:
    estimator = PoseEstimator(network="blazepose")

    def drawn(picture: np.ndarray) -> np.ndarray:
        return draw_skeleton(picture, estimator(picture), estimator.skeleton)

    def save(name: str, rows: list[np.ndarray]) -> None:
        cv2.imwrite(str(OUTPUT / name), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 90])

    save_results(OUTPUT)
    save_gif()
    save("example.jpg", [row([drawn(read(f"Input/{name}")) for name in names]) for names in ROWS])
    tiles = [tile(drawn(picture), number) for number, picture in enumerate(hard_pictures(), 1)]
    save("hard.jpg", [np.hstack(tiles[:5]), np.hstack(tiles[5:])])


if __name__ == "__main__":
    engine_choice.ORDER["cpu"] = ("opencv",)  # as in a plain install
    main()
