"""What get_hpe_image.py does with each photo: read, infer, draw, write."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from . import PoseError, PoseEstimator, draw_heatmaps, draw_keypoints, draw_skeleton
from .draw import on_background
from .jobs import Outcome
from .labels import load_font
from .media import storage
from .media.photos import read_picture
from .media.report import Stopwatch, counted, file_report
from .media.results import has_comment, people_to_json, save_picture, save_text, settings_tag
from .options import BACKGROUNDS, drawing_options, estimator_options, result_settings, show_results


class Photos:
    """Call it with a photo's name and the stem of its results' names. args: of the command line."""

    stop = None  # Ctrl-C may interrupt at any moment, as files are written whole or not at all

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.drawing = ThreadPoolExecutor(1)
        self.drawing.submit(load_font)  # while the networks are loaded
        self.estimator = PoseEstimator(**estimator_options(args))
        maps_of = ["all", "fields", *self.estimator.heatmap_network.skeleton.keypoints]
        if args.heatmaps not in (None, *maps_of):
            raise PoseError(f"Heatmaps are of {', '.join(maps_of)}, not of {args.heatmaps}", "heatmaps")
        self.description = self.estimator.description

    def __call__(self, name: str, stem: str) -> Outcome:
        """Writes the results; the first and the last have a settings tag, which shows that all are of one run."""
        args, names = self.args, self.result_names(stem)
        tag = settings_tag(result_settings(args, self.description, [name]))
        results = [storage.join(args.output_dir, result) for result in names.values()]
        if (
            args.skip_existing
            and all(map(storage.exists, results))
            and all(has_comment(path, tag) for path in (results[0], results[-1]))
        ):
            json = storage.read_text(results[1]) if args.write_json else ""
            return Outcome(name, f"{name} is complete, skipped.", people_json=json, skipped=True)
        clock = Stopwatch()
        with storage.local_copies(name, args.output_dir, names["Skeleton"]) as (source, folder):
            picture = read_picture(Path(source))
            with clock("inference"):
                people = self.estimator.estimate_3d(picture)
            drawings = self.draw(picture, people)
            json = people_to_json(people) if args.write_json or args.write_table or args.write_coco_json else ""
            for kind, result in names.items():
                if kind == "JSON":
                    save_text(folder / result, json)
                else:
                    save_picture(folder / result, drawings[kind].result(), tag)
        report = summary(name, picture, people, clock, show_results(args, results))
        pictures = {kind: drawing.result() for kind, drawing in drawings.items()}
        return Outcome(name, report, people_json=json, pictures=pictures)

    def result_names(self, stem: str) -> dict[str, str]:
        """Each result's path in the output folder, in the order in which they are written."""
        args, path = self.args, f"Image{self.args.mode}/{stem}"
        names = {"Keypoints": f"{path}-Keypoints-{args.mode}.jpg"}
        names |= {"JSON": f"{path}_keypoints.json"} if args.write_json else {}
        names |= {"Heatmaps": f"{path}-Heatmaps-{args.mode}.jpg"} if args.heatmaps else {}
        return names | {"Skeleton": f"{path}-Skeleton-{args.mode}.jpg"}

    def draw(self, picture: np.ndarray, people: np.ndarray) -> dict[str, Future[np.ndarray]]:
        """The pictures of result_names, drawn one after the other, the last one on the picture itself."""
        args, skeleton, submit = self.args, self.estimator.skeleton, self.drawing.submit
        canvas = on_background(picture, BACKGROUNDS[args.background])
        shown = {"face": not args.no_face, "show_scores": args.show_scores}
        drawings = {"Keypoints": submit(draw_keypoints, canvas, people, skeleton, **shown)}
        if args.heatmaps:
            network = self.estimator.heatmap_network
            drawings["Heatmaps"] = submit(draw_heatmaps, picture, network(picture), network.skeleton, args.heatmaps)
        options = drawing_options(args) | {"copy": False}
        return drawings | {"Skeleton": submit(draw_skeleton, canvas, people, skeleton, **options)}


def summary(name: str, picture: np.ndarray, people: np.ndarray, clock: Stopwatch, written: Iterable[str]) -> str:
    h, w = picture.shape[:2]
    keypoints = int((people[:, :, 2] > 0).sum())
    found = f"{counted(len(people), 'person', 'people')}, {counted(keypoints, 'keypoint')}"
    return file_report(f"{name}, {w}x{h}", found, clock, written)
