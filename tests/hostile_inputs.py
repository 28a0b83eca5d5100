"""What hostile.py runs the commands on: small generators, by kind, that make odd inputs from the examples.

Each takes a Chance and an empty folder, which is the present one of the run, and gives a Case.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import random
import shutil
import socket
import string
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from PIL import Image

PROJECT = Path(__file__).resolve().parent.parent
IMAGE, VIDEO = PROJECT / "get_hpe_image.py", PROJECT / "get_hpe_video.py"
BATCH = 8  # photos in one run
SMALL = "--net_resolution=96x96"  # where the networks do not matter, for more runs


class Chance(random.Random):
    """Random numbers of one run; `number` counts the runs of its maker."""

    number = 0


@dataclass
class Case:
    """A run of a command. words: its options and inputs; codes: the exit codes that are right.

    shell: what bash does before, such as closing a stream; during: something that happens while the process runs.
    """

    words: list[Any]
    script: Path = IMAGE
    inputs: int = 1
    codes: tuple[int, ...] = (0, 1)
    env: dict[str, str] = field(default_factory=dict)
    python: list[Any] = field(default_factory=lambda: [sys.executable])
    shell: str = ""
    is_unprivileged: bool = False
    during: Callable[[subprocess.Popen], None] | None = None
    output: str = "Output"
    placed: Path | None = None  # where a result may go, made before, and empty


@functools.cache
def person() -> np.ndarray:
    """A person in a small picture (H, W, 3)."""
    picture = cv2.imread(str(PROJECT / "Input" / "example_image1.png"))
    return cv2.resize(picture, (160, 160), interpolation=cv2.INTER_AREA)


@functools.cache
def frames() -> list[np.ndarray]:
    """Five frames (64, 128, 3) of the example clip."""
    with av.open(str(PROJECT / "Input" / "example_video1.mp4")) as clip:
        pictures = [frame.to_ndarray(format="bgr24") for frame, _ in zip(clip.decode(video=0), range(5), strict=False)]
    return [cv2.resize(picture, (128, 64)) for picture in pictures]


def in_form(suffix: str, picture: np.ndarray) -> bytes:
    return cv2.imencode(suffix, picture)[1].tobytes()


@functools.cache
def photo(suffix: str = ".png") -> bytes:
    return in_form(suffix, person())


PHOTO_SUFFIXES = (".jpg", ".png", ".webp", ".bmp", ".tif")
CLIPS = [  # suffix, codec, sound
    words.split()
    for words in (".mp4 libx264 aac", ".mkv libx264 libopus", ".mov mjpeg aac", ".avi mpeg4 libmp3lame", ".gif gif",
                  ".webm libvpx-vp9 libopus", ".ts libx264 aac", ".mpg mpeg2video mp2")
]  # fmt: skip


def encode(
    path: Any, pictures: list, codec: str, sound: str = "", times: list | None = None, fps: Any = 25, silent: int = 0
) -> None:
    """A clip of pictures (H, W, 3), at times in seconds, with a little silence in the codec `sound`.

    silent: so many streams more in which nothing is.
    """
    with av.open(str(path), "w") as clip:
        tick = Fraction(1, 100 if codec == "gif" else 25 if "mpeg" in codec else 12000)
        if pictures:
            stream = clip.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
            stream.height, stream.width = pictures[0].shape[:2]
            stream.pix_fmt = stream.codec_context.codec.video_formats[0].name
            stream.codec_context.time_base = tick
        tone = clip.add_stream(sound, rate=48000, layout="mono") if sound else None
        for _ in range(silent):
            clip.add_stream("pcm_s16le", rate=8000, layout="mono")
        for n, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "bgr24")
            frame.pts, frame.time_base = round((times[n] if times else n / fps) / tick), tick
            clip.mux(stream.encode(frame))
        clip.mux(stream.encode(None) if pictures else [])
        if tone:
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 9600), np.int16), "s16", "mono")
            samples.sample_rate, samples.pts = 48000, 0
            clip.mux(tone.encode(samples) + tone.encode(None))


@functools.cache
def clip(suffix: str = ".mp4", codec: str = "libx264", sound: str = "") -> bytes:
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        encode(path := Path(folder, f"c{suffix}"), frames() if codec else [], codec, sound)
        return path.read_bytes()


def photos(folder: Path, made: list[tuple[str, bytes]], **changes: Any) -> Case:
    """One run on photos, each of a suffix and bytes."""
    for n, (suffix, data) in enumerate(made):
        (folder / f"p{n}{suffix}").write_bytes(data)
    names = [f"p{n}{suffix}" for n, (suffix, _) in enumerate(made)]
    return Case([SMALL, *names], inputs=len(made), **changes)


def one_clip(folder: Path, name: str, data: bytes | None, *options: Any) -> Case:
    if data is not None:
        (folder / name).write_bytes(data)
    return Case([SMALL, *options, name], VIDEO)


def small_job(chance: Chance, folder: Path, **changes: Any) -> Case:
    """A good photo or clip."""
    (folder / "a.png").write_bytes(photo())
    (folder / "a.mp4").write_bytes(clip(*CLIPS[0]))
    is_photo = chance.random() < 0.5
    return Case(["a.png", "--write_json"] if is_photo else ["a.mp4", "--write_plot"], IMAGE if is_photo else VIDEO,
                **changes)  # fmt: skip


def cut(chance: Chance, data: bytes) -> bytes:
    """Cut where structures begin: markers of JPEG, chunks of PNG, boxes of MP4, elements of others; or anywhere."""
    names = b"\xff IHDR IDAT IEND moov mdat trak stbl stco \x1a\x45 VP8 II*".split()
    borders = [at for name in names for at in range(len(data)) if data.startswith(name, at)] or [len(data) // 2]
    at = chance.choice(borders) if chance.random() < 0.7 else chance.randrange(len(data))
    return data[: max(0, at + chance.randint(-2, 9))]


def flipped(chance: Chance, data: bytes) -> bytes:
    """Some bytes changed, most often in the headers; sometimes a piece doubled or taken out."""
    changed, end = bytearray(data), min(len(data), chance.choice([64, 700, len(data)]))
    for _ in range(chance.choice([1, 3, 20, 200])):
        changed[chance.randrange(end)] = chance.choice([0, 1, 127, 128, 255, chance.randrange(256)])
    if chance.random() < 0.3:
        a, b = sorted(chance.randrange(len(changed)) for _ in range(2))
        changed[a:b] = changed[a:b] * 2 if chance.random() < 0.5 else b""
    return bytes(changed)


# Photos.


def damaged_photos(chance: Chance, folder: Path) -> Case:
    suffixes = chance.choices(PHOTO_SUFFIXES, k=BATCH)
    return photos(folder, [(suffix, chance.choice([cut, flipped])(chance, photo(suffix))) for suffix in suffixes])


def png(w: int, h: int, data: bytes = b"", depth: int = 8, colour: int = 2) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@functools.cache
def bomb() -> bytes:
    """A black picture of one bit a pixel: small as a file, large in memory."""
    row, packer = bytes(1 + 30_000 // 8), zlib.compressobj(9)
    return png(30_000, 30_000, b"".join([packer.compress(row * 30_000), packer.flush()]), depth=1, colour=0)


def absurd_sizes(chance: Chance, folder: Path) -> Case:
    """Sizes that no picture has, in headers without the pixels, and true pictures of odd sizes."""
    w, h = chance.choices([0, 1, 2, 3, 7, 65_535, 1 << 20, (1 << 31) - 1, (1 << 32) - 1], k=2)
    header = struct.pack("<IIIIIIHHIIiiII", 99, 0, 54, 40, w, h, 1, 24, *[0] * 6)
    jpeg, at = bytearray(photo(".jpg")), photo(".jpg").index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", h & 0xFFFF, w & 0xFFFF)
    made = [(".png", png(w, h, zlib.compress(bytes(1000)))), (".bmp", b"BM" + header), (".jpg", bytes(jpeg))]
    for size_wh in [(1, chance.randint(1, 3)), (chance.randint(1, 20), chance.randint(1, 3000))]:
        made.append((".png", in_form(".png", cv2.resize(person(), size_wh))))
    w, h = chance.choice([(17_000, 64), (64, 17_000), (70_000, 4), (3, 66_000), (40_000, 1)])  # too long for a JPEG
    made.append((".png", chance.choice([bomb(), in_form(".png", np.full((h, w, 3), 90, np.uint8))])))
    return photos(folder, made)


def rare_kinds(chance: Chance, folder: Path) -> Case:
    """Pictures that are whole, of rare kinds: all are read, or said to be none."""
    picture, exif = Image.fromarray(person()[:, :, ::-1]), Image.Exif()
    exif[0x0112] = chance.randint(0, 9)
    half = picture.copy()
    half.putalpha(Image.linear_gradient("L").resize(picture.size))
    several: dict[str, Any] = {"save_all": True, "append_images": [picture.convert("1").convert("RGB")]}
    by_pillow = [(".jpg", picture, {"exif": exif, "progressive": True}), (".png", half, {"exif": exif})]
    by_pillow += [(suffix, half if suffix == ".webp" else picture, several) for suffix in (".png", ".webp", ".tif")]
    by_pillow += [(".png", picture.convert("P"), {"transparency": 3}), (".png", half.convert("LA"), {})]
    by_pillow += [(".jpg", picture.convert("L"), {"exif": chance.randbytes(30)}), (".png", picture.convert("1"), {})]
    by_pillow += [
        (suffix, picture.convert(mode), {}) for suffix, mode in ((".jpg", "CMYK"), (".tif", "CMYK"), (".tif", "F"))
    ]
    for n, (suffix, one, options) in enumerate(by_pillow):
        one.save(folder / f"r{n}{suffix}", **options)
    sixteen, floats = person().astype(np.uint16) * 257, person().astype(np.float32) / 255
    for n, pixels in enumerate([sixteen, floats, floats * np.float32("nan")]):
        cv2.imwrite(str(folder / f"o{n}.tiff"), cv2.cvtColor(pixels, cv2.COLOR_BGR2BGRA) if n != 1 else pixels)
    (folder / "o.png").write_bytes(in_form(".png", sixteen))
    names = chance.sample(sorted(path.name for path in folder.iterdir()), BATCH)
    return Case([SMALL, *names], inputs=BATCH)


NO_PHOTOS = [
    b"", b"\0", bytes(10_000), b"Dear diary", b"<!DOCTYPE html>", b"GIF89a", b"\xff\xd8", b"#?RADIANCE\n",
    b"%PDF-1.7\n", b"P6 9 9 255\n", b"P6 60000 60000 255\n", b"v/1\x01" + bytes(99), b"RIFF\x24\0\0\0WEBPVP8 ",
    b"PK\x03\x04" + bytes(99),
]  # fmt: skip


def no_photos(chance: Chance, folder: Path) -> Case:
    """Files whose suffix is wrong, or which are no pictures."""
    contents = [*map(photo, PHOTO_SUFFIXES), *NO_PHOTOS, clip(), clip(".gif", "gif"), chance.randbytes(3000)]
    return photos(folder, [(chance.choice(PHOTO_SUFFIXES), data) for data in chance.sample(contents, BATCH)])


# Clips.


def damaged_clip(chance: Chance, folder: Path) -> Case:
    suffix, *codecs = chance.choice(CLIPS)
    data = chance.choice([cut, flipped])(chance, clip(suffix, *codecs))
    return one_clip(folder, f"c{suffix}", data, "--codec", chance.choice(["h264", "mp4v", "mjpg", "gif"]))


def odd_sizes(chance: Chance, folder: Path) -> Case:
    w, h = chance.choice([(1, 1), (2, 2), (3, 5), (17, 1), (2000, 2), (2, 2000), (16, 4000), (33, 21), (5000, 16)])
    codec = chance.choice(["h264", "mp4v", "vp9", "av1", "mjpg", "gif"])
    encode(folder / "c.mov", [cv2.resize(frame, (w, h)) for frame in frames()[:3]], "png")
    return one_clip(folder, "c.mov", None, "--codec", codec, "--write_json")


def odd_times(chance: Chance, folder: Path) -> Case:
    """Times that jump ahead, back or by nothing, and rates from a frame a day to thousands a second."""
    times = list(itertools.accumulate(chance.choices([0.001, 0.04, 1, 11, 3600, 86_400], k=4), initial=0))
    suffix = chance.choice([".mkv", ".mp4", ".ts"])
    encode(folder / f"c{suffix}", frames(), "libx264", "aac", times, chance.choice([1, 25, 1000, 30_000]))
    return one_clip(folder, f"c{suffix}", None, *chance.choice([[], ["--codec", "gif"], ["--write_plot"]]))


def changing_pictures(chance: Chance, folder: Path) -> Case:
    """The size, and so the form of the pixels, changes within the clip, and its clock begins anew."""
    parts = []
    for size_wh in chance.choices([(128, 64), (64, 128), (32, 32), (30, 50)], k=3):
        encode(folder / "part.ts", [cv2.resize(frame, size_wh) for frame in frames()], "libx264", "aac")
        parts.append((folder / "part.ts").read_bytes())
    return one_clip(folder, "c.ts", b"".join(parts), "--write_json")


NO_CLIPS = [
    b"ffconcat version 1.0\nfile other.mp4\n", b"#EXTM3U\n#EXTINF:1,\nother.mp4\n", b"[playlist]\nFile1=other.mp4",
    b"v=0\nm=video 5004 RTP/AVP 96\n", b"1\n00:00:00,000 --> 00:00:09,000\nHello\n", b"<?xml version='1.0'?><MPD/>",
    b";FFMETADATA1\n", b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n", b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n",
    b"", bytes(9999),
]  # fmt: skip


def no_clips(chance: Chance, folder: Path) -> Case:
    """What opens as no clip, or is one in a way: sound alone, pictures, playlists, other formats of FFmpeg's."""
    (folder / "other.mp4").write_bytes(clip())
    contents = [*NO_CLIPS, photo(), photo(".jpg"), chance.randbytes(5000), clip(".mp4", "", "aac"), bomb()]
    name = chance.choice(["c.mp4", "c.m3u8", "c.mkv", "c.sdp", "c.txt", "c.gif", "c.wav", "c.ts", "c"])
    return one_clip(folder, name, chance.choice(contents))


def many_streams(chance: Chance, folder: Path) -> Case:
    encode(folder / "c.mkv", frames(), "mjpeg", silent=chance.choice([3, 100, 900]))
    return one_clip(folder, "c.mkv", None)


def numbered(chance: Chance, folder: Path) -> Case:
    """Numbered pictures, some of them damaged, of another size or a folder."""
    for n in range(5):
        data = chance.choice([photo(), photo(), cut(chance, photo()), b"", png(0, 0)])
        (folder / f"f{n:03}.png").write_bytes(data)
    (folder / "f005.png").mkdir()
    return one_clip(folder, chance.choice(["f%03d.png", "f%d.png", "%03d.png", "f%0d.png", "f%03d%03d.png"]), None)


# Names and paths.

ODD_NAMES = [
    *b"100% %d %s a%04d%04d -x --help ... ' \" ~ * [a] ? a:b http: #a concat:a|b file:x 0 -1 {0} $HOME `id`".split(),
    *b"CON a\\b pipe:0 x.tar.gz .hidden A a;b data:,x = a=b ..\\..\\x".split(),
    *(b"x\xff\xfe", b"a\nb", b"a\rb", b"\x1b[31mred", b" ", b" a ", b"\t", b"\x7f", b"q" * 250, b"a" * 200 + b".b"),
    *("ü" * 125).encode().split(), "👩‍🚀".encode(), "\u202eabc".encode(),
]  # fmt: skip


def odd_name(chance: Chance) -> bytes:
    if chance.random() < 0.7:
        return chance.choice(ODD_NAMES)
    return bytes(chance.choice(range(1, 256)) for _ in range(chance.randint(1, 40))).replace(b"/", b"_")


def named_photos(chance: Chance, folder: Path) -> Case:
    """Photos of odd names, as words, in a folder, by a list, on standard input or by a pattern."""
    names = list({odd_name(chance) + b".png" for _ in range(6)})
    (folder / "in").mkdir()
    for name in names:
        (folder / "in" / os.fsdecode(name)).write_bytes(photo())
    (folder / "list.txt").write_bytes(b"\n".join(b"in/../in/" + name for name in names))
    ways = "in|list.txt|-|in/*.png|--recursive .|--recursive list.txt|--write_table t.csv in".split("|")
    words = chance.choice([*map(str.split, ways), [f"in/{os.fsdecode(name)}" for name in names]])
    return Case([SMALL, *words, "--write_json"], inputs=len(names), shell="exec < list.txt")


def named_words(chance: Chance, folder: Path) -> Case:
    """A file of an odd name where one stands, as it would be typed or dropped."""
    name, is_photo = os.fsdecode(odd_name(chance)), chance.random() < 0.5
    suffix, data = (".png", photo()) if is_photo else (".mp4", clip())
    if chance.random() < 0.8:
        with contextlib.suppress(OSError):
            (folder / f"{name}{suffix}").write_bytes(data)
    before = chance.choice([[], ["--"], ["--image_file" if is_photo else "--video_file"]])
    words = [*before, chance.choice([f"{name}{suffix}", f"./{name}{suffix}", name])]
    return Case(words, IMAGE if is_photo else VIDEO, codes=(0, 1, 2))


def named_outputs(chance: Chance, folder: Path) -> Case:
    name = os.fsdecode(odd_name(chance))
    (folder / "a.png").write_bytes(photo())
    words = ["a.png", f"--write_table={name}.csv", f"--write_coco_json=x/{name}.json", f"--output_dir={name}"]
    return Case(words, codes=(0, 1, 2), output=name)


SPECIAL = """/dev/zero /dev/full /dev/null /dev/random /dev/tty /proc/self/mem /proc/self/maps /sys / . .. /dev/fd/0
/dev/stdin loop.png pipe.png socket.png folder.png dangling.png secret.png closed/a.png x/y.png a.png/b.png deep
/proc/1/root""".split()
SPECIAL += ["x" * 300, "x" * 5000]


def special_files(folder: Path) -> None:
    """Everything that a path can stand for; what is named loop, pipe and so on is that."""
    links = "loop.png loop.png dangling.png nowhere round . a2.png b2.png b2.png a2.png loop.txt loop.txt".split()
    for name, target in zip(links[::2], links[1::2], strict=True):
        (folder / name).symlink_to(target)
    for name in ("pipe.png", "pipe.txt"):
        os.mkfifo(folder / name)
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as made:
        descriptor = os.open(folder, os.O_RDONLY)
        made.bind(f"/proc/self/fd/{descriptor}/socket.png")  # a socket's path may have but 108 bytes
        os.close(descriptor)
    for name in ("folder.png", "closed", "deep", "deep/" + "/".join("d" * 60)):
        (folder / name).mkdir(parents=True)
    for name in ("secret.png", "closed/a.png", "a.png"):
        (folder / name).write_bytes(photo())
    for name in ("secret.png", "closed"):
        (folder / name).chmod(0)


def special_inputs(chance: Chance, folder: Path) -> Case:
    special_files(folder)
    case = Case([chance.choice(SPECIAL)], VIDEO, codes=(0, 1, 2), is_unprivileged=True)
    if chance.random() < 0.4:
        case.words = chance.choice([".", "*", "*.png", "--recursive .", "--recursive *", "round/*", "**"]).split()
        case.script = chance.choice([IMAGE, VIDEO])
    elif chance.random() < 0.6:
        case.script, case.inputs, case.words = IMAGE, 4, [*chance.sample(SPECIAL, 3), "a.png"]
        (folder / "list.txt").write_text("\n".join(case.words))
        case.words = chance.choice([["list.txt"], case.words, ["--write_table", "t.csv", *case.words]])
    return case


def special_lists(chance: Chance, folder: Path) -> Case:
    special_files(folder)
    contents = [b"", b"\n\n", b"\0", b"\xff\xfea\0", b"a.png\r\n", b"self.txt\n", b"a.png\n" * 20_000, b"-\n"]
    contents += [b"nowhere.png\n" * 300, chance.randbytes(2000), b"x" * 99_999, b"../../../a.png\n/etc/passwd\n"]
    (folder / "self.txt").write_bytes(chance.choice(contents))
    word = chance.choice(["self.txt", "self.txt", "self.txt", "pipe.txt", "loop.txt", "-", "folder.png/../a.txt"])
    return Case([word], shell=chance.choice(["", "exec < self.txt", "exec < /dev/null", "exec <&-"]))


def special_outputs(chance: Chance, folder: Path) -> Case:
    """Something else stands where results go."""
    special_files(folder)
    case = small_job(chance, folder, is_unprivileged=True)
    base = folder / "Output" / ("ImageCOCO" if case.script == IMAGE else "VideoCOCO")
    names = "a-Skeleton-COCO.jpg a_keypoints.json a_json a_skeleton_COCO.mp4".split()
    place = chance.choice([folder / "Output", base, *(base / name for name in names)])
    place.parent.mkdir(parents=True, exist_ok=True)
    things: list[Callable] = [Path.mkdir, Path.touch, os.mkfifo, lambda path: (path.mkdir(), (path / "x").touch())]
    things += [lambda path, to=to: path.symlink_to(to) for to in ("nowhere", place.name, "/dev/full")]
    chance.choice([*things, lambda path: path.mkdir(0o555)])(place)
    case.words, case.placed = [case.words[0], "--write_json"], place
    return case


def vanishing(chance: Chance, folder: Path) -> Case:
    """Inputs or the folder of results go, become read-only or are cut while the command works."""
    script = chance.choice([IMAGE, VIDEO])
    names = [f"a{n}.png" for n in range(9)] if script == IMAGE else ["a.mkv"]
    for name in names:
        (folder / name).write_bytes(photo())
    if script == VIDEO:
        encode(folder / "a.mkv", frames() * 20, "mjpeg")
    after, results = chance.uniform(0.2, 1.2), folder / "Output"
    what = chance.choice([Path.unlink, lambda path: os.truncate(path, 100), "results", "read-only", "a file"])

    def during(_: subprocess.Popen) -> None:
        time.sleep(after)
        with contextlib.suppress(OSError):
            if callable(what):
                for name in names:
                    what(folder / name)
            elif what == "read-only":
                for path in [results, *results.glob("*")]:
                    path.chmod(0o555)
            else:
                shutil.rmtree(results)
                if what == "a file":
                    results.touch()

    return Case([*names, "--write_json"], script, len(names), during=during, is_unprivileged=True)


# Environment, options, weights, displays.

VARIABLES = """HOME TMPDIR LC_ALL LANG PATH OMP_NUM_THREADS XDG_CACHE_HOME COLUMNS TERM TZ PYTHONIOENCODING PYTHONUTF8
SHELL OPENCV_LOG_LEVEL OPENCV_IO_MAX_IMAGE_PIXELS OPENCV_IO_MAX_IMAGE_WIDTH OPENCV_FOR_THREADS_NUM MPLBACKEND
MPLCONFIGDIR QT_QPA_PLATFORM NO_COLOR LD_LIBRARY_PATH""".split()


def odd_environment(chance: Chance, folder: Path) -> Case:
    odd = ["", "0", "-1", "x", "999999999999", "/nowhere", "/dev/null", "/dev/full", "\udcff", " "]
    ours = {name: chance.choice(odd) for name in chance.sample(VARIABLES, chance.randint(1, 4))}
    if ours.get("PYTHONUTF8", "0") not in "01" or "PYTHONIOENCODING" in ours:  # Python itself ends there
        ours = {"PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    return small_job(chance, folder, env=ours)


def odd_streams(chance: Chance, folder: Path) -> Case:
    streams = ">&-|2>&-|<&-|>/dev/full|2>/dev/full|>&- 2>&- <&-|> >(true)|> >(head -c 1 >/dev/null)|0>/dev/null"
    case = small_job(chance, folder, shell=f"exec {chance.choice(streams.split('|'))}")
    words = ["", "--quiet", "nowhere.png", "--nonsense"]
    if "exec >&-" not in case.shell:  # else argparse shows these on stderr
        words += ["--help", "--version"]
    case.words += filter(None, [chance.choice(words)])
    case.codes = (0, 1, 2, 120, 141)
    return case


def little_of_it(chance: Chance, folder: Path) -> Case:
    """Little memory, handles, room for files, processor time."""
    limits = [f"-v {mb * 1024}" for mb in (60, 150, 300, 400, 500, 600, 800, 1000, 1500, 2500)]
    limits += [*(f"-n {n}" for n in (8, 10, 12, 20, 30)), *(f"-f {n}" for n in (0, 1, 4, 20)), "-s 256", "-s unlimited"]
    return small_job(chance, folder, shell=f"ulimit {chance.choice(limits)}")


def full_disk(chance: Chance, folder: Path) -> Case:
    """Results go to a file system of some kilobytes, in a namespace of its own, which only root can make."""
    if os.geteuid() != 0:
        return little_of_it(chance, folder)
    (folder / "Output").mkdir()
    mount = f'mount -t tmpfs -o size={chance.choice([8, 40, 120, 400])}k none Output && exec "$@"'
    return small_job(chance, folder, python=["unshare", "-m", "bash", "-c", mount, "bash", sys.executable])


CLOCK = "import random, time\nreal = time.time\ntime.time = lambda: real() + random.choice([-1e9, 0, 1e9])\n"


def odd_python(chance: Chance, folder: Path) -> Case:
    """Python's own switches, a read-only project, a present folder that is gone, a clock that jumps."""
    case = small_job(chance, folder)
    way = chance.choice(["switch", "read-only", "gone", "clock", "module", "link"])
    if way == "switch":
        case.python += chance.choice("-I|-O|-OO|-B|-u|-E|-X utf8=0|-W error|-b".split("|")).split()
    elif way == "read-only":
        case.is_unprivileged = True
    elif way == "gone":
        case.words[0] = folder / case.words[0]
        case.shell, case.output = f'mkdir gone && cd gone && rmdir "{folder}/gone"', str(folder / "Output")
    elif way == "clock":
        (folder / "sitecustomize.py").write_text(CLOCK)
        case.env = {"PYTHONPATH": str(folder)}
    elif way == "module":  # files in the present folder that are called as modules
        for name in ("json", "numpy", "cv2", "pose", "random", "av"):
            (folder / f"{name}.py").write_text("raise RuntimeError('never imported')")
    else:
        (folder / "link.py").symlink_to(case.script)
        case.script = folder / "link.py"
    return case


# Values of each option, the right ones and, after a bar, wrong ones or such as nobody gives.
SHARED_OPTIONS = """mode COCO mpi | BODY_25; device cpu | gpu tpu; engine auto opencv onnxruntime | openvino tensorrt
precision auto fp32 | bf16 int8; network auto blazepose | openpose; model_folder . | / a.png nowhere; stages 6 | 1 0 x
net_resolution auto 64x64 -1x96 | 4096x16 16x4096 0x0 9x x -1x-1 1e3x9; accuracy fast balanced best; recursive; quiet
number_people_max -1 1 | 99999999999999999999 0 1.5; threshold 0 1 0.5 | nan -0 1e-9 inf; background photo black white
style modern openpose classic; line_width 1 50 | 33000 99999999999999999999 0; skip_existing; no_face; show_ids
output_dir Output | a.png Output/../Output/x /dev/null /proc/x; max_pixels 1000000 | 1 0 99999999999999999999
workers 1 | 0 x; write_table t.csv | /nowhere/t.csv /dev/full.csv a.png Output/ImageCOCO/t.csv t; no_display
write_json; show_scores"""
PHOTO_OPTIONS = "write_coco_json t.json x/y/t.json | .json a.png/t.json; heatmaps all fields Nose | x"
CLIP_OPTIONS = f"""frame_first 0 3 | 99 {1 << 70}; frame_last -1 4 | 0 2 {1 << 63}; frame_step 1 2 9 | {1 << 70}
frame_rotate 0 90 180 270 | 45; network_step auto 1 3 99 | 0; codec h264 mp4v vp9 av1 mjpg gif | divx; frame_info
no_smooth; no_track; no_audio; resume; reconnect; verbose; write_plot"""


def options_of(*tables: str) -> list[str]:
    return [option.strip() for table in tables for option in table.replace("\n", ";").split(";")]


@functools.cache
def groups(table: str) -> list[list[str]]:
    """The options of a table, six by six, so that each pair of them is in one of the groups."""
    all_options, made = options_of(SHARED_OPTIONS, table), []
    left = set(map(frozenset, itertools.combinations(all_options, 2)))
    while left:
        group = sorted(min(left, key=sorted))
        while len(group) < 6:
            others = sorted(set(all_options).difference(group))
            group.append(max(others, key=lambda one: sum({one, member} in left for member in group)))
        left.difference_update(map(frozenset, itertools.combinations(group, 2)))
        made.append(group)
    return made


def options(chance: Chance, folder: Path) -> Case:
    """Six options at once, at most one of them wrong. After some runs each pair of options has been in one."""
    case = small_job(chance, folder, codes=(0, 1, 2))
    case.script, *case.words, table = [(IMAGE, "a.png", PHOTO_OPTIONS), (VIDEO, "a.mp4", CLIP_OPTIONS)][
        chance.number % 2
    ]
    group = groups(table)[chance.number // 2 % len(groups(table))]
    wrong = chance.choice([*group, *[""] * 6])
    for option in group:
        good, _, bad = option.partition("|")
        name, *values = good.split()
        values = bad.split() if bad and option == wrong else values
        case.words += [f"--{name}={chance.choice(values)}" if values else f"--{name}"]
        case.output = case.words[-1].split("=")[1] if name == "output_dir" else case.output
    return case


def odd_words(chance: Chance, folder: Path) -> Case:
    """Options that nobody meant: halves, twice, without their value, letters at random."""
    names = [option.split()[0] for option in options_of(SHARED_OPTIONS, PHOTO_OPTIONS, CLIP_OPTIONS)]
    words = [*(f"--{name}" for name in names), *"--help --version -h a.png -- - -1 -v".split()]
    case = small_job(chance, folder, shell="exec < /dev/null", codes=(0, 1, 2))
    odd = ["".join(chance.choices(string.printable, k=9)), chance.choice(words)[:-2], "--image_file"]
    case.words = chance.sample(words, chance.randint(1, 3)) + odd[: chance.randint(0, 3)]
    return case


BOX = ("pose/mobilenet/mobilenet_thin.onnx", "pose/blazepose/pose_landmark_full.onnx")


def put_no_network(chance: Chance, path: Path, data: bytes, *more: bytes) -> None:
    """Something else stands where a network of these bytes belongs."""
    bits = bytearray(data)
    for _ in range(chance.choice([1, 5, 500])):
        bits[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    pointer = b"version https://git-lfs.github.com/spec/v1\n"
    contents = [bytes(bits), bytes(bits), data[: chance.randrange(len(data))], b"<html>", b"", pointer, *more]
    path.unlink(missing_ok=True)
    things: list[Callable] = [lambda path: path.write_bytes(chance.choice(contents))] * 12
    things += [Path.mkdir, os.mkfifo, *(lambda path, to=to: path.symlink_to(to) for to in (path.name, "/dev/zero"))]
    chance.choice(things)(path)


def damaged_box(chance: Chance, folder: Path) -> Case:
    """A network of the box, in a copy of the project, is another file: an error says so."""
    case = small_job(chance, folder, codes=(1,))
    skip = shutil.ignore_patterns(".*", "__pycache__", "Output", "tests", "*.caffemodel")
    shutil.copytree(PROJECT, folder / "project", copy_function=os.link, ignore=skip)
    case.script = folder / "project" / case.script.name
    path, other = (folder / "project" / name for name in chance.sample(BOX, 2))
    put_no_network(chance, path, path.read_bytes(), other.read_bytes())
    case.words += ["--engine", chance.choice(["opencv", "opencv", "onnxruntime"])]
    return case


def bad_caffemodel(chance: Chance, folder: Path) -> Case:
    """What is no OpenPose network stands where its weights belong."""
    case = small_job(chance, folder)
    path = folder / "models" / chance.choice(["coco/pose_iter_440000.caffemodel", "mpi/pose_iter_160000.caffemodel"])
    path.parent.mkdir(parents=True)
    starts = [b"\x0a\x00\xa2\x06", b"\xa2\x06" + b"\xff" * 4 + b"\x0f", b"\xa2\x06\x7f" * 999, chance.randbytes(5000)]
    put_no_network(chance, path, (PROJECT / BOX[0]).read_bytes(), *starts, bytes(1 << 20))
    case.words += ["--model_folder", "models", "--mode", path.parent.name]
    return case


def no_display(chance: Chance, folder: Path) -> Case:
    """Displays that are not there, refuse or speak another language; and one that ends while the command works."""
    displays = [{"DISPLAY": name} for name in (":77", "x", "nowhere.invalid:0", "")]
    displays += [{"WAYLAND_DISPLAY": "wayland-9"}, {"DISPLAY": ":77", "QT_QPA_PLATFORM": "vnc:port=x"}]
    case = small_job(chance, folder, env=chance.choice(displays), codes=(0, 130))
    if shutil.which("Xvfb") and chance.random() < 0.5:
        number = f":{chance.randrange(100, 9000)}"
        case.shell = f"Xvfb {number} -nolisten tcp >/dev/null 2>&1 & server=$!; sleep 0.5"
        case.shell += f"; (sleep {chance.uniform(0.5, 3):.1f}; kill $server) >/dev/null 2>&1 &"
        case.env = {"DISPLAY": number}
    return case


KINDS: dict[str, list[Callable[[Chance, Path], Case]]] = {
    "photos": [damaged_photos, absurd_sizes, damaged_photos, rare_kinds, no_photos],
    "clips": [damaged_clip, odd_sizes, odd_times, damaged_clip, changing_pictures, no_clips, many_streams, numbered],
    "names": [named_photos, named_words, named_words, named_outputs],
    "paths": [special_inputs, special_inputs, special_lists, special_outputs, vanishing],
    "environment": [odd_environment, odd_streams, little_of_it, full_disk, odd_python],
    "options": [options, options, odd_words],
    "weights": [damaged_box, bad_caffemodel],
    "displays": [no_display],
}
