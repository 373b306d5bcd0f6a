"""Images to classify: MNIST as published, and every mistake in a user's own data named, with the file."""

import gzip
import hashlib
import io
import os
import shutil
import struct
import subprocess
import sys
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw

from logpi.errors import LogpiError
from logpi.ram.data import datasets
from logpi.ram.data.npz import from_arrays

RANDOM = np.random.RandomState(7)


def arrays(**changes):
    """Twelve sound images of two classes, with some keys changed; None removes a key."""
    sound = {"images": RANDOM.randint(0, 256, (12, 5, 4), np.uint8), "labels": np.arange(12) % 2}
    return {key: value for key, value in {**sound, **changes}.items() if value is not None}


def saved(folder, **changes):
    path = folder / "own.npz"
    np.savez(path, **arrays(**changes))
    return path


def picture(path, mode="L", size=(4, 5), value=None):
    """Save an image of ``size`` (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if value is None:
        value = tuple(RANDOM.randint(1, 255, 4)[: len(mode)].tolist()) if len(mode) > 1 else 9
    Image.new(mode, size, value).save(path)
    return path


def pets(folder, n=3):
    """``n`` grey images each of cat and dog."""
    for name in ("cat", "dog"):
        for i in range(n):
            picture(folder / name / f"{i}.png")
    return folder


def refused(source, *parts):
    with pytest.raises(LogpiError) as caught:
        datasets.load(source)
    message = str(caught.value)
    for part in parts:
        assert str(part) in message
    return message


def idx(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def idx_folder(folder, zipped=True):
    """Ten training and two test images in MNIST's form."""
    images, labels = RANDOM.randint(0, 256, (10, 5, 4)), np.arange(10) % 2
    parts = {"images": images, "labels": labels, "test_images": images[:2], "test_labels": labels[:2]}
    for key, name in datasets.IDX.items():
        path = folder / (f"{name}.gz" if zipped else name)
        path.write_bytes(gzip.compress(idx(parts[key]), 1) if zipped else idx(parts[key]))
    return parts


# MNIST and Fashion-MNIST


@pytest.fixture(scope="module")
def digits():
    return datasets.load("mnist")


def test_the_packaged_files_unpack_to_the_published_bytes():
    for key, name in datasets.IDX.items():
        unpacked = gzip.decompress((datasets.FILES / f"{name}.gz").read_bytes())
        assert hashlib.md5(unpacked).hexdigest() == datasets.MNIST_MD5[key]


def test_mnist_has_the_known_counts(digits):
    assert digits.train_images.shape == (60000, 28, 28, 1)
    assert digits.test_images.shape == (10000, 28, 28, 1)
    assert digits.train_images.dtype == np.uint8
    assert digits.train_labels.dtype == digits.test_labels.dtype == np.int32
    assert np.bincount(digits.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert digits.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert digits.name == "mnist"
    assert digits.classes == tuple("0123456789")


def test_mnist_images_are_upright_and_in_the_order_of_their_labels(digits):
    ones, zeros = (digits.test_images[digits.test_labels == n].mean((0, 3)) for n in (1, 0))
    assert ones[14, 14] > 128 > 32 > zeros[14, 14]
    assert ones[6:22, 14].mean() > 3 * ones[14, 6:22].mean()  # a one is tall


def test_a_damaged_package_file_is_found(tmp_path, monkeypatch):
    idx_folder(tmp_path)
    monkeypatch.setattr(datasets, "FILES", tmp_path)
    refused("mnist", tmp_path / "train-images-idx3-ubyte.gz", "not the published file", "pip install")


def test_fashion_mnist_reads_a_folder_and_names_its_classes(tmp_path, monkeypatch):
    parts = idx_folder(tmp_path)
    labels = np.arange(10)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    md5 = {key: hashlib.md5(idx(part)).hexdigest() for key, part in {**parts, "labels": labels}.items()}
    monkeypatch.setattr(datasets, "FASHION_MD5", md5)
    fashion = datasets.fashion_mnist(tmp_path)
    np.testing.assert_array_equal(fashion.train_images[..., 0], parts["images"])
    assert fashion.train_labels.tolist() == list(range(10))
    assert (fashion.name, fashion.classes[9]) == ("fashion-mnist", "Ankle boot")
    monkeypatch.setattr(datasets, "DEBIAN", tmp_path)
    assert datasets.load("fashion-mnist").classes == fashion.classes


def test_fashion_mnist_that_is_not_there_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "DEBIAN", tmp_path)
    refused("fashion-mnist", tmp_path / "train-images-idx3-ubyte", "apt install dataset-fashion-mnist")


def test_other_files_are_not_taken_for_fashion_mnist(tmp_path):
    idx_folder(tmp_path)
    with pytest.raises(LogpiError, match="not the published file"):
        datasets.fashion_mnist(tmp_path)


@pytest.mark.parametrize("zipped", [True, False])
def test_own_reads_a_folder_of_mnists_form(tmp_path, zipped):
    parts = idx_folder(tmp_path, zipped)
    found = datasets.own(tmp_path)
    np.testing.assert_array_equal(found.train_images[..., 0], parts["images"])
    np.testing.assert_array_equal(found.test_labels, parts["test_labels"])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\0\0\x08\x01\0\0\0\x0a" + bytes(9), "9 bytes follow"),
        (b"labels", "not an IDX file"),
        (b"", "not an IDX file"),
    ],
)
def test_a_wrong_idx_file_is_named(tmp_path, content, problem):
    idx_folder(tmp_path, zipped=False)
    path = tmp_path / "t10k-labels-idx1-ubyte"
    path.write_bytes(content)
    refused(tmp_path, path, problem)


def test_a_cut_gzip_file_is_named(tmp_path):
    idx_folder(tmp_path)
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    refused(tmp_path, path, "cannot be read")


# .npz


def test_an_npz_keeps_its_pixels_labels_and_test_set(tmp_path):
    images = RANDOM.randint(0, 256, (12, 5, 4, 3), np.uint8)
    path = saved(
        tmp_path, images=images, test_images=images[:3], test_labels=np.array([1, 1, 0]), classes=np.array(["a", "b"])
    )
    found = datasets.load(str(path))
    np.testing.assert_array_equal(found.train_images, images)
    np.testing.assert_array_equal(found.test_images, images[:3])
    assert found.train_labels.tolist() == [0, 1] * 6
    assert found.test_labels.tolist() == [1, 1, 0]
    assert found.train_labels.dtype == np.int32
    assert (found.name, found.classes) == ("own", ("a", "b"))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_are_rounded_to_bytes(tmp_path, dtype):
    every = np.arange(256, dtype=np.uint8).reshape(16, 4, 4)
    path = saved(tmp_path, images=(every / 255).astype(dtype), labels=np.arange(16) % 2, **two_for_testing(every / 255))
    np.testing.assert_array_equal(datasets.own(path).train_images[..., 0], every)


def two_for_testing(images):
    return {"test_images": images[:2], "test_labels": np.array([0, 1])}


def test_floats_go_to_the_nearest_level(tmp_path):
    images = with_value(0.999)  # 254.7
    assert (
        datasets.own(saved(tmp_path, images=images, test_images=images[7:8], test_labels=[0])).test_images.max() == 255
    )


def test_true_is_white(tmp_path):
    images = RANDOM.rand(12, 5, 4) > 0.5
    found = datasets.own(saved(tmp_path, images=images, **two_for_testing(images)))
    np.testing.assert_array_equal(found.train_images[..., 0], np.where(images, 255, 0))


def test_a_sixth_of_every_class_is_held_out_always_the_same():
    labels = np.repeat([0, 1, 2, 3], [60, 12, 2, 1])
    images = np.arange(75, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 2), np.uint8)
    found, again = (from_arrays("own", "own.npz", {"images": images, "labels": labels}) for _ in range(2))
    assert np.bincount(found.test_labels).tolist() == [10, 2, 1]
    assert np.bincount(found.train_labels).tolist() == [50, 10, 1, 1]
    np.testing.assert_array_equal(found.test_images, again.test_images)
    rows = np.concatenate([found.train_images, found.test_images])[:, 0, 0, 0]
    assert sorted(rows) == list(range(75))  # each image on one side only
    np.testing.assert_array_equal(labels[rows], np.concatenate([found.train_labels, found.test_labels]))
    steps = np.diff(found.test_images[:10, 0, 0, 0])
    assert len(set(steps)) > 3  # neither the first ten, nor every sixth


def with_value(value, dtype=np.float32):
    images = np.zeros((12, 5, 4), dtype)
    images[7, 4, 2] = value
    return images


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"labels": None}, ["no labels", "found keys: images", "wanted: images, labels"]),
        ({"images": None, "x": np.zeros(3)}, ["no images", "found keys: labels, x"]),
        ({"images_test": np.zeros((2, 5, 4))}, ["unknown key images_test"]),
        ({"test_images": np.zeros((2, 5, 4))}, ["no test_labels"]),
        ({"labels": np.arange(11) % 2}, ["labels have shape [11]", "[12]"]),
        ({"labels": np.eye(2, dtype=int)[np.arange(12) % 2]}, ["labels have shape [12, 2]", "labels.argmax(1)"]),
        ({"labels": np.arange(12) % 2 - 1}, ["labels[0] is -1", "renumber"]),
        ({"labels": np.full(12, 2**63, np.uint64)}, ["labels[0] is 9223372036854775808", "renumber"]),
        ({"labels": np.arange(12) % 2 + 1}, ["class 0 (0) has no training image", "begin at 1: save labels - 1"]),
        ({"labels": np.arange(12) % 2 * 2 + 1}, ["class 0 (0) has no training image", "renumber"]),
        ({"labels": np.arange(12) % 2 * 5}, ["class 1 (1) has no training image, of 6"]),
        ({"labels": np.arange(12) % 3, "classes": np.array(["a", "b"])}, ["labels[2] is 2", "2 classes", "0..1"]),
        ({"classes": np.array(["a", "b", "owl"])}, ["class 2 (owl) has no training image"]),
        ({"classes": np.array(["a", "a"])}, ["'a' more than once"]),
        ({"classes": np.array(["a", ""])}, ["called ''", "rename"]),
        ({"classes": np.array(["a", "\x1b[31mb"])}, [r"called '\x1b[31mb'", "rename"]),
        ({"classes": np.array(["a\nb", "c"])}, [r"called 'a\nb'", "rename"]),
        ({"classes": np.array([1, 2])}, ["classes have shape [2], dtype int64", "strings"]),
        ({"labels": np.arange(12) % 2 * 1.0}, ["labels have dtype float64", "astype"]),
        ({"labels": np.array(["a", "b"] * 6)}, ["labels have dtype <U1", "np.unique"]),
        ({"labels": np.zeros(12, int)}, ["only 1 class"]),
        ({"images": with_value(np.nan)}, ["images[7, 4, 2] is nan", "fix or remove"]),
        ({"images": with_value(-np.inf)}, ["images[7, 4, 2] is -inf"]),
        ({"images": with_value(1.5)}, ["images[7, 4, 2] is 1.5", "the largest is 1.5", "divide them by 255"]),
        ({"images": with_value(16.0)}, ["is 16", "the largest is 16: where that is white, divide them by 16"]),
        ({"images": with_value(254.0)}, ["is 254", "0..1: divide them by 255, or save them as uint8"]),
        ({"images": np.where(with_value(1.0), 16.0, np.nan)}, ["images[0, 0, 0] is nan"]),
        ({"images": with_value(-0.25, np.float16)}, ["images[7, 4, 2] is -0.25", "(images + 1) * 127.5"]),
        ({"images": with_value(-2.5)}, ["images[7, 4, 2] is -2.5", "from -2.5 to 0", "scale them to 0..1"]),
        ({"images": with_value(1, np.int64)}, ["dtype int64", "them with images.astype(np.uint8)"]),
        ({"images": with_value(65535, np.uint16)}, ["from 0 to 65535", "(images // 257).astype(np.uint8)"]),
        ({"images": with_value(-1, np.int8)}, ["from -1 to 0", "scale them to 0..255"]),
        ({"images": np.zeros((12, 20), np.uint8)}, ["shape [12, 20]", "[N, height, width]"]),
        ({"images": np.zeros((12, 3, 5, 4), np.uint8)}, ["shape [12, 3, 5, 4]", "transpose"]),
        ({"images": np.zeros((12, 5, 4, 4), np.uint8)}, ["alpha"]),
        ({"images": np.zeros((0, 5, 4), np.uint8), "labels": np.zeros(0, int)}, ["images are empty"]),
        ({"images": np.zeros((12, 0, 4), np.uint8)}, ["0x4 pixels"]),
        ({"images": np.zeros((12, 1, 4097), np.uint8)}, ["1x4097 pixels", "4096"]),
        ({"test_images": np.zeros((2, 4, 5)), "test_labels": np.zeros(2, int)}, ["[5, 4, 1]", "[4, 5, 1]"]),
        ({"test_images": np.zeros((2, 5, 4)), "test_labels": np.array([0, 2])}, ["test_labels[1] is 2"]),
        ({"test_images": np.full((2, 5, 4), np.nan), "test_labels": np.zeros(2, int)}, ["test_images[0, 0, 0] is nan"]),
        ({"images": np.array([b"evil", None], object)}, ["own.npz: images holds Python objects", "pickle"]),
        ({"images": np.zeros((2, 5, 4)), "labels": np.array([0, 1])}, ["no class has two images"]),
    ],
)
def test_a_wrong_npz_is_refused_with_the_file_and_the_cause(tmp_path, changes, parts):
    path = saved(tmp_path, **changes)
    refused(path, path, *parts)


def test_pickle_in_an_npz_is_never_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (sys.exit, (3,))

    refused(saved(tmp_path, labels=np.array([Evil()] * 12, object)), "labels holds Python objects")


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing", npy(np.zeros(3)), b"images,labels\n"])
def test_what_is_no_zip_is_refused(tmp_path, content):
    path = tmp_path / "own.npz"
    path.write_bytes(content)
    refused(path, path, "not an .npz (zip) file", "np.savez")


def test_a_damaged_npz_is_refused(tmp_path):
    path = saved(tmp_path)
    content = bytearray(path.read_bytes())
    content[200] ^= 255  # a pixel: the zip's checksum tells
    path.write_bytes(content)
    refused(path, path, "images is damaged", "CRC")


def test_a_zip_of_something_else_is_refused(tmp_path):
    path = tmp_path / "own.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("images", "labels"):
            archive.writestr(name, b"no array")
    refused(path, path, "images is not a NumPy array")


def test_an_array_that_announces_more_than_memory_is_refused(tmp_path):
    header = npy(np.zeros((12, 5, 4), np.uint8)).replace(b"(12, 5, 4)", b"(1" + b"0" * 16 + b",)")
    path = tmp_path / "own.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", header)
        archive.writestr("labels.npy", npy(np.arange(12) % 2))
    refused(path, path, "does not fit into memory")


def test_a_missing_path_lists_what_may_be_given(tmp_path):
    refused(tmp_path / "nowhere.npz", tmp_path / "nowhere.npz", "mnist, fashion-mnist", ".npz")


# Folders


def test_a_folder_of_classes(tmp_path):
    folder = pets(tmp_path / "my.pets", n=6)
    picture(folder / "cat" / "0.png", value=200)
    (folder / "README.txt").write_text("beside the classes")
    for left in (".DS_Store", "Thumbs.db", "desktop.ini"):
        (folder / "cat" / left).write_bytes(b"x")
    (folder / "__MACOSX" / "cat").mkdir(parents=True)
    found = datasets.own(folder)
    assert (found.name, found.classes) == ("my.pets", ("cat", "dog"))
    assert found.train_images.shape == (10, 5, 4, 1)
    assert found.test_labels.tolist() == [0, 1]
    bright = np.concatenate([found.train_images, found.test_images]).max((1, 2, 3)) == 200
    assert np.concatenate([found.train_labels, found.test_labels])[bright].tolist() == [0]


def test_train_and_test_folders(tmp_path):
    pets(tmp_path / "train", n=2)
    picture(tmp_path / "test" / "dog" / "a.JPG", value=100)
    found = datasets.own(tmp_path)
    assert found.train_labels.tolist() == [0, 0, 1, 1]
    assert found.test_labels.tolist() == [1]
    assert found.test_images.max() == 100 > found.train_images.max()


def test_one_image_in_colour_makes_all_colour(tmp_path):
    pets(tmp_path / "train", n=2)
    picture(tmp_path / "test" / "cat" / "red.png", "RGB", value=(200, 30, 10))
    found = datasets.own(tmp_path)
    assert found.test_images[0, 0, 0].tolist() == [200, 30, 10]
    assert found.train_images.shape == (4, 5, 4, 3)
    assert (found.train_images == 9).all()


@pytest.mark.parametrize(
    ("image", "pixel"),
    [
        (Image.new("1", (4, 5), 1), [255]),
        (Image.new("LA", (4, 5), (80, 255)), [80]),
        (Image.new("LA", (4, 5), (0, 0)), [255]),
        (Image.new("RGBA", (4, 5), (200, 30, 10, 255)), [200, 30, 10]),
        (Image.new("RGBA", (4, 5), (200, 30, 10, 0)), [255]),
        (Image.new("RGBA", (4, 5), (55, 55, 55, 51)), [215]),
        (Image.new("RGB", (4, 5), (200, 30, 10)).quantize(4), [200, 30, 10]),
        (Image.new("RGB", (4, 5), (77, 77, 77)).quantize(4), [77]),
        (Image.new("RGB", (4, 5), (77, 77, 77)), [77]),
        (Image.new("RGBA", (4, 5), (77, 77, 77, 255)), [77]),
        (Image.new("RGB", (4, 5), (77, 77, 78)), [77, 77, 78]),
    ],
)
def test_alpha_is_laid_on_white_and_palettes_are_resolved(tmp_path, image, pixel):
    for name in ("cat", "dog"):
        for i in range(2):
            (tmp_path / name).mkdir(exist_ok=True)
            image.save(tmp_path / name / f"{i}.png")
    found = datasets.own(tmp_path)
    assert (found.train_images == pixel).all()
    assert found.train_images.shape == (2, 5, 4, len(pixel))


def icons(folder, ground, ink):
    for name, shape in (("disc", "ellipse"), ("box", "rectangle")):
        (folder / name).mkdir(parents=True)
        for k in range(3):
            icon = Image.new("RGBA", (16, 16), ground)
            getattr(ImageDraw.Draw(icon), shape)((1 + k, 1, 10 + k, 10), fill=ink)
            icon.save(folder / name / f"{k}.png")


def test_black_icons_on_a_transparent_ground_are_seen(tmp_path):
    icons(tmp_path, (0, 0, 0, 0), (0, 0, 0, 255))
    found = datasets.load(tmp_path).train_images
    assert (found.min(), found.max()) == (0, 255)


def test_images_that_are_all_equal_are_refused(tmp_path):
    icons(tmp_path / "icons", (0, 0, 0, 0), (255, 255, 255, 255))
    np.savez(tmp_path / "empty.npz", images=np.zeros((6, 5, 4), np.uint8), labels=[0, 1, 0, 1, 0, 1])
    for name in ("icons", "empty.npz"):
        with pytest.raises(LogpiError, match=r"all \d training images are equal"):
            datasets.load(tmp_path / name)


def test_files_that_unpack_to_more_than_fits_are_refused_unread(tmp_path, monkeypatch):
    """A bomb of zeros packs a thousandfold."""
    monkeypatch.setattr("logpi.ram.data.images.memory", lambda: 2**22)
    np.savez_compressed(tmp_path / "bomb.npz", images=np.zeros((2500, 32, 32), np.uint8), labels=np.zeros(2500, int))
    assert (tmp_path / "bomb.npz").stat().st_size < 2**16
    (tmp_path / "idx").mkdir()
    idx_folder(tmp_path / "idx")
    head = b"\0\0\x08\x03" + struct.pack(">III", 2500, 32, 32)
    (tmp_path / "idx" / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + bytes(2500 * 1024)))
    for name in ("cat", "dog"):
        for k in range(3):
            picture(tmp_path / "pictures" / name / f"{k}.png", "L", value=k, size=(1000, 1000))
    for name in ("bomb.npz", "idx", "pictures"):
        with pytest.raises(LogpiError, match="GiB of pixels unpacked"):
            datasets.own(tmp_path / name)


def test_an_idx_file_is_not_unpacked_beyond_what_it_announces(tmp_path):
    idx_folder(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(b"\0\0\x08\x03" + struct.pack(">III", 1, 1, 1) + bytes(2**24)))
    refused(tmp_path, path, "2 bytes follow")


def test_grey_photographs_saved_in_colour_are_grey_until_one_is_not(tmp_path):
    for name in ("cat", "dog"):
        for i in range(2):
            picture(tmp_path / name / f"{i}.jpg", "RGB", value=(90, 90, 90))
    assert datasets.own(tmp_path).train_images.shape == (2, 5, 4, 1)
    red = np.full((5, 4, 3), 90, np.uint8)
    red[4, 3, 0] = 91  # the last pixel only
    Image.fromarray(red).save(tmp_path / "cat" / "2.png")
    found = datasets.own(tmp_path)
    every = np.concatenate([found.train_images, found.test_images])
    assert every.shape == (5, 5, 4, 3)
    assert sorted(every[:, 4, 3].tolist()) == [[90, 90, 90]] * 4 + [[91, 90, 90]]


def test_a_photograph_is_turned_upright(tmp_path):
    for name in ("cat", "dog"):
        for i in range(2):
            path = picture(tmp_path / name / f"{i}.png")
            image = Image.fromarray(np.arange(20, dtype=np.uint8).reshape(5, 4))
            exif = image.getexif()
            exif[0x0112] = 3  # orientation: upside down
            image.save(path, exif=exif)
    assert datasets.own(tmp_path).train_images[0, 0, 0] == 19


def test_a_broken_png_among_a_thousand_is_named(tmp_path):
    pets(tmp_path, n=2)
    sound = (tmp_path / "cat" / "0.png").read_bytes()
    for i in range(1000):
        (tmp_path / "dog" / f"{i:04}.png").write_bytes(sound)
    broken = tmp_path / "dog" / "0617.png"
    broken.write_bytes(sound[:-20])
    refused(tmp_path, broken, "not a readable image", "remove it")


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"text", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 5\n"])
def test_a_file_that_is_no_image_is_named(tmp_path, content):
    path = pets(tmp_path) / "dog" / "1.png"
    path.write_bytes(content)
    refused(tmp_path, path, "not a readable image")


def test_a_format_that_is_not_listed_is_refused_whatever_its_name(tmp_path):
    path = pets(tmp_path) / "dog" / "1.png"
    Image.new("L", (4, 5), 9).save(path, format="PCX")
    refused(tmp_path, path, "cannot identify image file")


def test_an_image_of_another_size_is_named_with_both_sizes(tmp_path):
    path = picture(pets(tmp_path) / "dog" / "1.png", size=(4, 6))
    refused(tmp_path, path, "6x4", "5x4", tmp_path / "cat" / "0.png", "add --size 5 to scale each into a square")


def test_images_of_different_sizes_are_scaled_where_that_is_asked_for(tmp_path):
    for name in ("cat", "dog"):
        for side in (9, 20, 200):
            picture(tmp_path / name / f"{side}.png", "RGB", size=(side, 2 * side))
    found = datasets.load(tmp_path, 16)
    every = np.concatenate([found.train_images, found.test_images])
    assert every.shape == (6, 16, 16, 3)
    assert (every == every[:, :1, :1]).all(), "margins have the colour of the edge"


def test_arrays_are_scaled_too(tmp_path):
    images = RANDOM.randint(0, 256, (12, 5, 4), np.uint8)
    assert datasets.load(saved(tmp_path, images=images), 10).train_images.shape == (10, 10, 10, 1)
    same = RANDOM.randint(0, 256, (12, 7, 7), np.uint8)
    found = datasets.load(saved(tmp_path, images=same), 7)
    assert found.train_images.shape == (10, 7, 7, 1)


def test_a_side_of_more_than_4096_pixels_is_refused(tmp_path):
    path = picture(pets(tmp_path) / "dog" / "1.png", size=(4097, 1))
    refused(tmp_path, path, "1x4097", "4096")


@pytest.mark.parametrize("factor", [1.5, 3])  # Pillow warns of the first and raises for the second
def test_a_decompression_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch, factor):
    path = picture(pets(tmp_path) / "dog" / "1.png", size=(40, 50))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", int(2000 / factor))
    refused(tmp_path, path, "too large an image", "decompression bomb")


def test_sixteen_bits_are_refused(tmp_path):
    path = pets(tmp_path) / "dog" / "1.png"
    Image.fromarray(np.full((5, 4), 40000, np.uint16)).save(path)
    refused(tmp_path, path, "8-bit")


def png(depth, colour_type, channels):
    """A sound PNG of 4x5 pixels; Pillow writes none with 16 bits in several channels."""
    rows = (b"\0" + bytes(range(1, 4 * channels * depth // 8 + 1))) * 5
    header = struct.pack(">IIBBBBB", 4, 5, depth, colour_type, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part)) for name, part in chunks
    )


def deep_tiff(compression):
    file, bits = io.BytesIO(), struct.Struct("<3H")
    Image.new("RGB", (4, 5), 9).save(file, "TIFF", compression=compression)
    assert file.getvalue().count(bits.pack(8, 8, 8)) == 1
    return file.getvalue().replace(bits.pack(8, 8, 8), bits.pack(16, 16, 16))


@pytest.mark.parametrize(
    "content",
    [
        png(16, 2, 3),
        png(16, 4, 2),
        png(16, 6, 4),
        deep_tiff("raw"),
        deep_tiff("tiff_lzw"),
        b"P6 4 5 65535\n" + bytes(120),
        b"P3 4 5 1023\n" + b"900 " * 60,
    ],
    ids=["png-rgb", "png-la", "png-rgba", "tiff", "tiff-lzw", "ppm", "ppm-plain"],
)
def test_more_than_8_bits_a_channel_are_refused_in_colour_too(tmp_path, content):
    path = pets(tmp_path) / "dog" / "1.png"
    path.write_bytes(content)
    refused(tmp_path, path, "more than 8 bits a channel", "8-bit")


@pytest.mark.parametrize("content", [png(8, 2, 3), png(8, 4, 2), b"P6 4 5 255\n" + bytes(60), b"P1 4 5\n" + b"1 " * 20])
def test_8_bits_a_channel_and_fewer_are_read(tmp_path, content):
    (pets(tmp_path) / "dog" / "1.png").write_bytes(content)
    assert datasets.own(tmp_path).train_images.shape[1:3] == (5, 4)


def test_an_empty_class_is_named(tmp_path):
    (pets(tmp_path) / "owl").mkdir()
    refused(tmp_path, tmp_path / "owl", "empty class", "remove the folder")


def test_an_empty_folder_and_a_flat_one_are_refused(tmp_path):
    refused(tmp_path, tmp_path, "no class folder", "train/ and test/")
    picture(tmp_path / "1.png")
    refused(tmp_path, tmp_path, "no class folder")


def test_a_single_class_is_refused(tmp_path):
    picture(tmp_path / "cat" / "1.png")
    refused(tmp_path, tmp_path, "only 1 class")


def test_other_layouts_are_refused(tmp_path):
    pets(tmp_path / "train")
    refused(tmp_path, tmp_path / "train" / "cat", "train/ and test/", "call the folder of the test images test/")
    pets(tmp_path / "dev")
    refused(tmp_path, tmp_path / "train" / "cat", "without test/ beside it")
    shutil.rmtree(tmp_path / "dev")
    (tmp_path / "test" / "cat").mkdir(parents=True)
    refused(tmp_path, tmp_path / "test", "no image")
    owl = picture(tmp_path / "test" / "owl" / "1.png")
    refused(tmp_path, owl.parent, "'owl' is not in train/")
    (tmp_path / "val").mkdir()
    refused(tmp_path, tmp_path / "val", "beside train/ and test/")


def test_a_folder_too_high_names_the_one_to_take(tmp_path):
    refused(pets(tmp_path / "pets").parent, tmp_path / "pets" / "cat", f"or take {tmp_path / 'pets'} as the data")


def test_a_class_of_trains_may_be_called_train(tmp_path):
    pets(tmp_path)
    picture(tmp_path / "train" / "1.png")
    assert datasets.own(tmp_path).classes == ("cat", "dog", "train")


@pytest.mark.parametrize("name", ["cat/pipe.png", "own.npz"])
def test_a_pipe_is_refused_before_it_is_waited_for(tmp_path, name):
    path = pets(tmp_path) / name
    os.mkfifo(path)
    code = "import sys; from logpi.ram.data import datasets; datasets.load(sys.argv[1])"
    where = path if name.endswith(".npz") else tmp_path
    run = subprocess.run([sys.executable, "-c", code, where], capture_output=True, text=True, timeout=60, check=False)
    assert f"LogpiError: {path} is not a regular file" in run.stderr


@pytest.mark.parametrize("name", ["\x1b[31mcat", "c\nat", "cat\u2028", "cat\x9b", os.fsdecode(b"c\xe4t")])
def test_a_class_folder_that_cannot_be_printed_is_refused(tmp_path, name):
    (pets(tmp_path) / name).mkdir()
    assert name not in refused(tmp_path, tmp_path, ascii(name), "rename")


def test_names_in_any_script_are_kept(tmp_path):
    names = ("T-shirt/top", "می‌خواهم")  # with a zero-width non-joiner
    assert datasets.own(saved(tmp_path, classes=np.array(names))).classes == names


def test_another_kind_of_file_is_named(tmp_path):
    path = pets(tmp_path) / "cat" / "1.heic"
    path.write_bytes(b"x")
    refused(tmp_path, path, ".png", "remove the file")


def test_no_jax_is_needed_to_read_data():
    code = "import sys, logpi.ram.data.datasets; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
