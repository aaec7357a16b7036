"""Pictures of 64×64 for the tasks of tasks.py, made of the garments of Fashion-MNIST that Glassbox has built in.

Garments of the training and of the test set are pasted over clutter: crops of other garments. Each function writes its pictures
as PNG files into a folder, beside what is true of them in the form that `glassbox train` reads, and returns the same as arrays.
"""
import csv

import numpy as np
from PIL import Image

from train import ROOT, idx

DATA = ROOT / "crates/nn/data/fashion-mnist"
FILES = {"train": "fashion-train6000", "test": "fashion-test1000"}
TOP, TROUSER, SANDAL, BAG, BOOT = 0, 1, 5, 8, 9
SIDE, PIECES, SIDES = 64, 14, (6, 12)
# A pixel that isn't darker belongs to its garment.
THRESHOLD = 16
# The largest rotation of `values`, in degrees.
ANGLE = 60


class Part:
    """The garments of one part, and its own random numbers."""

    def __init__(self, part):
        images, classes = (
            idx(DATA / f"{FILES[part]}-{kind}-ubyte.gz").numpy() for kind in ("images-idx3", "labels-idx1")
        )
        self.part, self.rng = part, np.random.default_rng([len(images)])
        self.of = [images[classes == number] for number in range(10)]

    def garment(self, classes):
        """A garment of one of the classes, without its empty margin."""
        return cropped(self.rng.choice(self.of[self.rng.choice(classes)]))

    def background(self, without):
        """Crops of garments of all classes but some."""
        canvas, rng = np.zeros((SIDE, SIDE), np.uint8), self.rng
        classes = [number for number in range(10) if number not in without]
        for _ in range(PIECES):
            image = rng.choice(self.of[rng.choice(classes)])
            h, w = rng.integers(*SIDES, 2, endpoint=True)
            y, x = (rng.integers(0, 28 - side, endpoint=True) for side in (h, w))
            to_y, to_x = (rng.integers(0, SIDE - side, endpoint=True) for side in (h, w))
            place = canvas[to_y : to_y + h, to_x : to_x + w]
            np.maximum(place, image[y : y + h, x : x + w], out=place)
        return canvas

    def places(self, garments):
        """Random boxes [x0, y0, x1, y1] of the garments that don't overlap."""
        while True:
            boxes = []
            for garment in garments:
                (h, w), rng = garment.shape, self.rng
                y, x = rng.integers(0, SIDE - h, endpoint=True), rng.integers(0, SIDE - w, endpoint=True)
                boxes.append((x, y, x + w, y + h))
            if len(boxes) == 1 or apart(*boxes):
                return boxes

    def picture(self, garments, without):
        """A picture with these garments, and their boxes."""
        canvas, boxes = self.background(without), self.places(garments)
        for garment, (x0, y0, x1, y1) in zip(garments, boxes):
            place = canvas[y0:y1, x0:x1]
            np.copyto(place, garment, where=garment >= THRESHOLD)
        return canvas, boxes


def cropped(image):
    rows, columns = (np.flatnonzero((image >= THRESHOLD).any(axis)) for axis in (1, 0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def apart(a, b):
    return a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def save(image, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def write(path, header, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


class Made:
    """The pictures of a part: their files, the images [n, h, w], what is true of them, and where the garments are: for each
    picture a mask for each name."""

    def __init__(self):
        self.files, self.images, self.truths, self.where = [], [], [], []

    def add(self, file, image, truth, where):
        self.files.append(file)
        self.images.append(image)
        self.truths.append(truth)
        self.where.append(where)


def inside(box):
    """The mask of a box."""
    mask, (x0, y0, x1, y1) = np.zeros((SIDE, SIDE), bool), box
    mask[y0:y1, x0:x1] = True
    return mask


def labels(folder, counts):
    """Two garments, each of which may be a bag or a boot or neither: `labels.csv` says whether there is a bag and whether there is a
    boot, `boot.csv` only the latter; `boxes.csv` has the boxes of bags and boots."""
    made, rows, boxes = {}, [], []
    for name, count in counts.items():
        part, made[name] = Part(name), Made()
        for number in range(count):
            present = part.rng.random(2) < 0.5
            others = [number for number in range(10) if number not in (BAG, BOOT)]
            garments = [part.garment([own] if is_there else others) for own, is_there in zip((BAG, BOOT), present)]
            image, places = part.picture(garments, (BAG, BOOT))
            file = f"{name}/{number:04}.png"
            there = {what: place for what, place, is_there in zip(("bag", "boot"), places, present) if is_there}
            made[name].add(save(image, folder / file), image, present, {what: inside(box) for what, box in there.items()})
            rows.append((file, *present.astype(int), name))
            boxes += [(file, *box, what) for what, box in there.items()]
    write(folder / "labels.csv", ("file", "bag", "boot", "split"), rows)
    write(folder / "boot.csv", ("file", "boot", "split"), [(file, boot, name) for file, _, boot, name in rows])
    write(folder / "boxes.csv", ("file", "x0", "y0", "x1", "y1", "class"), boxes)
    return made


def values(folder, counts):
    """A boot that is rotated counter-clockwise by the angle in `values.csv`."""
    made, rows, boxes = {}, [], []
    for name, count in counts.items():
        part, made[name] = Part(name), Made()
        for number in range(count):
            angle = round(part.rng.uniform(-ANGLE, ANGLE), 1)
            boot = Image.fromarray(part.garment([BOOT])).rotate(angle, Image.Resampling.BILINEAR, expand=True)
            image, [box] = part.picture([cropped(np.asarray(boot))], (BOOT,))
            file = f"{name}/{number:04}.png"
            made[name].add(save(image, folder / file), image, angle, {"angle": inside(box)})
            rows.append((file, angle, name))
            boxes.append((file, *box, "boot"))
    write(folder / "values.csv", ("file", "angle [degrees]", "split"), rows)
    write(folder / "boxes.csv", ("file", "x0", "y0", "x1", "y1", "class"), boxes)
    return made


def masks(folder, counts):
    """A garment in `pictures`, and a picture of the same name in `masks` that is white where it is."""
    made = {}
    for name, count in counts.items():
        part, made[name] = Part(name), Made()
        for number in range(count):
            garment = part.garment(range(10))
            image, [(x0, y0, x1, y1)] = part.picture([garment], ())
            mask = np.zeros((SIDE, SIDE), bool)
            mask[y0:y1, x0:x1] = garment >= THRESHOLD
            file = f"{name}/{number:04}.png"
            save(255 * mask.astype(np.uint8), folder / "masks" / file)
            made[name].add(save(image, folder / "pictures" / file), image, mask, {"garment": mask})
    return made


def pairs(folder, counts):
    """A garment of one of five classes, in `pictures`, in a folder for each class; two pictures are alike if they are of one class."""
    made, boxes = {}, []
    classes = {"bag": BAG, "boot": BOOT, "sandal": SANDAL, "top": TOP, "trouser": TROUSER}
    for name, count in counts.items():
        part, made[name] = Part(name), Made()
        for number in range(count):
            truth = number % len(classes)
            what, own = list(classes.items())[truth]
            image, [box] = part.picture([part.garment([own])], (own,))
            file = f"{name}/{what}/{number:04}.png"
            made[name].add(save(image, folder / "pictures" / file), image, truth, {what: inside(box)})
            boxes.append((file, *box, what))
    write(folder / "boxes.csv", ("file", "x0", "y0", "x1", "y1", "class"), boxes)
    return made
