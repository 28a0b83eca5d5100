import inspect
from pathlib import Path

import pytest

import get_hpe_video
from pose import PoseEstimator, options
from pose.choices import PACKAGE


@pytest.fixture
def parser():
    parser = options.Parser("A test.", "")
    parser.add_inputs("--image_file", "PHOTO", Path("photo.jpg"), "photos")
    return parser


def test_defaults(parser):
    args = parser.parse([])
    assert (args.mode, args.device, args.network, args.net_resolution, args.stages) == ("COCO", "cpu", "auto", None, 6)
    assert (args.engine, args.precision, args.accuracy) == ("auto", "auto", "balanced")
    assert (args.number_people_max, args.threshold, args.background) == (-1, 0.1, "photo")
    assert (args.model_folder.resolve(), args.output_dir.resolve()) == (PACKAGE, options.PROJECT / "Output")
    assert not (args.write_json or args.no_display or args.quiet)
    assert args.inputs == ["photo.jpg"]
    librarys = {name: given.default for name, given in inspect.signature(PoseEstimator).parameters.items()}
    assert options.estimator_options(args) == librarys | {"model_folder": args.model_folder}


def test_where_pip_installed_it_there_are_no_examples(parser, monkeypatch, capsys):
    monkeypatch.setattr(options, "PROJECT", Path())
    assert parser.parse(["a.jpg"]).inputs == ["a.jpg"]
    with pytest.raises(SystemExit):
        parser.parse([])
    assert "name a PHOTO; the examples are in the project's repository" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        ("--mode mpi", "mode", "MPI"),
        ("--device CPU", "device", "cpu"),
        ("--network BlazePose", "network", "blazepose"),
        ("--number_people_max 1", "number_people_max", 1),
        ("--threshold 0", "threshold", 0),
        ("--threshold 1", "threshold", 1),
        ("--net_resolution 368x368", "net_resolution", (368, 368)),
        ("--net_resolution 16x4096", "net_resolution", (16, 4096)),
        ("--write_table T.CSV", "write_table", Path("T.CSV")),
        ("--net_resolution=320X-1", "net_resolution", (320, -1)),
        ("--net_resolution -1x256 --mode MPI", "net_resolution", (-1, 256)),
        ("a.jpg --quiet --image_file b.jpg c.jpg", "inputs", ["a.jpg", "b.jpg", "c.jpg"]),
    ],
)
def test_how_options_may_be_written(parser, words, name, value):
    assert getattr(parser.parse(words.split()), name) == value


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        *((words, False) for words in ("--quiet", "--no_display", "--recursive", "--workers 2", "--write_table a.csv")),
        *((words, True) for words in ("--mode MPI", "--threshold 0.2", "--style classic", "--write_json")),
    ],
)
def test_which_options_change_results(parser, words, changes):
    plain, other = (options.result_settings(parser.parse(given), "network", []) for given in ([], words.split()))
    assert (plain != other) == changes


def test_results_depend_on_the_network_and_the_version_and_not_on_a_hint(parser, monkeypatch):
    first, hinted, other = (
        options.result_settings(parser.parse([]), text, []) for text in ("OpenCV 4", "OpenCV 4\nHint: pip", "OpenCV 5")
    )
    assert first == hinted != other
    monkeypatch.setattr(options, "__version__", "9")
    assert options.result_settings(parser.parse([]), "OpenCV 4", []) != first


def test_paths_on_the_screen_are_short_but_for_those_of_a_cluster(parser):
    path = Path.cwd() / "out" / "a.jpg"
    assert options.show_results(parser.parse([]), [path, "s3://b/a.jpg"]) == [str(Path("out/a.jpg")), "s3://b/a.jpg"]
    assert options.show_results(parser.parse(["--cluster", "tcp://a:1"]), [path]) == [str(path)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--mode BODY_25", "COCO"),
        ("--device tpu", "gpu"),
        ("--network vgg", "blazepose"),
        ("--net_resolution 368", "such as 368x368"),
        ("--net_resolution axb", "such as 368x368"),
        ("--net_resolution=-1x-1", "one may be -1"),
        ("--net_resolution 5x368", "from 16 to 4096"),
        ("--net_resolution 99999x368", "from 16 to 4096"),
        ("--threshold 1.5", "0 to 1"),
        ("--threshold -0.1", "0 to 1"),
        ("--threshold nan", "0 to 1"),
        ("--threshold low", "0 to 1"),
        ("--number_people_max 0", "-1 or a whole number from 1"),
        ("--number_people_max 1.5", "-1 or a whole number from 1"),
        ("--stages 7", "6"),
        ("--background green", "white"),
        ("--frame_step 0", "whole number from 1"),
        ("--max_pixels 99999999999999999999", "from 1 to 2147483647"),
        ("--frame_first 9 --frame_last 3", "frame_last"),
        ("--frame_rotate 45", "270"),
        ("--codec divx", "h264"),
        ("--network_step 0", "--network_step"),
        ("--no_track --network_step 2", "--no_track"),
        ("--thresh 0.1", "--thresh"),
    ],
)
def test_a_mistyped_option_is_one_line_and_2(words, message, capsys):
    with pytest.raises(SystemExit) as stop:
        get_hpe_video.parse(words.split())
    out, err = capsys.readouterr()
    assert (stop.value.code, out, err.count("\n")) == (2, "", 1)
    assert message in err and "--help" in err
