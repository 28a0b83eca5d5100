"""COCO's AP (object keypoint similarity) on the labelled pictures, computed by pycocotools: a report, not a test.

    python tests/coco_ap.py [options of get_hpe_image.py]

Runs get_hpe_image.py --write_coco_json on the pictures of tests/data and on the four in which nobody is. The labels
have no outlines: a person's area is taken as 0.53 times that of the box of their labelled keypoints, which is strict.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import ground_truth
import numpy as np

from pose.media.tables import COCO_KEYPOINTS
from pose.skeletons import COCO

AREA_OF_BOX = 0.53
ORDER = [COCO.keypoints.index(name) for name in COCO_KEYPOINTS]


def coco_labels(cases: list[ground_truth.Case]) -> dict:
    """COCO's annotations of the cases, whose image ids are 1, 2, 3 …"""
    images, annotations = [], []
    for image_id, case in enumerate(cases, 1):
        h, w = case.picture.shape[:2]
        images.append({"id": image_id, "width": w, "height": h, "file_name": file_name(image_id)})
        for labels in case.people:
            annotations.append(annotation(image_id, labels[ORDER]))
        for x0, y0, x1, y1 in case.ignore:
            nobody = annotation(image_id, np.zeros((len(ORDER), 3)), (x0, y0, x1 - x0, y1 - y0))
            annotations.append(nobody | {"iscrowd": 1})
    for number, entry in enumerate(annotations, 1):
        entry["id"] = number
    person = {"id": 1, "name": "person", "keypoints": list(COCO_KEYPOINTS)}
    return {"images": images, "annotations": annotations, "categories": [person]}


def annotation(image_id: int, labels: np.ndarray, box: tuple | None = None) -> dict:
    """Labels (17, 3) in COCO's order: x, y, and 2 seen, 1 hidden, 0 not labelled."""
    xy = labels[labels[:, 2] > 0, :2]
    x, y, w, h = box or (*xy.min(axis=0).tolist(), *np.ptp(xy, axis=0).tolist())
    return {
        "image_id": image_id,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": [x, y, w, h],
        "area": AREA_OF_BOX * w * h,
        "num_keypoints": len(xy),
        "keypoints": labels.ravel().tolist(),
    }


def file_name(image_id: int) -> str:
    return f"{image_id:012}.png"


def evaluate(labels: Path, results: Path) -> np.ndarray:
    """COCO's ten numbers: AP, AP50, AP75, APM, APL, AR, AR50, AR75, ARM, ARL."""
    from pycocotools.coco import COCO as Labels
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(None):
        truth = Labels(str(labels))
        evaluation = COCOeval(truth, truth.loadRes(str(results)), "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


def main() -> None:
    nobody = sorted(ground_truth.DATA.glob("nobody_*"))
    cases = list(ground_truth.cases())
    cases += [ground_truth.Case(path.name, "nobody", ground_truth.read_picture(path), [], []) for path in nobody]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pictures").mkdir()
        for image_id, case in enumerate(cases, 1):
            cv2.imwrite(str(folder / "pictures" / file_name(image_id)), case.picture)
        (folder / "labels.json").write_text(json.dumps(coco_labels(cases)))
        command = [sys.executable, str(ground_truth.PROJECT / "get_hpe_image.py"), "--no_display", "--quiet"]
        options = ["--output_dir", str(folder), "--write_coco_json", str(folder / "results.json"), *sys.argv[1:]]
        subprocess.run([*command, *options, str(folder / "pictures")], check=True)
        stats = evaluate(folder / "labels.json", folder / "results.json")
    names = "AP AP50 AP75 APM APL AR AR50 AR75 ARM ARL".split()
    print(f"{len(cases)} pictures, {sum(len(case.people) for case in cases)} people")
    print(", ".join(f"{name} {100 * value:.1f}" for name, value in zip(names, stats, strict=True)))


if __name__ == "__main__":
    main()
