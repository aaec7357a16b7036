//! `glassbox evaluate` on pictures, boxes, masks and maps in files.

use std::fs;
use std::path::Path;

use attribution::npy::write_npy;
use image::{GrayImage, Luma};
use ndarray::Array2;
use nn::data::{Rect, Scatter, Scattered, fashion_mnist};
use serde_json::Value;

use crate::support::{demo_file, fails, glassbox, succeeds};

const COUNT: usize = 24;

/// The scattered pictures that `glassbox evaluate --limit 24` measures.
fn scattered() -> Scattered {
    Scatter::default().scatter(&fashion_mnist::test().subset(&(0..COUNT).collect::<Vec<_>>())).unwrap()
}

/// Writes them in a folder for each class, called by its number, beside a list and boxes of every kind.
fn written(folder: &Path) -> Scattered {
    let scattered = scattered();
    let (mut list, mut csv) = (String::from("file,label\n"), String::from("file,x0,y0,x1,y1,class\n"));
    let (mut images, mut annotations) = (Vec::new(), Vec::new());
    fs::create_dir(folder.join("voc")).unwrap();
    for (index, &place) in scattered.boxes.iter().enumerate() {
        let (label, Rect { top, left, height, width }) = (scattered.images.labels()[index], place);
        let (name, right, bottom) = (format!("{label}/{index:03}.png"), place.right(), place.bottom());
        let path = folder.join("pictures").join(&name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let picture = GrayImage::from_raw(48, 48, scattered.images.image(index).to_vec()).unwrap();
        picture.save(&path).unwrap();
        list += &format!("pictures/{name},{label}\n");
        csv += &format!("{name},{left},{top},{right},{bottom},{label}\n");
        images.push(format!(r#"{{"id": {index}, "file_name": "{index:03}.png", "height": 48, "width": 48}}"#));
        annotations.push(format!(
            r#"{{"image_id": {index}, "category_id": {label}, "bbox": [{left}, {top}, {width}, {height}]}}"#
        ));
        let corners = [("xmin", left + 1), ("ymin", top + 1), ("xmax", right), ("ymax", bottom)];
        let corners: String = corners.iter().map(|(tag, value)| format!("<{tag}>{value}</{tag}>")).collect();
        let xml = format!(
            "<annotation><filename>{index:03}.png</filename><object><name>{label}</name><bndbox>{corners}</bndbox></object>\
             </annotation>"
        );
        fs::write(folder.join("voc").join(format!("{index:03}.xml")), xml).unwrap();
        let mask = GrayImage::from_fn(48, 48, |x, y| Luma([u8::from(place.contains(y as usize, x as usize))]));
        fs::create_dir_all(folder.join("masks").join(label.to_string())).unwrap();
        mask.save(folder.join("masks").join(&name)).unwrap();
        let map = Array2::from_shape_fn((48, 48), |(y, x)| f32::from(u8::from(place.contains(y, x))));
        fs::create_dir_all(folder.join("oracle")).unwrap();
        write_npy(folder.join("oracle").join(format!("{index:03}.{label}.npy")), map.view()).unwrap();
    }
    let categories: Vec<String> = (0..10).map(|class| format!(r#"{{"id": {class}, "name": "{class}"}}"#)).collect();
    let coco = format!(
        r#"{{"images": [{}], "annotations": [{}], "categories": [{}]}}"#,
        images.join(","),
        annotations.join(","),
        categories.join(",")
    );
    for (name, text) in [("list.csv", list), ("boxes.csv", csv), ("coco.json", coco)] {
        fs::write(folder.join(name), text).unwrap();
    }
    scattered
}

/// The results of an evaluation with these arguments.
fn evaluated(folder: &Path, arguments: &[&str]) -> Value {
    let model = demo_file("model.safetensors");
    let all = [&["evaluate", "--model", &model, "--limit", "24", "--method", "grad-cam", "--json"], arguments].concat();
    serde_json::from_str(&succeeds(folder, &all)).unwrap()
}

#[test]
fn the_scattered_task_in_files_gives_the_figures_of_the_embedded_data() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    let embedded = evaluated(folder.path(), &["--out", "embedded"]);
    // The pictures of the list are in the order of the embedded ones.
    for boxes in ["boxes.csv", "coco.json", "voc"] {
        let listed =
            evaluated(folder.path(), &["--csv", "list.csv", "--boxes", boxes, "--out", &format!("by-{boxes}")]);
        for part in ["images", "accuracy", "figures", "cascade", "agreement"] {
            assert_eq!(listed[part], embedded[part], "{part} with {boxes}");
        }
        let worst = |value: &Value| value["classes"]["classes"][3]["worst"][0]["energy"].clone();
        assert_eq!(worst(&listed), worst(&embedded));
    }
    // A mask of a box scores as the box.
    let masked = evaluated(folder.path(), &["--csv", "list.csv", "--masks", "masks", "--out", "masked"]);
    assert_eq!(masked["figures"], embedded["figures"]);
    // Those of the folder are in another order, in which their sum may be rounded otherwise.
    let sorted = evaluated(folder.path(), &["--folder", "pictures", "--boxes", "boxes.csv", "--out", "sorted"]);
    let figures = embedded["figures"]["grad-cam"].as_object().unwrap();
    assert_eq!(figures.len(), 19);
    for (measure, expected) in figures {
        let (found, expected) = (&sorted["figures"]["grad-cam"][measure]["mean"], &expected["mean"]);
        let difference = found.as_f64().unwrap() - expected.as_f64().unwrap();
        assert!(difference.abs() <= COUNT as f64 * f64::EPSILON, "{measure}: {found} and {expected}");
    }
}

#[test]
fn maps_made_elsewhere_are_measured_beside_the_methods() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    let own = ["--folder", "pictures", "--boxes", "boxes.csv", "--maps", "oracle"];
    let found = evaluated(folder.path(), &own);
    let figures = &found["figures"]["oracle"];
    for (measure, expected) in [("pointing", 1.0), ("energy", 1.0), ("iou-20", 1.0)] {
        assert_eq!(figures[measure]["mean"], expected, "{measure}");
    }
    assert!(figures["deletion"]["mean"].is_number() && figures.get("random").is_none());
    assert!(found["agreement"]["oracle"]["grad-cam"].is_number());
    let first = fs::read_dir(folder.path().join("oracle")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(&first).unwrap();
    let model = demo_file("model.safetensors");
    let evaluate = [&["evaluate", "--model", &model, "--out", "again"], &own[..]].concat();
    let error = fails(folder.path(), &evaluate);
    assert!(error.contains("oracle: expected a map for each picture, found neither"), "{error}");
    write_npy(&first, Array2::from_elem((6, 6), f32::NAN).view()).unwrap();
    let error = fails(folder.path(), &evaluate);
    assert!(error.contains("expected finite values, found infinity or NaN"), "{error}");
}

#[test]
fn what_does_not_fit_the_pictures_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let scattered = written(folder.path());
    let model = demo_file("model.safetensors");
    let label = scattered.images.labels()[0];
    let refused = |arguments: &[&str]| fails(folder.path(), &[&["evaluate", "--model", &model], arguments].concat());
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let boxes = |line: &str| {
        write("wrong.csv", &format!("file,x0,y0,x1,y1,class\n{line}\n"));
        refused(&["--csv", "list.csv", "--boxes", "wrong.csv"])
    };
    let error = boxes("000.png,0,0,60,20,3");
    assert!(
        error.contains("wrong.csv, line 2: expected a box within pictures/") && error.contains("48 × 48, found left 0")
    );
    let error = boxes("dog.png,0,0,6,20,3");
    assert!(error.contains("wrong.csv, line 2: expected the name of one of the pictures, found dog.png"), "{error}");
    let error = boxes("000.png,0,0,6,20,zebra");
    assert!(error.contains("wrong.csv, line 2: ") && error.contains("zebra"), "{error}");
    let other = (label + 1) % 10;
    let error = boxes(&format!("000.png,0,0,6,20,{other}"));
    assert!(error.contains("wrong.csv: no object lies within the part of its picture"), "{error}");

    let list = |text: &str| {
        write("wrong.csv", text);
        refused(&["--csv", "wrong.csv"])
    };
    assert!(list("class,name\n").contains("wrong.csv, line 1: expected the names of the columns"));
    assert!(list("file,label\n").contains("wrong.csv: expected a line for each picture, found none"));
    let error = list("file,label\nlist.csv,3\nabsent.png,3\n");
    assert!(error.contains("wrong.csv, line 3: there is no file absent.png"), "{error}");
    assert!(list("file,label\nlist.csv,\n").contains("wrong.csv, line 2: the cell of column `label` is empty"));
    assert!(list("file,label\nlist.csv,zebra\n").contains("wrong.csv, line 2: "));

    let mask = format!("masks/{label}/000.png");
    GrayImage::new(24, 48).save(folder.path().join(&mask)).unwrap();
    let error = refused(&["--csv", "list.csv", "--masks", "masks"]);
    assert!(error.contains(&format!("{mask}: expected the size of its picture, 48 × 48, found 48 × 24")), "{error}");
    let error = refused(&["--csv", "list.csv", "--measure", "energy"]);
    assert!(error.contains("compares with the truth") && error.contains("give it with --boxes or --masks"), "{error}");
    fs::create_dir(folder.path().join("pictures/zebra")).unwrap();
    let error = refused(&["--folder", "pictures"]);
    assert!(error.contains("pictures/zebra: expected a folder for each class, named like it"), "{error}");
}

#[test]
fn the_part_for_the_test_is_evaluated_and_damaged_files_are_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let scattered = written(folder.path());
    fs::create_dir_all(folder.path().join("parts/train")).unwrap();
    fs::rename(folder.path().join("pictures"), folder.path().join("parts/test")).unwrap();
    let model = demo_file("model.safetensors");
    let evaluate = ["evaluate", "--model", &model, "--folder", "parts", "--method", "cam", "--measure", "deletion"];
    let output = glassbox(folder.path(), &evaluate);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && errors.contains("parts: evaluating parts/test"), "{errors}");

    let path = folder.path().join(format!("parts/test/{}/005.png", scattered.images.labels()[5]));
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let folder = folder.path();
    let output = glassbox(folder, &[&evaluate[..], &["--out", "refused"]].concat());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("1 of 24 files can't be read; have them skipped with --skip-unreadable"), "{errors}");
    assert!(errors.contains("005.png: a PNG picture that can't be decoded") && !folder.join("refused").exists());
    let output = glassbox(folder, &[&evaluate[..], &["--out", "skipped", "--skip-unreadable"]].concat());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        errors.contains("skipped: parts/test/") && errors.contains("1 file can't be read and was skipped"),
        "{errors}"
    );
    let report = fs::read_to_string(folder.join("skipped/evaluation.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&report).unwrap()["images"], 23);
}
