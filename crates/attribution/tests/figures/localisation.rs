//! Chapter 16: whether a map lies on the object.

use attribution::measures::{
    CAM_THRESHOLD, Truth, box_score, energy_in_box, estimated_box, localization_error, pointing_game,
};
use ndarray::{Array2, array};
use nn::data::Rect;

use super::cells::{Cells, cells};
use super::drawing::{FIRST, SECOND, column, lines, number, row, words};
use super::{Figure, figure};

pub(crate) fn all() -> Vec<Figure> {
    vec![pointing(), energy(), found_box(), objects(), guesses()]
}

fn table(map: &Array2<f32>) -> Cells {
    cells(map.mapv(|value| (f64::from(value) * 1e6).round() / 1e6).view()).sized(34.0)
}

pub(super) fn place(rect: &Rect) -> [usize; 4] {
    [rect.top, rect.left, rect.height, rect.width]
}

fn pointing() -> Figure {
    let map = array![[0.0_f32, 0.2, 0.0, 0.0], [0.0, 0.0, 0.0, 0.9], [0.0, 0.5, 0.0, 0.0]];
    let object = Rect { top: 1, left: 1, height: 2, width: 2 };
    let hits = [0, 1].map(|tolerance| pointing_game(map.view(), &object, tolerance));
    assert_eq!(hits, [false, true]);
    let drawing = row([
        table(&map).marked(place(&object), FIRST).marked([1, 3, 1, 1], SECOND).draw(),
        lines(["the peak, 0.9, lies beside the box", "a miss within 0 pixels", "a hit within 1 pixel"]),
    ]);
    let about = "A map of 3 × 4 cells with a box round four of them. The largest value, 0.9, lies in the column beside the box: a miss, and a \
                 hit if one pixel is tolerated. The 0.5 inside the box counts for nothing.";
    figure("pointing-game", "The pointing game reads one pixel", about, drawing)
}

fn energy() -> Figure {
    let map = array![[0.0_f32, 1.0, -5.0], [0.0, 3.0, 0.0]];
    let object = Rect { top: 1, left: 0, height: 1, width: 3 };
    let share = energy_in_box(map.view(), &object);
    let drawing =
        row([table(&map).marked(place(&object), FIRST).draw(), words(format!("3 of 1 + 3: {}", number(share)))]);
    let about = format!(
        "A map of two rows, and a box round the lower one. The positive values are 1 above and 3 in the box, so the energy is {}. The −5 \
         doesn't count.",
        number(share)
    );
    figure("energy", "Energy counts all that is positive", about, drawing)
}

fn found_box() -> Figure {
    let map = array![[1.0_f32, 0.5, 0.0, 0.3], [0.4, 0.1, 0.0, 0.0]];
    let found = estimated_box(map.view(), CAM_THRESHOLD).unwrap();
    let object = Rect { top: 0, left: 0, height: 2, width: 3 };
    let score = box_score(map.view(), &object, CAM_THRESHOLD);
    let kept = map.mapv(|value| if value > CAM_THRESHOLD { value } else { 0.0 });
    let drawing = row([
        table(&map).draw().titled("the map"),
        table(&kept).marked(place(&found), SECOND).draw().titled("above 20 %, with its box"),
        table(&map)
            .marked(place(&object), FIRST)
            .marked(place(&found), SECOND)
            .draw()
            .titled(&format!("IoU = {}", number(score))),
    ]);
    let about = format!(
        "A map, its cells above 20 % of the maximum, of which three touch and one lies apart, and the box round the three, 2 × 2 cells. The \
         true box has 2 × 3 cells: they share four of six, {}.",
        number(score)
    );
    figure("box-of-a-map", "A box is drawn round the strongest part", about, drawing)
}

fn objects() -> Figure {
    let map = array![[3.0_f32, 0.0, 0.0, 1.0], [3.0, 0.0, 1.0, 0.0]];
    let [left, right] = [0, 3].map(|left| Rect { top: 0, left, height: 2, width: 1 });
    let mask = Truth::Mask(map.mapv(|value| value == 1.0));
    let of_mask = energy_in_box(map.view(), &mask);
    let both = Truth::Boxes(vec![left, right]);
    let of_boxes = energy_in_box(map.view(), &both);
    let drawing = row([
        table(&map)
            .marked(place(&left), FIRST)
            .marked(place(&right), FIRST)
            .draw()
            .titled(&format!("two boxes: {}", number(of_boxes))),
        table(&map)
            .marked([0, 3, 1, 1], SECOND)
            .marked([1, 2, 1, 1], SECOND)
            .draw()
            .titled(&format!("a mask of two pixels: {}", number(of_mask))),
    ]);
    let about = format!(
        "One map with two truths. Two boxes, the first and the last column, hold 7 of 8 parts of the energy, {}. A mask of two pixels on a \
         diagonal holds 2 of 8, {}.",
        number(of_boxes),
        number(of_mask)
    );
    figure("several-objects", "Several objects, and one of any shape", about, drawing)
}

fn guesses() -> Figure {
    let object = Rect { top: 2, left: 2, height: 4, width: 4 };
    let near = Rect { top: 2, left: 2, height: 4, width: 3 };
    let far = Rect { top: 0, left: 0, height: 4, width: 4 };
    let guess = |class: usize, found: Rect| {
        let title = format!("class {class}, IoU {}", number(found.iou(&object)));
        let right = !localization_error(&[(class, Some(found))], 3, &object);
        let grid = cells(Array2::zeros((7, 7)).view()).sized(15.0).without_numbers();
        let drawn = grid.marked(place(&object), FIRST).marked(place(&found), SECOND).draw();
        column([drawn, words(if right { "right" } else { "wrong" })]).titled(&title)
    };
    let drawing = row([guess(7, near), guess(3, far), guess(3, near)]);
    let about = "Three guesses for an object of class 3 in a box of 4 × 4 pixels. The first has a good box, with an overlap of 0.75, and the \
                 wrong class. The second has the right class and a box that overlaps by 0.14. The third is right in both, so the top-3 error \
                 is 0 and the top-1 error 1.";
    figure("localisation-error", "Right class and right box", about, drawing)
}
