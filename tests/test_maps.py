import numpy as np
import pytest

from pose.maps import BRIGHT, MAX_GAIN, Maps, brighten, fit


def test_a_cells_centre_in_pixels():
    maps = Maps(np.zeros((1, 10, 10), np.float32), (8, 8), (80, 80))
    assert maps.to_picture([[0, 0], [1, 2], [2.5, 0]]).tolist() == [[3.5, 3.5], [11.5, 19.5], [23.5, 3.5]]


def test_the_scale_leads_back_to_the_picture():
    maps = Maps(np.zeros((1, 10, 10), np.float32), (16, 16), (640, 480))
    assert maps.to_picture([1, 2]).tolist() == [23.5, 39.5]


def test_never_outside_the_picture():
    maps = Maps(np.zeros((1, 10, 10), np.float32), (8, 8), (50, 60))
    assert maps.to_picture([[-3, -3], [9, 9]]).tolist() == [[0, 0], [49, 59]]


@pytest.mark.parametrize(
    ("picture_wh", "net_wh", "content_wh", "size_wh"),
    [
        ((736, 736), (368, 368), (368, 368), (368, 368)),
        ((856, 424), (368, 368), (368, 182), (368, 184)),
        ((424, 856), (368, 368), (182, 368), (184, 368)),
        ((640, 480), (-1, 240), (320, 240), (320, 240)),
        ((640, 480), (320, -1), (320, 240), (320, 240)),
        ((1, 1), (368, 368), (368, 368), (368, 368)),
        ((20000, 10), (-1, 368), (4096, 2), (4096, 16)),
        ((5000, 10), (368, 368), (368, 1), (368, 16)),
        ((100, 100), (370, 370), (370, 370), (376, 376)),
    ],
)
def test_fit_keeps_the_aspect_ratio(picture_wh, net_wh, content_wh, size_wh):
    how = fit(picture_wh, net_wh)
    assert (how.content_wh, how.size_wh) == (content_wh, size_wh)


@pytest.mark.parametrize("net_wh", [(368, 368), (200, 200), (256, 96)])
def test_a_spot_is_found_where_it_was(net_wh):
    """A bright disc in the picture; the mean of the network's input over cells leads back to its centre."""
    picture = np.zeros((333, 517, 3), np.uint8)
    ys, xs = np.mgrid[:333, :517]
    centre = np.array([201.3, 133.8])
    picture[np.hypot(xs - centre[0], ys - centre[1]) < 30] = 255
    how = fit((517, 333), net_wh)
    seen = how.apply(picture)
    assert seen.shape == (how.size_wh[1], how.size_wh[0], 3)
    cells = seen[:, :, 0].reshape(seen.shape[0] // 8, 8, seen.shape[1] // 8, 8).mean((1, 3))
    maps = how.maps(cells[None].astype(np.float32))
    cy, cx = np.mgrid[: maps.values.shape[1], : maps.values.shape[2]]
    weight = maps.values[0] / maps.values[0].sum()
    found = maps.to_picture([(cx * weight).sum(), (cy * weight).sum()])
    assert np.abs(found - centre).max() < 1.0


def test_the_padding_repeats_the_border():
    """Black there would be an edge that the network sees."""
    picture = np.random.default_rng(0).integers(0, 256, (100, 370, 3), np.uint8)
    cut = fit((370, 100), (370, 370)).apply(picture)
    assert cut.shape == (104, 376, 3)
    assert np.array_equal(cut[:100, :370], picture)
    assert np.array_equal(cut[100:, :370], np.repeat(picture[-1:], 4, axis=0))
    assert np.array_equal(cut[:100, 370:], np.repeat(picture[:, -1:], 6, axis=1))


def test_cells_in_the_padding_are_cut_away():
    how = fit((1000, 100), (368, 368))
    assert how.content_wh == (368, 37)
    assert how.size_wh == (368, 40)
    assert how.maps(np.zeros((3, 5, 46))).values.shape == (3, 5, 46)
    how = fit((1000, 10), (368, 368))
    assert how.size_wh == (368, 16)
    assert how.maps(np.zeros((3, 2, 46))).values.shape == (3, 1, 46)


def photo(brightest):
    """All values from 0 to brightest, equally often, in each of the colours, and one pixel that is white."""
    values = np.linspace(0, brightest, 100 * 100).round().astype(np.uint8).reshape(100, 100)
    picture = np.dstack([values, values.T, values[::-1]])
    picture[50, 50] = 255
    return picture


@pytest.mark.parametrize("brightest", [90, 150, 220])
def test_a_dark_picture_is_raised(brightest):
    dark = photo(brightest)
    raised = brighten(dark)
    assert (raised.dtype, raised.shape) == (np.uint8, dark.shape)
    assert abs(np.percentile(raised.max(axis=2), 99) - BRIGHT) <= 3
    gain = BRIGHT / np.percentile(dark.max(axis=2), 99)
    assert np.abs(raised - np.minimum(gain * dark.astype(float), 255)).max() < 4  # all colours alike, none overflows
    assert np.array_equal(dark, photo(brightest))


@pytest.mark.parametrize("brightest", [BRIGHT + 8, 255])
def test_a_bright_picture_stays_as_it_is(brightest):
    bright = photo(brightest)
    assert np.array_equal(brighten(bright), bright)


def test_one_bright_colour_is_bright():
    red = np.zeros((20, 20, 3), np.uint8)
    red[:, :, 2] = 240
    assert np.array_equal(brighten(red), red)


@pytest.mark.parametrize("value", [0, 1, 20])
def test_a_black_picture_is_raised_no_further_than_sense(value):
    raised = brighten(np.full((20, 30, 3), value, np.uint8))
    assert (raised == value * MAX_GAIN).all()
