"""What a newcomer reads: short, and no link leads nowhere."""

import re

import pytest

import get_hpe_image
import get_hpe_video
from pose.options import PROJECT

README = PROJECT / "README.md"
PAGES = [README, PROJECT / "CONTRIBUTING.md", *PROJECT.glob("*/README.md"), *PROJECT.glob("tests/*/README.md")]


def test_the_readme_is_short():
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 120
    assert [line for line in lines if len(line) > 120] == []


@pytest.mark.parametrize("command", [get_hpe_image, get_hpe_video])
def test_every_option_is_explained_once(command, capsys):
    with pytest.raises(SystemExit):
        command.parse(["--help"])
    option = re.compile(r"--[a-z]\w+")
    options = set(option.findall(capsys.readouterr().out)) - {"--help", "--version", "--image_file", "--video_file"}
    page = (PROJECT / "pose" / "README.md").read_text(encoding="utf-8")
    rows = [line.split(" | ")[0] for line in page.splitlines() if line.startswith("| ")]
    explained = option.findall(" ".join(rows))
    assert len(options) > 20
    assert {name: explained.count(name) for name in options} == dict.fromkeys(options, 1)


def anchors(page):
    """What GitHub calls a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        if not name.startswith("http"):
            target = page.parent / name if name else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def test_its_pictures_are_light():
    for link in re.findall(r"!\[.*\]\((.+)\)", README.read_text(encoding="utf-8")):
        assert (PROJECT / link).stat().st_size < 3e6, link
