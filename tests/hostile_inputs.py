"""What hostile.py runs the commands on: small generators, by kind, that make odd inputs from the examples.

Each takes a random.Random and an empty folder, which is the present one of the run, and gives a Case.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import random
import shutil
import socket
import string
import struct
import subprocess
import sys
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
BATCH = 12  # photos in one run


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


Chance = random.Random


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


@functools.cache
def photo(suffix: str) -> bytes:
    return cv2.imencode(suffix, person())[1].tobytes()


PHOTO_SUFFIXES = (".jpg", ".png", ".webp", ".bmp", ".tif")
CLIP_KINDS = (  # suffix, codec, sound
    (".mp4", "libx264", "aac"),
    (".mkv", "libx264", "libopus"),
    (".mov", "mjpeg", None),
    (".avi", "mpeg4", "libmp3lame"),
    (".webm", "libvpx-vp9", "libopus"),
    (".ts", "libx264", "aac"),
    (".gif", "gif", None),
    (".mpg", "mpeg2video", "mp2"),
)


def encode(path: Any, pictures: list, codec: str, sound: str | None = None, times: list | None = None, fps=25) -> None:
    """A clip of pictures (H, W, 3), at times in seconds, with a little silence in the codec `sound`."""
    with av.open(str(path), "w") as clip:
        stream = clip.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = stream.codec_context.codec.video_formats[0].name
        stream.codec_context.time_base = Fraction(1, 100 if codec == "gif" else 25 if "mpeg" in codec else 12000)
        tone = clip.add_stream(sound, rate=48000, layout="mono") if sound else None
        for n, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "bgr24")
            frame.time_base = stream.codec_context.time_base
            frame.pts = round((times[n] if times else n / fps) / frame.time_base)
            clip.mux(stream.encode(frame))
        clip.mux(stream.encode(None))
        if tone:
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 9600), np.int16), "s16", "mono")
            samples.sample_rate, samples.pts = 48000, 0
            clip.mux(tone.encode(samples))
            clip.mux(tone.encode(None))


@functools.cache
def clip(suffix: str, codec: str, sound: str | None) -> bytes:
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"hostile-{os.getpid()}-{time.monotonic_ns()}{suffix}"
    encode(path, frames(), codec, sound)
    data = path.read_bytes()
    path.unlink()
    return data


def a_clip(chance: Chance) -> tuple[str, bytes]:
    kind = chance.choice(CLIP_KINDS)
    return kind[0], clip(*kind)


def photos(folder: Path, made: list[tuple[str, bytes]]) -> Case:
    """One run on photos, each of a suffix and bytes."""
    for n, (suffix, data) in enumerate(made):
        (folder / f"p{n}{suffix}").write_bytes(data)
    return Case([f"p{n}{suffix}" for n, (suffix, _) in enumerate(made)], inputs=len(made))


def one_clip(folder: Path, name: str, data: bytes | None = None, *options: Any, **changes: Any) -> Case:
    if data is not None:
        (folder / name).write_bytes(data)
    return Case([*options, name], VIDEO, **changes)


# Damage, for photos and clips alike.


def borders(data: bytes) -> list[int]:
    """Where structures begin: markers of JPEG, chunks of PNG, boxes of MP4, elements of others by their alignment."""
    names = [
        b"\xff", b"IHDR", b"IDAT", b"IEND", b"moov", b"mdat", b"trak", b"stbl", b"stco", b"\x1a\x45", b"VP8",
        b"II*",
    ]  # fmt: skip
    found = [at for name in names for at in range(len(data)) if data.startswith(name, at)]
    return found or list(range(0, len(data), 4))


def cut(chance: Chance, data: bytes) -> bytes:
    at = chance.choice(borders(data)) if chance.random() < 0.7 else chance.randrange(len(data))
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
    made = []
    for _ in range(BATCH):
        suffix = chance.choice(PHOTO_SUFFIXES)
        made.append((suffix, chance.choice([cut, flipped])(chance, photo(suffix))))
    return photos(folder, made)


def png(w: int, h: int, data: bytes = b"", depth: int = 8, colour: int = 2) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def bomb(w: int, h: int) -> bytes:
    """A black picture of one bit a pixel: small as a file, large in memory."""
    row, packer = bytes(1 + (w + 7) // 8), zlib.compressobj(9)
    return png(w, h, b"".join([packer.compress(row * h), packer.flush()]), depth=1, colour=0)


@functools.cache
def large_bomb() -> bytes:
    return bomb(30_000, 30_000)


def absurd_sizes(chance: Chance, folder: Path) -> Case:
    """Sizes that no picture has, in headers without the pixels, and true pictures of odd sizes."""
    sides = [0, 1, 2, 3, 7, 65_535, 1 << 20, (1 << 31) - 1, (1 << 32) - 1]
    made = []
    for _ in range(2):
        w, h = chance.choice(sides), chance.choice(sides)
        made.append((".png", png(w, h, zlib.compress(bytes(1000)))))
        made.append(
            (".bmp", b"BM" + struct.pack("<IIIIiiHHIIiiII", 99, 0, 54, 40, *map(low31, (w, h)), 1, 24, *[0] * 6))
        )
        jpeg, at = bytearray(photo(".jpg")), photo(".jpg").index(b"\xff\xc0")
        jpeg[at + 5 : at + 9] = struct.pack(">HH", h & 0xFFFF, w & 0xFFFF)
        made.append((".jpg", bytes(jpeg)))
    for w, h in [(1, chance.randint(1, 3)), (chance.randint(1, 20), chance.randint(1, 3000))]:
        made.append((".png", cv2.imencode(".png", cv2.resize(person(), (w, h)))[1].tobytes()))
    return photos(folder, made)


def low31(n: int) -> int:
    return n & 0x7FFFFFFF


def bombs(chance: Chance, folder: Path) -> Case:
    case = photos(folder, [(".png", large_bomb()), (chance.choice([".png", ".jpg"]), photo(".png"))])
    case.codes = (1,)
    return case


def long_pictures(chance: Chance, folder: Path) -> Case:
    w, h = chance.choice([(17_000, 64), (64, 17_000), (70_000, 4), (3, 66_000), (40_000, 1)])
    return photos(folder, [(".png", cv2.imencode(".png", np.full((h, w, 3), 90, np.uint8))[1].tobytes())])


def as_pillow_saves(picture: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def rare_kinds(chance: Chance, folder: Path) -> Case:
    """Pictures that are whole, of rare kinds: all are read, or said to be none."""
    picture = Image.fromarray(person()[:, :, ::-1])
    exif = Image.Exif()
    exif[0x0112] = chance.randint(0, 9)
    half = picture.copy()
    half.putalpha(Image.linear_gradient("L").resize(picture.size))
    sixteen = person().astype(np.uint16) * 257
    floats = person().astype(np.float32) / 255
    made = [
        (".jpg", as_pillow_saves(picture.convert("CMYK"), "JPEG")),
        (".jpg", as_pillow_saves(picture, "JPEG", exif=exif, progressive=True)),
        (".jpg", as_pillow_saves(picture.convert("L"), "JPEG", exif=bytes(chance.randrange(256) for _ in range(30)))),
        (".png", as_pillow_saves(half, "PNG", exif=exif)),
        (".png", as_pillow_saves(half.convert("LA"), "PNG")),
        (".png", as_pillow_saves(picture.convert("P"), "PNG", transparency=3)),
        (".png", as_pillow_saves(picture.convert("1"), "PNG")),
        (".png", as_pillow_saves(picture, "PNG", save_all=True, append_images=[half.convert("RGB")])),
        (".webp", as_pillow_saves(half, "WEBP", save_all=True, append_images=[half], lossless=True)),
        (".tif", as_pillow_saves(picture.convert("CMYK"), "TIFF")),
        (".tif", as_pillow_saves(picture, "TIFF", save_all=True, append_images=[half.convert("RGB")])),
        (".tif", as_pillow_saves(picture.convert("F"), "TIFF")),
        (".png", cv2.imencode(".png", sixteen)[1].tobytes()),
        (".png", cv2.imencode(".png", cv2.cvtColor(sixteen, cv2.COLOR_BGR2BGRA))[1].tobytes()),
        (".tiff", cv2.imencode(".tiff", floats)[1].tobytes()),
        (".tiff", cv2.imencode(".tiff", cv2.cvtColor(floats * np.float32("nan"), cv2.COLOR_BGR2BGRA))[1].tobytes()),
    ]
    return photos(folder, chance.sample(made, BATCH))


def no_photos(chance: Chance, folder: Path) -> Case:
    """Files whose suffix is wrong, or which are no pictures."""
    contents = [photo(suffix) for suffix in PHOTO_SUFFIXES]
    contents += [b"", b"\0", bytes(10_000), b"Dear diary", b"<!DOCTYPE html>", b"GIF89a", b"\xff\xd8", b"#?RADIANCE\n"]
    contents += [clip(*CLIP_KINDS[0]), clip(*CLIP_KINDS[6]), chance.randbytes(3000), b"P6 9 9 255\n", b"%PDF-1.7\n"]
    contents += [b"P6 60000 60000 255\n", b"v/1\x01" + bytes(99), b"RIFF\x24\0\0\0WEBPVP8 ", b"PK\x03\x04" + bytes(99)]
    return photos(folder, [(chance.choice(PHOTO_SUFFIXES), data) for data in chance.sample(contents, BATCH)])


# Clips.


def damaged_clip(chance: Chance, folder: Path) -> Case:
    suffix, data = a_clip(chance)
    codec = ["--codec", chance.choice(["h264", "mp4v", "mjpg", "gif"])]
    return one_clip(folder, f"c{suffix}", chance.choice([cut, flipped])(chance, data), *codec)


def odd_sizes(chance: Chance, folder: Path) -> Case:
    w, h = chance.choice([(1, 1), (2, 2), (3, 5), (17, 1), (2000, 2), (2, 2000), (16, 4000), (33, 21), (5000, 16)])
    codec = chance.choice(["h264", "mp4v", "vp9", "av1", "mjpg", "gif"])
    encode(folder / "c.mov", [cv2.resize(frame, (w, h)) for frame in frames()[:3]], "png")
    return one_clip(folder, "c.mov", None, "--codec", codec, "--write_json")


def odd_times(chance: Chance, folder: Path) -> Case:
    """Times that jump ahead, back or by nothing, and rates from a frame a day to thousands a second."""
    steps = [chance.choice([0.001, 0.04, 1, 11, 3600, 86_400]) for _ in frames()]
    times = [sum(steps[:n]) for n in range(len(steps))]
    suffix = chance.choice([".mkv", ".mp4", ".ts"])
    encode(folder / f"c{suffix}", frames(), "libx264", "aac", times, fps=chance.choice([1, 25, 1000, 30_000]))
    return one_clip(folder, f"c{suffix}", None, *chance.choice([[], ["--codec", "gif"], ["--write_plot"]]))


def changing_pictures(chance: Chance, folder: Path) -> Case:
    """The size, and so the form of the pixels, changes within the clip."""
    parts = []
    for n in range(3):
        w, h = chance.choice([(128, 64), (64, 128), (32, 32), (30, 50)])
        encode(folder / f"part{n}.ts", [cv2.resize(frame, (w, h)) for frame in frames()], "libx264", "aac")
        parts.append((folder / f"part{n}.ts").read_bytes())
    return one_clip(folder, "c.ts", b"".join(parts), "--write_json")


def no_clips(chance: Chance, folder: Path) -> Case:
    """What opens as no clip, or is one in a way: sound alone, pictures, playlists, other formats of FFmpeg's."""
    (folder / "other.mp4").write_bytes(clip(*CLIP_KINDS[0]))
    texts = [
        "ffconcat version 1.0\nfile other.mp4\n",
        "#EXTM3U\n#EXTINF:1,\nother.mp4\n",
        "[playlist]\nFile1=other.mp4",
    ]
    texts += [
        "v=0\nm=video 5004 RTP/AVP 96\n",
        "1\n00:00:00,000 --> 00:00:09,000\nHello\n",
        "<?xml version='1.0'?><MPD/>",
    ]
    texts += [";FFMETADATA1\n", "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n", "#EXTM3U\n#EXTINF:1,\n/etc/passwd\n"]
    contents: list[bytes] = [text.encode() for text in texts] + [b"", bytes(9999), photo(".png"), photo(".jpg")]
    contents += [chance.randbytes(5000), silence(folder), large_bomb()]
    name = chance.choice(["c.mp4", "c.m3u8", "c.mkv", "c.sdp", "c.txt", "c.gif", "c.wav", "c.ts", "c"])
    return one_clip(folder, name, chance.choice(contents))


def silence(folder: Path) -> bytes:
    with av.open(str(folder / "s.mp4"), "w") as sound:
        stream = sound.add_stream("aac", rate=48000, layout="mono")
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 9600), np.int16), "s16", "mono")
        samples.sample_rate, samples.pts = 48000, 0
        sound.mux(stream.encode(samples))
        sound.mux(stream.encode(None))
    return (folder / "s.mp4").read_bytes()


def many_streams(chance: Chance, folder: Path) -> Case:
    with av.open(str(folder / "c.mkv"), "w") as file:
        stream = file.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuvj420p"
        for _ in range(chance.choice([3, 100, 900])):
            file.add_stream("pcm_s16le", rate=8000, layout="mono")
        for n, picture in enumerate(frames()):
            frame = av.VideoFrame.from_ndarray(picture, "bgr24")
            frame.pts = n
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return one_clip(folder, "c.mkv")


def numbered(chance: Chance, folder: Path) -> Case:
    """Numbered pictures, some of them damaged, of another size or a folder."""
    for n in range(5):
        data = chance.choice([photo(".png"), photo(".png"), cut(chance, photo(".png")), b"", png(0, 0)])
        (folder / f"f{n:03}.png").write_bytes(data)
    (folder / "f005.png").mkdir()
    return one_clip(folder, chance.choice(["f%03d.png", "f%d.png", "%03d.png", "f%0d.png", "f%03d%03d.png"]))


def frame_options(chance: Chance, folder: Path) -> Case:
    suffix, data = a_clip(chance)
    words = []
    for option in ("--frame_first", "--frame_last", "--frame_step", "--network_step"):
        if chance.random() < 0.6:
            words += [option, chance.choice([1, 2, 4, 5, 99, 1 << 31, 1 << 63, 1 << 70])]
    return one_clip(folder, f"c{suffix}", data, *words, "--write_json", codes=(0, 1, 2))


# Names and paths.

ODD_NAMES = [
    b"x\xff\xfe", b"a\nb", b"a\rb", b"\x1b[31mred", b"100%", b"%d", b"%s", b"a%04d%04d", b"-x", b"--help", b"...",
]  # fmt: skip
ODD_NAMES += [
    b"q" * 250, "ü".encode() * 125, b" ", b" a ", b"'", b'"', b"~", b"*", b"[a]", b"?", b"a:b", b"http:", b"#a",
]  # fmt: skip
ODD_NAMES += [
    b"concat:a|b", b"file:x", b"0", b"-1", b"{0}", b"$HOME", b"`id`", b"CON", b"a\\b", "👩‍🚀".encode(),
    "\u202eabc".encode(),
]  # fmt: skip
ODD_NAMES += [
    b"pipe:0", b"a" * 200 + b".b", b"x.tar.gz", b".hidden", b"A", b"\t", b"a;b", b"data:,x", b"=", b"a=b", b"\x7f",
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
        with open(os.path.join(os.fsencode(folder), b"in", name), "wb") as file:
            file.write(photo(".png"))
    (folder / "list.txt").write_bytes(b"\n".join(b"in/" + name for name in names))
    lists = [["in"], ["list.txt"], ["-"], ["in/*.png"], ["--recursive", "."], ["--write_table", "t.csv", "in"]]
    words = chance.choice([*lists, [f"in/{os.fsdecode(name)}" for name in names]])
    return Case([*words, "--write_json"], inputs=len(names), shell="exec < list.txt")


def named_words(chance: Chance, folder: Path) -> Case:
    """A file of an odd name where one stands, as it would be typed or dropped."""
    name = os.fsdecode(odd_name(chance))
    script = chance.choice([IMAGE, VIDEO])
    suffix, data = (".png", photo(".png")) if script == IMAGE else (".mp4", clip(*CLIP_KINDS[0]))
    if chance.random() < 0.8:
        with contextlib.suppress(OSError):
            (folder / f"{name}{suffix}").write_bytes(data)
    before = chance.choice([[], ["--"], ["--image_file" if script == IMAGE else "--video_file"]])
    return Case([*before, chance.choice([f"{name}{suffix}", f"./{name}{suffix}", name])], script, codes=(0, 1, 2))


def named_outputs(chance: Chance, folder: Path) -> Case:
    name = os.fsdecode(odd_name(chance))
    (folder / "a.png").write_bytes(photo(".png"))
    words = ["a.png", f"--write_table={name}.csv", f"--write_coco_json=x/{name}.json"]
    return Case([*words, f"--output_dir={name}"], codes=(0, 1, 2), output=name)


SPECIAL = [
    "/dev/zero", "/dev/full", "/dev/null", "/dev/random", "/dev/tty", "/proc/self/mem", "/proc/self/maps", "/sys",
]  # fmt: skip
SPECIAL += [
    "loop.png", "pipe.png", "socket.png", "folder.png", "dangling.png", "secret.png", "closed/a.png", "/",
    "x/y.png",
]  # fmt: skip
SPECIAL += [
    "a.png/b.png", "x" * 300, "x" * 5000, ".", "..", "/dev/fd/0", "/dev/stdin", "deep", "\x00"[:0], "/proc/1/root",
]  # fmt: skip


def special_files(folder: Path) -> None:
    """Everything that a path can stand for; what is named loop, pipe and so on is that."""
    for name, target in (("loop.png", "loop.png"), ("dangling.png", "nowhere"), ("round", "."), ("a2.png", "b2.png")):
        (folder / name).symlink_to(target)
    (folder / "b2.png").symlink_to("a2.png")
    os.mkfifo(folder / "pipe.png")
    here = os.getcwd()
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as made:
        descriptor = os.open(folder, os.O_RDONLY)
        made.bind(f"/proc/self/fd/{descriptor}/socket.png")  # a socket's path may have but 108 bytes
        os.close(descriptor)
    assert os.getcwd() == here
    for name in ("folder.png", "closed"):
        (folder / name).mkdir()
    for name in ("secret.png", "closed/a.png", "a.png"):
        (folder / name).write_bytes(photo(".png"))
    (folder / "secret.png").chmod(0)
    (folder / "closed").chmod(0)
    (folder / "deep").mkdir()
    (folder / "deep" / "/".join("d" * 60)).mkdir(parents=True)


def special_inputs(chance: Chance, folder: Path) -> Case:
    special_files(folder)
    script = chance.choice([IMAGE, IMAGE, VIDEO])
    names = chance.sample(SPECIAL, 2) if script == IMAGE else [chance.choice(SPECIAL)]
    if script == IMAGE and chance.random() < 0.5:
        (folder / "list.txt").write_text("\n".join(filter(None, names)))
        names = ["list.txt"]
    return Case(
        [*names, "a.png"][: len(names) + (script == IMAGE)], script, len(names), codes=(0, 1), is_unprivileged=True
    )


def special_trees(chance: Chance, folder: Path) -> Case:
    special_files(folder)
    words = chance.choice(
        [["."], ["*"], ["*.png"], ["--recursive", "."], ["--recursive", "*"], ["round/round/*"], ["**"]]
    )
    return Case(
        [*words, *chance.choice([[], ["--write_table", "t.csv"]])], chance.choice([IMAGE, VIDEO]), codes=(0, 1, 2)
    )


def special_lists(chance: Chance, folder: Path) -> Case:
    special_files(folder)
    (folder / "a.txt").write_bytes(b"a.png\n")
    os.mkfifo(folder / "pipe.txt")
    (folder / "loop.txt").symlink_to("loop.txt")
    (folder / "zero.txt").symlink_to("/dev/zero")
    contents = [b"a.png\0b.png\n", b"\xff\xfea\0.\0", b"", b"\n\n", b"\xef\xbb\xbfa.png\n", b"\r\n", bytes(99_999)]
    contents += [
        b"self.txt\n",
        b"a.png\n" * 20_000,
        b"nowhere.png\n" * 300,
        chance.randbytes(2000),
        b"-\n",
        b"x" * 99_999,
    ]
    (folder / "self.txt").write_bytes(chance.choice(contents))
    words = [chance.choice(["self.txt", "self.txt", "self.txt", "pipe.txt", "loop.txt", "-", "folder.png/../a.txt"])]
    return Case(words, shell=chance.choice(["", "exec < self.txt", "exec < /dev/null", "exec <&-"]))


def special_outputs(chance: Chance, folder: Path) -> Case:
    """Something else stands where results go."""
    special_files(folder)
    script = chance.choice([IMAGE, VIDEO])
    clip_name = one_clip(folder, "a.mp4", clip(*CLIP_KINDS[0])).words[-1]
    base = folder / "Output" / ("ImageCOCO" if script == IMAGE else "VideoCOCO")
    places = [folder / "Output", base, base / "a-Skeleton-COCO.jpg", base / "a_keypoints.json", base / "a_json"]
    place = chance.choice([*places, base / "a_skeleton_COCO.mp4"])
    place.parent.mkdir(parents=True, exist_ok=True)
    things: list[Callable] = [Path.mkdir, Path.touch, os.mkfifo, lambda path: path.symlink_to("nowhere")]
    things += [lambda path: path.symlink_to(path.name), lambda path: (path.mkdir(), (path / "x").touch())]
    things += [lambda path: path.symlink_to("/dev/full"), lambda path: (path.mkdir(), path.chmod(0o555))]
    chance.choice(things)(place)
    return Case(["a.png" if script == IMAGE else clip_name, "--write_json"], script, is_unprivileged=True, placed=place)


def vanishing(chance: Chance, folder: Path) -> Case:
    """Inputs or the folder of results go, become read-only or are cut while the command works."""
    script = chance.choice([IMAGE, VIDEO])
    names = [f"a{n}.png" for n in range(9)] if script == IMAGE else ["a.mkv"]
    if script == IMAGE:
        photos(folder, [])
        for name in names:
            (folder / name).write_bytes(photo(".png"))
    else:
        encode(folder / "a.mkv", frames() * 20, "mjpeg")
    after, results = chance.uniform(0.2, 1.2), folder / "Output"
    what = chance.choice(["inputs", "cut", "results", "read-only", "a file"])

    def during(_: subprocess.Popen) -> None:
        time.sleep(after)
        with contextlib.suppress(OSError):
            if what == "inputs":
                for name in names:
                    (folder / name).unlink()
            elif what == "cut":
                for name in names:
                    os.truncate(folder / name, 100)
            elif what == "read-only":
                for path in [results, *results.glob("*")]:
                    path.chmod(0o555)
            else:
                shutil.rmtree(results)
                if what == "a file":
                    results.touch()

    return Case([*names, "--write_json"], script, len(names), during=during, is_unprivileged=True)


# Environment, options, weights, displays.


def small_job(chance: Chance, folder: Path, **changes: Any) -> Case:
    """A good photo or clip."""
    (folder / "a.png").write_bytes(photo(".png"))
    (folder / "a.mp4").write_bytes(clip(*CLIP_KINDS[0]))
    return chance.choice(
        [Case(["a.png", "--write_json"], **changes), Case(["a.mp4", "--write_plot"], VIDEO, **changes)]
    )


def odd_environment(chance: Chance, folder: Path) -> Case:
    odd = ["", "0", "-1", "x", "999999999999", "/nowhere", "/dev/null", "/dev/full", "\udcff", " "]
    names = ["HOME", "TMPDIR", "LC_ALL", "LANG", "PATH", "OMP_NUM_THREADS", "XDG_CACHE_HOME", "COLUMNS", "TERM", "TZ"]
    names += ["PYTHONIOENCODING", "PYTHONUTF8", "OPENCV_LOG_LEVEL", "OPENCV_IO_MAX_IMAGE_PIXELS", "MPLBACKEND"]
    names += ["MPLCONFIGDIR", "QT_QPA_PLATFORM", "NO_COLOR", "LD_LIBRARY_PATH", "SHELL"]
    ours = {name: chance.choice(odd) for name in chance.sample(names, chance.randint(1, 4))}
    if ours.get("PYTHONUTF8", "0") not in "01" or "PYTHONIOENCODING" in ours:  # Python itself ends there
        ours = {"PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    return small_job(chance, folder, env=ours)


def odd_streams(chance: Chance, folder: Path) -> Case:
    streams = ["exec >&-", "exec 2>&-", "exec <&-", "exec >/dev/full", "exec 2>/dev/full", "exec >&- 2>&- <&-"]
    streams += [
        "exec > >(true)",
        "exec > >(head -c 1 >/dev/null)",
        "exec >/dev/full 2>&1",
        "exec 0>/dev/null",
    ]
    case = small_job(chance, folder, shell=chance.choice(streams))
    case.words += chance.choice([[], ["--quiet"], ["--help"], ["--version"], ["nowhere.png"], ["--nonsense"]])
    case.codes = (0, 1, 2, 120, 141)
    return case


def little_of_it(chance: Chance, folder: Path) -> Case:
    """Little memory, handles, room for files, processor time."""
    limits = [f"ulimit -v {mb * 1024}" for mb in (60, 150, 300, 400, 500, 600, 800, 1000, 1500, 2500)]
    limits += [f"ulimit -n {n}" for n in (4, 8, 12, 20, 30)] + [f"ulimit -f {n}" for n in (0, 1, 4, 20)]
    limits += ["ulimit -s 256", "ulimit -s unlimited", "ulimit -c 0"]
    return small_job(chance, folder, shell=chance.choice(limits), env={"OMP_NUM_THREADS": chance.choice(["1", "2"])})


def full_disk(chance: Chance, folder: Path) -> Case:
    """Results go to a file system of some kilobytes, in a namespace of its own, which only root can make."""
    if os.geteuid() != 0:
        return little_of_it(chance, folder)
    size = chance.choice([8, 40, 120, 400])
    (folder / "Output").mkdir()
    case = small_job(chance, folder, shell=f"mount -t tmpfs -o size={size}k none Output")
    case.python = ["unshare", "-m", "bash", "-c", f'{case.shell} && exec "$@"', "bash", sys.executable]
    case.shell = ""
    return case


def odd_python(chance: Chance, folder: Path) -> Case:
    """Python's own switches, a read-only project, a present folder that is gone, a clock that jumps."""
    case = small_job(chance, folder)
    way = chance.choice(["switch", "read-only", "gone", "clock", "module", "link"])
    if way == "switch":
        case.python += chance.choice(
            [["-I"], ["-O"], ["-OO"], ["-B"], ["-u"], ["-E"], ["-X", "utf8=0"], ["-W", "error"], ["-b"]]
        )
    elif way == "read-only":
        case.is_unprivileged = True
    elif way == "gone":
        case.words = [folder / case.words[0], *case.words[1:]]
        case.shell, case.output = f'mkdir gone && cd gone && rmdir "{folder}/gone"', str(folder / "Output")
    elif way == "clock":
        (folder / "sitecustomize.py").write_text(
            "import random, time\nreal = time.time\ntime.time = lambda: real() + random.choice([-1e9, 0, 1e9])\n"
        )
        case.env = {"PYTHONPATH": str(folder)}
    elif way == "module":  # files in the present folder that are called as modules
        for name in ("json", "numpy", "cv2", "pose", "random", "av"):
            (folder / f"{name}.py").write_text("raise RuntimeError('never imported')")
    else:
        (folder / "link.py").symlink_to(case.script)
        case.script = folder / "link.py"
    return case


SHARED_OPTIONS = {
    "--mode": ["COCO", "mpi", "BODY_25", ""],
    "--device": ["cpu", "gpu", "tpu"],
    "--engine": ["auto", "opencv", "openvino", "onnxruntime", "tensorrt"],
    "--precision": ["auto", "fp32", "bf16", "int8"],
    "--network": ["auto", "openpose", "blazepose"],
    "--net_resolution": ["auto", "64x64", "-1x96", "4096x16", "16x4096", "0x0", "9x", "x", "-1x-1", "1e3x9"],
    "--model_folder": [".", "/", "a.png", "nowhere", ""],
    "--stages": ["1", "6", "0", "x"],
    "--accuracy": ["fast", "balanced", "best"],
    "--number_people_max": ["-1", "1", "99999999999999999999", "0", "1.5"],
    "--threshold": ["0", "1", "0.5", "nan", "-0", "1e-9", "inf"],
    "--style": ["modern", "openpose", "classic"],
    "--background": ["photo", "black", "white"],
    "--line_width": ["1", "50", "33000", "99999999999999999999", "0"],
    "--output_dir": ["Output", "a.png", "Output/../Output/x", "/dev/null", "/proc/x", ""],
    **{switch: [] for switch in "--no_face --show_ids --show_scores --write_json --quiet --no_display".split()},
}
PHOTO_OPTIONS = {
    "--recursive": [],
    "--write_table": ["t.csv", "t.parquet", "/nowhere/t.csv", "/dev/full.csv", "a.png", "Output/ImageCOCO/t.csv", "t"],
    "--write_coco_json": ["t.json", "x/y/t.json", ".json", "a.png/t.json"],
}
CLIP_OPTIONS = {
    "--frame_first": ["0", "3", "5", "99"],
    "--frame_last": ["-1", "2", "0", "99"],
    "--frame_step": ["1", "2", "9"],
    "--frame_rotate": ["0", "90", "180", "270", "45"],
    "--network_step": ["auto", "1", "3", "99"],
    "--codec": ["h264", "mp4v", "vp9", "av1", "mjpg", "gif", "divx"],
    **{
        switch: []
        for switch in "--frame_info --no_smooth --no_track --no_audio --resume --verbose --write_plot".split()
    },
}


def options(chance: Chance, folder: Path) -> Case:
    """Some options with values right or wrong; each run tries all pairs of them."""
    case = small_job(chance, folder)
    allowed = SHARED_OPTIONS | (PHOTO_OPTIONS if case.script == IMAGE else CLIP_OPTIONS)
    case.words = case.words[:1]
    for option in chance.sample(sorted(allowed), chance.choice([2, 2, 4, 7])):
        values = allowed[option]
        good = values[: max(2, len(values) - 2)]  # mostly: a wrong one ends the run before the others count
        case.words += [f"{option}={chance.choice(good if chance.random() < 0.8 else values)}"] if values else [option]
        case.output = case.words[-1].split("=")[1] if option == "--output_dir" else case.output
    case.codes = (0, 1, 2)
    return case


def odd_words(chance: Chance, folder: Path) -> Case:
    """Options that nobody meant: halves, twice, without their value, letters at random."""
    words = [
        *SHARED_OPTIONS, *PHOTO_OPTIONS, *CLIP_OPTIONS, "--help", "--version", "-h", "a.png", "--", "-", "-1",
        "-v",
    ]  # fmt: skip
    made = chance.sample(words, chance.randint(1, 3))
    made += ["".join(chance.choices(string.printable, k=9)), chance.choice(words)[:-2], "--image_file"][
        : chance.randint(0, 3)
    ]
    case = small_job(chance, folder, shell="exec < /dev/null")
    case.words, case.codes = made, (0, 1, 2)
    return case


BOX = ("pose/mobilenet/mobilenet_thin.onnx", "pose/blazepose/pose_landmark_full.onnx")


def copy_of_project(folder: Path) -> Path:
    """Links to all its files, but for the networks in the box, which are copied."""
    copy = folder / "project"
    skip = shutil.ignore_patterns(".*", "__pycache__", "Output", "tests", "*.caffemodel")
    shutil.copytree(PROJECT, copy, copy_function=os.link, ignore=skip)
    for name in BOX:
        (copy / name).unlink()
        shutil.copyfile(PROJECT / name, copy / name)
    return copy


def damaged_box(chance: Chance, folder: Path) -> Case:
    """A network of the box is cut, flipped, the other one, a web page, a pointer, not there: an error says so."""
    case = small_job(chance, folder)
    project = copy_of_project(folder)
    case.script = project / case.script.name
    path, other = (project / name for name in chance.sample(BOX, 2))
    data = path.read_bytes()
    changed = bytearray(data)
    for _ in range(chance.choice([1, 5, 500])):
        changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    contents = [bytes(changed), bytes(changed), data[: chance.randrange(len(data))], other.read_bytes(), b"<html>", b""]
    path.write_bytes(chance.choice([*contents, b"version https://git-lfs.github.com/spec/v1\n", bytes(len(data))]))
    if chance.random() < 0.2:
        path.unlink()
        chance.choice([lambda path: None, Path.mkdir, os.mkfifo])(path)
    case.codes = (1,)
    case.words += ["--engine", chance.choice(["opencv", "opencv", "onnxruntime"])]
    return case


def bad_caffemodel(chance: Chance, folder: Path) -> Case:
    """What is no OpenPose network stands where its weights belong."""
    case = small_job(chance, folder)
    path = folder / "models" / chance.choice(["coco/pose_iter_440000.caffemodel", "mpi/pose_iter_160000.caffemodel"])
    path.parent.mkdir(parents=True)
    box = (PROJECT / BOX[0]).read_bytes()
    contents = [b"", b"<html>", b"\x0a\x00\xa2\x06", chance.randbytes(5000), box, flipped(chance, box), bytes(1 << 20)]
    contents += [
        b"\xa2\x06" + b"\xff" * 4 + b"\x0f",
        b"\xa2\x06\x7f" * 999,
        b"version https://git-lfs.github.com/spec/v1",
    ]
    path.write_bytes(chance.choice(contents))
    if chance.random() < 0.3:
        path.unlink()
        chance.choice(
            [Path.mkdir, os.mkfifo, lambda path: path.symlink_to(path), lambda path: path.symlink_to("/dev/zero")]
        )(path)
    case.words += ["--model_folder", "models", "--mode", "COCO" if path.parent.name == "coco" else "MPI"]
    case.codes = (0, 1)
    return case


def no_display(chance: Chance, folder: Path) -> Case:
    """Displays that are not there, refuse or speak another language."""
    case = small_job(chance, folder)
    displays = [{"DISPLAY": name} for name in (":77", "x", "nowhere.invalid:0", "")]
    displays += [{"WAYLAND_DISPLAY": "wayland-9"}, {"DISPLAY": ":77", "QT_QPA_PLATFORM": "vnc:port=x"}]
    case.env = chance.choice(displays)
    case.codes = (0,)
    return case


def dying_display(chance: Chance, folder: Path) -> Case:
    """A display, or what shows the windows, that ends while the command works."""
    case = small_job(chance, folder)
    number = f":{chance.randrange(100, 9000)}"
    if shutil.which("Xvfb") and chance.random() < 0.7:
        case.shell = f"Xvfb {number} -nolisten tcp >/dev/null 2>&1 & server=$!; sleep 0.5"
        case.shell += f"; (sleep {chance.uniform(0.5, 3):.1f}; kill $server) >/dev/null 2>&1 &"
        case.env = {"DISPLAY": number}
    else:
        case.env = {"DISPLAY": number, "QT_QPA_PLATFORM": "offscreen"}
        case.during = end_windows
    case.codes = (0, 130)
    return case


def end_windows(process: subprocess.Popen) -> None:
    """End the process with the windows, as soon as there is one."""
    while process.poll() is None:
        time.sleep(0.3)
        with contextlib.suppress(OSError, ValueError):
            for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
                os.kill(int(child), 9)


KINDS: dict[str, list[Callable[[Chance, Path], Case]]] = {
    "photos": [damaged_photos, absurd_sizes, rare_kinds, no_photos, damaged_photos, bombs, long_pictures],
    "clips": [damaged_clip, odd_sizes, odd_times, damaged_clip, changing_pictures, no_clips, many_streams, numbered,
              frame_options],
    "names": [named_photos, named_words, named_words, named_outputs],
    "paths": [special_inputs, special_trees, special_lists, special_outputs, vanishing],
    "environment": [odd_environment, odd_streams, little_of_it, full_disk, odd_python],
    "options": [options, options, odd_words],
    "weights": [damaged_box, bad_caffemodel],
    "displays": [no_display, dying_display],
}  # fmt: skip
