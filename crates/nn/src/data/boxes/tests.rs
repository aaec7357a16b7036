//! The same boxes in three kinds of files, and files with mistakes.

use std::fs;

use super::*;

fn annotation(picture: &str, edges: [f64; 4], class: Option<&str>, place: &str) -> Annotation {
    Annotation { picture: picture.into(), edges, class: class.map(String::from), size: None, place: place.into() }
}

fn message<T: std::fmt::Debug>(result: Result<T, BoxesError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn the_same_boxes_are_read_from_every_kind_of_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("a.csv"), "file,x0,y0,x1,y1,class\ncat/1.png,2,0,7,5,cat\n1.png, 3 ,1,4,9,dog\n").unwrap();
    let coco = r#"{"images": [{"id": 7, "file_name": "cat/1.png", "height": 10, "width": 20},
        {"id": 9, "file_name": "1.png", "height": 10, "width": 20}], "categories": [{"id": 1, "name": "cat"},
        {"id": 3, "name": "dog"}], "annotations": [{"id": 0, "image_id": 7, "category_id": 1, "bbox": [2, 0, 5, 5]},
        {"id": 1, "image_id": 9, "category_id": 3, "bbox": [3.0, 1.0, 1.0, 8.0]}]}"#;
    fs::write(at("a.json"), coco).unwrap();
    let voc = |file: &str, class: &str, [x0, y0, x1, y1]: [u8; 4]| {
        format!(
            "<annotation><filename>{file}</filename><size><width>20</width><height>10</height><depth>3</depth></size>\n\
             <object><name>{class}</name><difficult>0</difficult>\n<bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin>\
             <xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object></annotation>"
        )
    };
    fs::create_dir(at("voc")).unwrap();
    fs::write(at("voc/1.xml"), voc("cat/1.png", "cat", [3, 1, 7, 5])).unwrap();
    fs::write(at("voc/2.xml"), voc("1.png", "dog", [4, 2, 4, 9])).unwrap();
    fs::write(at("voc/notes.txt"), "no annotation").unwrap();
    for (name, size, places) in [
        ("a.csv", None, ["a.csv, line 2", "a.csv, line 3"]),
        ("a.json", Some((10, 20)), ["a.json, annotations[0]", "a.json, annotations[1]"]),
        ("voc", Some((10, 20)), ["voc/1.xml, line 3", "voc/2.xml, line 3"]),
    ] {
        let place = |index: usize| at(places[index]).display().to_string();
        let expected = [
            annotation("cat/1.png", [2.0, 0.0, 7.0, 5.0], Some("cat"), &place(0)),
            annotation("1.png", [3.0, 1.0, 4.0, 9.0], Some("dog"), &place(1)),
        ];
        assert_eq!(open(at(name)).unwrap(), expected.map(|annotation| Annotation { size, ..annotation }), "{name}");
    }
    assert!(message(open(at("voc/notes.txt"))).contains("expected boxes: a CSV file"));
    assert!(message(open(at("absent.csv"))).contains("absent.csv: can't be read"));
    fs::create_dir(at("empty")).unwrap();
    assert!(message(open(at("empty"))).contains("empty: expected boxes"));
}

#[test]
fn columns_have_any_order_and_classes_may_be_missing() {
    let found = csv::parse(b"\xEF\xBB\xBFx1,file,y1,y0,x0\r\n7,\"a, b.png\",5,0,2.5\r\n", "b.csv").unwrap();
    assert_eq!(found, [annotation("a, b.png", [2.5, 0.0, 7.0, 5.0], None, "b.csv, line 2")]);
    assert_eq!(csv::parse(b"file,x0,y0,x1,y1\n", "b.csv").unwrap(), []);
}

#[test]
fn mistakes_in_csv_are_named_with_their_line() {
    let wrong = |text: &str| message(csv::parse(text.as_bytes(), "b.csv"));
    let header = "b.csv, line 1: expected the header file,x0,y0,x1,y1 or file,x0,y0,x1,y1,class, found ";
    assert_eq!(wrong(""), format!("{header}"));
    assert_eq!(wrong("name,x,y,w,h\n"), format!("{header}name,x,y,w,h"));
    assert_eq!(wrong("file,x0,y0,x1,y1,colour\n"), format!("{header}file,x0,y0,x1,y1,colour"));
    let line = |text: &str| wrong(&format!("file,x0,y0,x1,y1,class\na.png,0,0,1,1,cat\n{text}\n"));
    assert_eq!(
        line("a.png,0,0,1,1"),
        "b.csv, line 3: expected 6 cells: file,x0,y0,x1,y1,class, found 5: a.png,0,0,1,1"
    );
    assert_eq!(line("a.png,0,0,one,1,cat"), "b.csv, line 3: expected a number in column x1, found \"one\"");
    assert_eq!(line("a.png,0,0,,1,cat"), "b.csv, line 3: expected a number in column x1, found \"\"");
    assert_eq!(line(",0,0,1,1,cat"), "b.csv, line 3: expected a value in column file, found an empty cell");
    assert_eq!(line("a.png,0,0,1,1,"), "b.csv, line 3: expected a value in column class, found an empty cell");
    for edges in ["4,0,4,1", "0,5,1,1", "0,0,nan,1", "0,0,inf,1"] {
        assert!(
            line(&format!("a.png,{edges},cat")).contains("line 3: expected a box whose left and top edges"),
            "{edges}"
        );
    }
    let bytes = b"file,x0,y0,x1,y1\n\xFF.png,0,0,1,1\n";
    assert!(message(csv::parse(bytes, "b.csv")).starts_with("b.csv, line 2: expected text in UTF-8"));
}

#[test]
fn mistakes_in_json_and_xml_are_named_with_their_place() {
    let json = |images: &str, annotations: &str| {
        let text = format!(r#"{{"images": [{images}], "annotations": [{annotations}], "categories": []}}"#);
        message(coco::parse(text.as_bytes(), "c.json"))
    };
    let image = r#"{"id": 1, "file_name": "a.png"}"#;
    let expected = "c.json, annotations[0]: expected the id of one of the";
    assert!(
        json(image, r#"{"image_id": 2, "bbox": [0, 0, 1, 1]}"#).starts_with(&format!("{expected} images, found 2"))
    );
    let class = r#"{"image_id": 1, "category_id": 5, "bbox": [0, 0, 1, 1]}"#;
    assert!(json(image, class).starts_with(&format!("{expected} categories, found 5")));
    assert!(json(image, r#"{"image_id": 1, "bbox": [0, 0, 0, 1]}"#).contains("annotations[0]: expected a box whose"));
    assert!(json(image, r#"{"image_id": 1, "bbox": [0, 0, 1]}"#).contains("expected COCO's images"));
    assert!(message(coco::parse(b"[", "c.json")).contains("c.json: expected COCO's images"));

    let xml = |inside: &str| message(voc::parse(&format!("<annotation>\n{inside}\n</annotation>"), "d.xml"));
    let object = |corners: &str| xml(&format!("<filename>a</filename>\n<object><name>n</name>{corners}</object>"));
    assert_eq!(xml("<object/>"), "d.xml, line 1: expected <filename> with a value, found none");
    assert_eq!(object(""), "d.xml, line 3: expected a <bndbox>, found none");
    assert_eq!(object("<bndbox/>"), "d.xml, line 3: expected <xmin> with a value, found none");
    assert_eq!(object("<bndbox><xmin>a</xmin></bndbox>"), "d.xml, line 3: expected a number in <xmin>, found a");
    assert_eq!(voc::parse("<annotation/>", "d.xml").unwrap(), [], "a picture without objects");
    assert_eq!(message(voc::parse("<svg/>", "d.xml")), "d.xml: expected an <annotation> of Pascal VOC, found <svg>");
    let bomb = "<!DOCTYPE a [<!ENTITY b \"c\">]><annotation>&b;</annotation>";
    assert!(message(voc::parse(bomb, "d.xml")).contains("DTD"));
}
