"""Makes README's pictures in Output/ anew: python tests/pictures.py"""

import shutil
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

PROJECT = Path(__file__).parent.parent
sys.path.insert(0, str(PROJECT))
import get_hpe_video  # noqa: E402
from pose import PoseEstimator, draw_skeleton  # noqa: E402
from pose.labels import write  # noqa: E402

TILE_WH = 300, 330


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
    write(picture, str(number), np.array([6, 28]), height=18)
    sides = bottom // 2, bottom - bottom // 2, right // 2, right - right // 2
    return cv2.copyMakeBorder(picture, *sides, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def save_gif() -> None:
    """The example clip as --codec gif writes it; of every third frame, so that a page loads it quickly."""
    options = "--network blazepose --codec gif --frame_step 3 --no_display --quiet --output_dir"
    with tempfile.TemporaryDirectory() as folder:
        get_hpe_video.main([*options.split(), folder])
        (gif,) = Path(folder).rglob("*.gif")
        shutil.copyfile(gif, PROJECT / "Output" / "example.gif")


def main() -> None:
    estimator = PoseEstimator(network="blazepose")

    def drawn(picture: np.ndarray) -> np.ndarray:
        return draw_skeleton(picture, estimator(picture), estimator.skeleton)

    def save(name: str, picture: np.ndarray) -> None:
        cv2.imwrite(str(PROJECT / "Output" / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 90])

    examples = [
        drawn(read(f"Input/{name}")) for name in ("example_image1.png", "example_image2.jpg", "example_image3.png")
    ]
    scaled = [cv2.resize(p, None, fx=420 / len(p), fy=420 / len(p), interpolation=cv2.INTER_AREA) for p in examples]
    save("example.jpg", np.hstack([picture[:420] for picture in scaled]))
    tiles = [tile(drawn(picture), number) for number, picture in enumerate(hard_pictures(), 1)]
    save_gif()
    save("hard.jpg", np.vstack([np.hstack(tiles[:5]), np.hstack(tiles[5:])]))


if __name__ == "__main__":
    main()
