"""How right the keypoints are, against those labelled by hand: tables for tests/README.md.

    python tests/accuracy.py [--engine NAME] [--device NAME] [--precision NAME] [--choices] [--coco]
                             [--mediapipe PYTHON]

PCK@0.1 and @0.05: the share of seen keypoints found within a tenth and a twentieth of the person's size from where
they belong. "missed": not found at all; "wrong": found further off than a tenth; "another's": of the keypoints given to
a person those that lie on someone else's. The "unseen" pictures were labelled after the thresholds had been chosen.
The keypoints are also compared with those that OpenCV computes on the CPU.
--choices: also what other settings would give, and take. --coco: COCO's AP (object keypoint similarity), computed by
pycocotools; the labels have no outlines, so a person's area is taken as 0.53 times that of the box of their labelled
keypoints, which is strict. --mediapipe: the same for MediaPipe Pose, by a Python that has it.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest import mock

import cv2
import numpy as np

PROJECT = Path(__file__).parent.parent
sys.path.insert(0, str(PROJECT))
import ground_truth  # noqa: E402

from pose import blazepose, poses, topdown  # noqa: E402
from pose.blazepose import LANDMARK_OF, coco_pose  # noqa: E402
from pose.estimate import PoseEstimator, VideoPoseEstimator  # noqa: E402
from pose.media.photos import read_picture  # noqa: E402
from pose.media.tables import COCO_KEYPOINTS, table_writer  # noqa: E402
from pose.poses import WORLD, joint_angles  # noqa: E402
from pose.skeletons import COCO  # noqa: E402

SEED = 0
AREA_OF_BOX = 0.53
COCO_ORDER = [COCO.keypoints.index(name) for name in COCO_KEYPOINTS]


@dataclass
class Score:
    """What was found in some pictures."""

    errors: list[np.ndarray] = field(default_factory=list)  # of seen keypoints
    scores: list[np.ndarray] = field(default_factory=list)  # the network's, of the same keypoints
    labelled: int = 0
    found: int = 0
    extra: int = 0  # people where nobody is labelled
    anothers: int = 0

    def add(self, people: np.ndarray, case: ground_truth.Case) -> None:
        left = list(people)
        for labels in case.people:
            seen = labels[:, 2] == ground_truth.SEEN
            costs = [np.nanmean(np.minimum(ground_truth.distances(person, labels), 1)) for person in left]
            self.labelled += 1
            if not costs or min(costs) > 0.7:  # so far off that it is someone else
                self.errors.append(np.full(seen.sum(), np.inf))
                self.scores.append(np.zeros(seen.sum()))
                continue
            person = left.pop(int(np.argmin(costs)))
            self.found += 1
            off = ground_truth.distances(person, labels)
            self.errors.append(off[seen])
            self.scores.append(person[seen, 2])
            for other in case.people:
                if other is not labels:
                    self.anothers += int(((off > 0.1) & (ground_truth.distances(person, other) < 0.1)).sum())
        self.extra += sum(not ignored(person, case.ignore) for person in left)

    def row(self) -> list[str]:
        off = np.concatenate(self.errors)
        shares = (off < 0.1).mean(), (off < 0.05).mean(), np.median(off), np.isinf(off).mean()
        wrong = ((off >= 0.1) & np.isfinite(off)).mean()
        numbers = [f"{share:.3f}" for share in (*shares, wrong)]
        return [str(len(off)), *numbers, f"{self.found}/{self.labelled}", str(self.extra), str(self.anothers)]


HEAD = ["keypoints", "PCK@0.1", "PCK@0.05", "median error", "missed", "wrong", "people found", "extra people",
        "another's"]  # fmt: skip


def ignored(person: np.ndarray, boxes: list[list[float]]) -> bool:
    x, y = np.median(person[person[:, 2] > 0, :2], axis=0)
    return any(x0 <= x <= x1 and y0 <= y <= y1 for x0, y0, x1, y1 in boxes)


def measure(cases: list[ground_truth.Case], find: Callable[[np.ndarray], np.ndarray]) -> Score:
    score = Score()
    for case in cases:
        score.add(find(case.picture), case)
    return score


def table(title: str, head: list[str], rows: dict[str, list[str]]) -> None:
    print(f"\n| {' | '.join([title, *head])} |\n|{'---|' * (len(head) + 1)}")
    for name, cells in rows.items():
        print(f"| {' | '.join([name, *cells])} |", flush=True)


def moved(case: ground_truth.Case, matrix: np.ndarray, size_wh: tuple[int, int]) -> ground_truth.Case:
    """The case with its picture under an affine map (2, 3); what is bared is grey."""
    shrinks = np.linalg.det(matrix[:, :2]) < 1
    picture = case.picture
    if shrinks:  # warpAffine does not average
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 / np.sqrt(np.linalg.det(matrix[:, :2])))
    picture = cv2.warpAffine(picture, matrix, size_wh, flags=cv2.INTER_LINEAR, borderValue=(128, 128, 128))
    people = [np.column_stack([labels[:, :2] @ matrix[:, :2].T + matrix[:, 2], labels[:, 2]]) for labels in case.people]
    return replace(case, picture=picture, people=people, ignore=[])


def scaled(case: ground_truth.Case, scale: float) -> ground_truth.Case:
    h, w = case.picture.shape[:2]
    shift = (scale - 1) / 2  # pixels' centres
    return moved(case, np.array([[scale, 0, shift], [0, scale, shift]]), (round(w * scale), round(h * scale)))


def sized(case: ground_truth.Case, pixels: float) -> ground_truth.Case:
    """Scaled so that the first person is so many pixels large."""
    return scaled(case, pixels / ground_truth.size_of(case.people[0]))


def turned(case: ground_truth.Case, degrees: float) -> ground_truth.Case:
    h, w = case.picture.shape[:2]
    side = int(np.hypot(w, h)) if degrees % 90 else max(w, h)
    matrix = cv2.getRotationMatrix2D(((w - 1) / 2, (h - 1) / 2), degrees, 1)
    matrix[:, 2] += (side - w) / 2, (side - h) / 2
    return moved(case, matrix, (side, side))


def mirrored(case: ground_truth.Case) -> ground_truth.Case:
    w = case.picture.shape[1]
    people = []
    for labels in case.people:
        labels = labels[list(COCO.mirrored)]
        people.append(np.column_stack([np.where(labels[:, 2] > 0, w - 1 - labels[:, 0], 0), labels[:, 1:]]))
    return replace(case, picture=np.ascontiguousarray(case.picture[:, ::-1]), people=people, ignore=[])


def wide(case: ground_truth.Case) -> ground_truth.Case:
    """Five times as wide as high."""
    h, w = case.picture.shape[:2]
    return moved(case, np.array([[1, 0, (5 * h - w) / 2], [0, 1, 0.0]]), (5 * h, h))


def noisy(picture: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(SEED).normal(0, 25, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def compressed(picture: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 10])[1], cv2.IMREAD_COLOR)


CONDITIONS: dict[str, Callable[[ground_truth.Case], ground_truth.Case]] = {
    "as they are": lambda case: case,
    "mirrored": mirrored,
    "person of 200 pixels": lambda case: sized(case, 200),
    "person of 100 pixels": lambda case: sized(case, 100),
    "person of 50 pixels": lambda case: sized(case, 50),
    "twice as large": lambda case: scaled(case, 2),
    "dark (a quarter of the light)": lambda case: replace(case, picture=case.picture // 4),
    "grey": lambda case: replace(case, picture=cv2.cvtColor(case.picture[:, :, 1], cv2.COLOR_GRAY2BGR)),
    "blurred (sigma 4 pixels)": lambda case: replace(case, picture=cv2.GaussianBlur(case.picture, (0, 0), 4)),
    "noise (sigma 25)": lambda case: replace(case, picture=noisy(case.picture)),
    "JPEG quality 10": lambda case: replace(case, picture=compressed(case.picture)),
    "turned by 15°": lambda case: turned(case, 15),
    "turned by 45°": lambda case: turned(case, 45),
    "lying (90°)": lambda case: turned(case, 90),
    "upside down": lambda case: turned(case, 180),
    "in a picture of 5:1": wide,
}


VIEWS = "from the front and from behind"  # of the same instant

# Name in the table: options of PoseEstimator, what to put in a module's place.
CHOICES: dict[str, tuple[dict, tuple]] = {
    "**--accuracy balanced**": ({}, ()),
    "--accuracy fast": ({"accuracy": "fast"}, ()),
    "--accuracy best": ({"accuracy": "best"}, ()),
    "--net_resolution 256x256": ({"net_wh": (256, 256)}, ()),
    "--net_resolution 512x512": ({"net_wh": (512, 512)}, ()),
    "landmarks not refined by heatmaps": ({}, (blazepose, "MIN_PEAK", 2.0)),
    "others in the crop not masked": ({}, (topdown, "overlap", lambda *_: False)),
    "the last pass counts": ({}, (topdown, "is_better", lambda *_: True)),
    "dark pictures and people as they are": ({}, (blazepose, "brighten", lambda picture, *_: picture)),
}


def compare_choices(cases: list[ground_truth.Case], how: dict[str, str]) -> None:
    """All choices picture by picture in turn, so that a machine that slows down slows all alike."""
    estimators = {name: PoseEstimator(**how, **options) for name, (options, _) in CHOICES.items()}
    scores = {name: {group: Score() for group in ground_truth.GROUPS} for name in CHOICES}
    seconds = {name: [] for name in CHOICES}
    for case in cases:
        for name, (_, patch) in CHOICES.items():
            with mock.patch.object(*patch) if patch else contextlib.nullcontext():
                start = time.perf_counter()
                people = estimators[name](case.picture)
                seconds[name].append(time.perf_counter() - start)
            scores[name][case.group].add(people, case)
    usual, rows = next(iter(seconds.values())), {}
    for name, groups in scores.items():
        cells = [f"{score.row()[1]} {score.row()[2]}" for score in groups.values()]
        ratio = statistics.median(a / b for a, b in zip(seconds[name], usual, strict=True))
        extra = sum(score.extra for score in groups.values())
        rows[name] = [*cells, str(extra), f"{1000 * statistics.median(seconds[name]):.0f} ms", f"{ratio:.2f}"]
    head = [f"{group}: PCK@0.1 @0.05" for group in ground_truth.GROUPS]
    table("choice", [*head, "extra people", "a picture", "ratio"], rows)


MEDIAPIPE = """
import sys, cv2, mediapipe, numpy
pose = mediapipe.solutions.pose.Pose(static_image_mode=True)
for name in sys.argv[1:]:
    picture = cv2.imread(name)
    found = pose.process(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).pose_landmarks
    h, w = picture.shape[:2]
    rows = [(p.x * w - 0.5, p.y * h - 0.5, p.visibility) for p in found.landmark] if found else numpy.zeros((0, 3))
    numpy.save(name, numpy.array(rows))
"""


def report_mediapipe(python: str, cases: list[ground_truth.Case]) -> None:
    """MediaPipe Pose (full), which finds one person, on the same pictures."""
    scores = {group: Score() for group in ground_truth.GROUPS}
    with tempfile.TemporaryDirectory() as folder:
        names = [f"{folder}/{number}.png" for number in range(len(cases))]
        for name, case in zip(names, cases, strict=True):
            cv2.imwrite(name, case.picture)
        subprocess.run([python, "-c", MEDIAPIPE, *names], check=True, stderr=subprocess.DEVNULL)
        for name, case in zip(names, cases, strict=True):
            rows = np.load(f"{name}.npy")
            people = [coco_pose(rows[:, :2], rows[:, 2], rows[:, 3:])] if len(rows) else []
            scores[case.group].add(np.array(people, np.float32).reshape(-1, len(LANDMARK_OF), 3), case)
    table("MediaPipe Pose (full)", HEAD, {name: score.row() for name, score in scores.items()})


def report_angles(single: list[ground_truth.Case], find: PoseEstimator) -> None:
    """How much the angles of one person in two pictures differ, in space and in the picture."""
    pairs: dict[str, list] = {name: [] for name in ("mirrored", "turned by 45°", "lying (90°)", "upside down", VIEWS)}
    for name in list(pairs)[:-1]:
        for case in single:
            one, other = (find.estimate_3d(each.picture)[0] for each in (case, CONDITIONS[name](case)))
            pairs[name].append((one, other[list(COCO.mirrored)] if name == "mirrored" else other))
    for numbers in ((100, 400), (166, 466), (233, 333), (299, 399)):
        pictures = (read_picture(ground_truth.DATA / f"balance_{number}.jpg") for number in numbers)
        pairs[VIEWS].append([find.estimate_3d(picture)[0] for picture in pictures])
    rows = {}
    for name, both in pairs.items():
        rows[name] = [str(len(both))]
        for columns in (6, 3):
            angles = (joint_angles(np.array(pair)[:, :, :columns], COCO) for pair in both)
            off = np.abs(np.concatenate([one - other for one, other in angles]))
            rows[name] += [f"{value:.0f}°" for value in np.nanpercentile(off, (50, 90))]
    head = ["pairs", "in space: median", "9 of 10 below", "in the picture: median", "9 of 10 below"]
    table("angles of one pose differ by", head, rows)


def report_bones(how: dict[str, str]) -> None:
    """How much the lengths of bones vary through the example clip."""
    estimator = VideoPoseEstimator(**how)
    frames = ground_truth.frames_of("Input/example_video1.mp4", [str(number) for number in range(96)])
    people = np.concatenate([estimator.estimate_3d(frame, int(number) / 30)[0] for number, frame in frames.items()])
    rows = {}
    for start, end in (("Shoulder", "Elbow"), ("Elbow", "Wrist"), ("Hip", "Knee"), ("Knee", "Ankle")):
        cells = []
        for side in "RL":
            a, b = (people[:, COCO.keypoints.index(side + name)] for name in (start, end))
            found = (a[:, 2] > 0) & (b[:, 2] > 0)
            lengths = np.linalg.norm((a - b)[found, WORLD], axis=1)
            cells += [f"{100 * lengths.mean():.0f} cm", f"{100 * lengths.std() / lengths.mean():.1f} %"]
        rows[f"{start.lower()} to {end.lower()}"] = cells
    table("bones in the example clip", ["right: mean", "deviation", "left: mean", "deviation"], rows)


def report_scores(scores: dict[str, Score]) -> None:
    """How right keypoints of each score are."""
    off = np.concatenate([part for score in scores.values() for part in score.errors])
    how_sure = np.concatenate([part for score in scores.values() for part in score.scores])
    rows = {}
    for low in range(1, 8):
        inside = (how_sure >= low / 10) & ((how_sure < (low + 1) / 10) | (low == 7))
        within = [f"{(off[inside] < limit).mean():.2f}" for limit in (0.1, 0.05)]
        rows[f"{low / 10} to {(low + 1) / 10}" if low < 7 else "0.7 and more"] = [str(inside.sum()), *within]
    table("keypoint's score", ["keypoints", "within 0.1", "within 0.05"], rows)


def report_difference(cases: list[ground_truth.Case], find: PoseEstimator) -> None:
    """How far keypoints are from those that OpenCV computes on the CPU, in sizes of the person."""
    usual, off, lost = PoseEstimator(network="blazepose", engine="opencv"), [], 0
    for case in cases:
        left = list(find(case.picture))
        for person in usual(case.picture):
            distances = [np.linalg.norm(other[:, :2] - person[:, :2], axis=1) for other in left]
            both = [(person[:, 2] > 0) & (other[:, 2] > 0) for other in left]
            means = [d[b].mean() if b.any() else np.inf for d, b in zip(distances, both, strict=True)]
            if not means or min(means) > poses.size(person):
                lost += 1
                continue
            at = int(np.argmin(means))
            off.append(distances[at][both[at]] / poses.size(person))
            left.pop(at)
    off = np.concatenate(off)
    print(
        f"\nAgainst OpenCV on the CPU: {(off < 0.005).mean():.3f} of {len(off)} keypoints are within 0.5 % of the "
        f"person's size, median {np.median(off):.5f}, 99th percentile {np.percentile(off, 99):.4f}; {lost} people "
        "are found by OpenCV alone."
    )


def report_labellers() -> None:
    """How far two people who label the same pictures are from each other."""
    pairs = ground_truth.second_pass()
    off = [ground_truth.distances(b, a)[(a[:, 2] == ground_truth.SEEN) & (b[:, 2] > 0)] for a, b in pairs]
    off = np.concatenate(off)
    print(
        f"\nTwo labellers differ by {np.median(off):.4f} of the person's size in the median ({len(off)} keypoints); "
        f"{(off < 0.05).mean():.3f} of the keypoints by less than 0.05."
    )


def coco_labels(cases: list[ground_truth.Case]) -> dict:
    """COCO's annotations of the cases, whose image ids are 1, 2, 3 …"""
    images, annotations = [], []
    for image_id, case in enumerate(cases, 1):
        h, w = case.picture.shape[:2]
        images.append({"id": image_id, "width": w, "height": h})
        annotations += [annotation(image_id, labels[COCO_ORDER]) for labels in case.people]
        for x0, y0, x1, y1 in case.ignore:
            nobody = annotation(image_id, np.zeros((len(COCO_ORDER), 3)), (x0, y0, x1 - x0, y1 - y0))
            annotations.append(nobody | {"iscrowd": 1})
    person = {"id": 1, "name": "person", "keypoints": COCO_KEYPOINTS}
    annotations = [entry | {"id": number} for number, entry in enumerate(annotations, 1)]
    return {"images": images, "annotations": annotations, "categories": [person]}


def annotation(image_id: int, labels: np.ndarray, box: tuple | None = None) -> dict:
    """Labels (17, 3) in COCO's order: x, y, and 2 seen, 1 hidden, 0 not labelled."""
    xy = labels[labels[:, 2] > 0, :2]
    x, y, w, h = box or (*xy.min(axis=0).tolist(), *np.ptp(xy, axis=0).tolist())
    keypoints = {"num_keypoints": len(xy), "keypoints": labels.ravel().tolist()}
    area = {"bbox": [x, y, w, h], "area": AREA_OF_BOX * w * h}
    return {"image_id": image_id, "category_id": 1, "iscrowd": 0} | area | keypoints


def coco_ap(cases: list[ground_truth.Case], find: Callable[[ground_truth.Case], np.ndarray]) -> np.ndarray:
    """COCO's ten numbers for the people that `find` gives, through the file that --write_coco_json writes."""
    from pycocotools.coco import COCO as Labels
    from pycocotools.cocoeval import COCOeval

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(None):
        labels, results = Path(folder, "labels.json"), Path(folder, "results.json")
        labels.write_text(json.dumps(coco_labels(cases)))
        with table_writer([results], COCO) as add:
            for image_id, case in enumerate(cases, 1):
                add(f"{image_id:012}.png", 0, 0, find(case))
        truth = Labels(str(labels))
        evaluation = COCOeval(truth, truth.loadRes(str(results)), "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


def report_coco(cases: list[ground_truth.Case], find: PoseEstimator) -> None:
    """Also on the pictures in which nobody is."""
    nobody = sorted(ground_truth.DATA.glob("nobody_*"))
    cases = cases + [ground_truth.Case(path.name, "nobody", read_picture(path), [], []) for path in nobody]
    stats = coco_ap(cases, lambda case: find(case.picture))
    names = "AP AP50 AP75 APM APL AR AR50 AR75 ARM ARL".split()
    numbers = ", ".join(f"{name} {100 * value:.1f}" for name, value in zip(names, stats, strict=True))
    print(f"\n{len(cases)} pictures, {sum(len(case.people) for case in cases)} people: {numbers}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--choices", action="store_true", help="also the table of other settings")
    parser.add_argument("--coco", action="store_true", help="also COCO's AP, by pycocotools")
    parser.add_argument("--mediapipe", metavar="PYTHON", help="a Python that has mediapipe, to compare with")
    args = parser.parse_args()
    how = {"network": "blazepose", "engine": args.engine, "device": args.device, "precision": args.precision}
    cases, find = list(ground_truth.cases()), PoseEstimator(**how)
    print(find.description)
    scores = {group: measure([case for case in cases if case.group == group], find) for group in ground_truth.GROUPS}
    table("labelled pictures", HEAD, {name: score.row() for name, score in scores.items()})
    report_difference(cases, find)
    single = [case for case in cases if case.group == "one person"]
    single = [case for number, case in enumerate(single) if not case.name.startswith("walk ") or number % 5 == 0]
    rows = {name: measure([change(case) for case in single], find).row() for name, change in CONDITIONS.items()}
    table(f"one person, {len(single)} pictures", HEAD, rows)
    report_angles(single, find)
    report_bones(how)
    report_scores(scores)
    nobody = sorted(ground_truth.DATA.glob("nobody_*"))
    table("pictures of nobody", ["people found"], {path.stem: [str(len(find(read_picture(path))))] for path in nobody})
    report_labellers()
    if args.coco:
        report_coco(cases, find)
    if args.mediapipe:
        report_mediapipe(args.mediapipe, cases)
    if args.choices:
        compare_choices(cases, how)


if __name__ == "__main__":
    main()
