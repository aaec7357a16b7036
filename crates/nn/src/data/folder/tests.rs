use std::fs;

use image::{DynamicImage, GrayImage, Luma, Rgb, RgbImage};

use super::*;
use crate::data::Loader;

/// Two pictures of cats, of 12×8 and 30×40 pixels, one of a dog in grey, and an empty folder for birds.
fn pets() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let save = |name: &str, image: DynamicImage| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image.save(path).unwrap();
    };
    save("dog/three.bmp", GrayImage::from_pixel(9, 9, Luma([90])).into());
    save("cat/one.png", RgbImage::from_fn(12, 8, |x, y| Rgb([20 * x as u8, 30 * y as u8, 7])).into());
    save("cat/indoors/two.png", RgbImage::from_pixel(30, 40, Rgb([10, 20, 30])).into());
    fs::create_dir(folder.path().join("bird")).unwrap();
    fs::write(folder.path().join("cat/.hidden"), b"no picture").unwrap();
    fs::write(folder.path().join("read me.txt"), b"beside the classes").unwrap();
    folder
}

fn settings(memory: usize) -> FolderSettings {
    FolderSettings { shape: [4, 4, 3], crop: Crop::Largest, unreadable: Unreadable::Refuse, memory }
}

fn open(folder: &tempfile::TempDir, settings: FolderSettings) -> Result<ImageFolder, DataError> {
    ImageFolder::open(folder.path(), settings, |_, _| ())
}

fn images(folder: &ImageFolder) -> Vec<Vec<u8>> {
    let mut pixels = vec![0; folder.image_shape().iter().product()];
    let read = |index| {
        folder.read(index, &mut pixels).unwrap();
        pixels.clone()
    };
    (0..folder.len()).map(read).collect()
}

#[test]
fn pictures_of_any_size_and_mode_become_images_of_one_shape() {
    let folder = pets();
    let mut told = Vec::new();
    let pets = ImageFolder::open(folder.path(), settings(0), |read, total| told.push((read, total))).unwrap();
    assert_eq!(told, [(3, 3)]);
    assert_eq!(pets.class_names(), ["cat", "dog"]);
    let names = ["cat/indoors/two.png", "cat/one.png", "dog/three.bmp"];
    assert!(pets.files().iter().eq(&names.map(|name| folder.path().join(name))));
    assert_eq!((0..3).map(|index| pets.label(index)).collect::<Vec<_>>(), [0, 0, 1]);
    let images = images(&pets);
    assert_eq!(images[0], [10, 20, 30].repeat(16));
    assert_eq!(images[2], vec![90; 48]);
    let expected = Photo::open(&pets.files()[1]).unwrap().fit(4, 4, Crop::Largest);
    assert_eq!(images[1], expected.pixels().as_slice().unwrap());
}

#[test]
fn the_limit_on_memory_changes_no_image() {
    let folder = pets();
    let all = images(&open(&folder, settings(0)).unwrap());
    for (memory, kept) in [(0, 0), (47, 0), (100, 2), (144, 3), (usize::MAX, 3)] {
        let pets = open(&folder, settings(memory)).unwrap();
        assert_eq!(pets.kept(), kept);
        assert_eq!(images(&pets), all);
    }
}

#[test]
fn unreadable_files_are_refused_or_skipped_and_listed() {
    let folder = pets();
    fs::write(folder.path().join("cat/notes.txt"), b"no picture").unwrap();
    let whole = fs::read(folder.path().join("cat/one.png")).unwrap();
    fs::write(folder.path().join("dog/half.png"), &whole[..whole.len() / 2]).unwrap();
    let error = open(&folder, settings(1000)).err().unwrap().to_string();
    assert!(error.contains("2 of 5 files aren't pictures"), "{error}");
    assert!(error.contains("notes.txt: expected") && error.contains("half.png: a PNG picture that can't"), "{error}");
    let pets = open(&folder, FolderSettings { unreadable: Unreadable::Skip, ..settings(1000) }).unwrap();
    assert_eq!((pets.len(), pets.skipped().len()), (3, 2));
    assert_eq!(images(&pets)[2], vec![90; 48]);
}

#[test]
fn another_folder_has_the_same_classes_and_shares_the_memory() {
    let (folder, other) = (pets(), pets());
    let pets = open(&folder, settings(200)).unwrap();
    // Without cats and with the birds' folder still empty, dogs stay the second class.
    fs::remove_dir_all(other.path().join("cat")).unwrap();
    let test = pets.open_another(other.path(), |_, _| ()).unwrap();
    assert_eq!((test.len(), test.label(0), test.class_names()), (1, 1, pets.class_names()));
    assert_eq!((pets.kept(), test.kept()), (3, 1));
    assert_eq!(images(&test)[0], images(&pets)[2]);
    let full = open(&folder, settings(150)).unwrap();
    assert_eq!(full.open_another(other.path(), |_, _| ()).unwrap().kept(), 0);
    fs::rename(other.path().join("dog"), other.path().join("dogs")).unwrap();
    let error = pets.open_another(other.path(), |_, _| ()).err().unwrap().to_string();
    assert!(error.contains("has the class \"dogs\", the training pictures only \"cat\", \"dog\""), "{error}");
}

#[test]
fn an_epoch_names_a_picture_that_has_been_removed() {
    let folder = pets();
    let pets = open(&folder, settings(100)).unwrap();
    let normalization = pets.statistics().unwrap();
    fs::remove_file(folder.path().join("dog/three.bmp")).unwrap();
    // Images in memory don't need their files.
    fs::remove_file(folder.path().join("cat/one.png")).unwrap();
    let loader = Loader::new(&pets, &normalization, 2);
    let found = loader.epoch(0, 0, |batches| batches.map(|batch| batch.map(|_| ())).collect::<Vec<_>>());
    assert_eq!(found.len(), 2);
    assert!(found[0].is_ok());
    let error = found[1].as_ref().unwrap_err().to_string();
    assert!(error.contains("three.bmp: can't be read"), "{error}");
}

#[test]
fn folders_without_classes_say_what_is_there() {
    let empty = tempfile::tempdir().unwrap();
    fs::create_dir(empty.path().join("cat")).unwrap();
    fs::write(empty.path().join("cat.png"), b"").unwrap();
    let error = open(&empty, settings(0)).err().unwrap().to_string();
    assert!(error.contains("found 1 files and 1 folders without any"), "{error}");
    fs::write(empty.path().join("cat/notes.txt"), b"").unwrap();
    let skip = FolderSettings { unreadable: Unreadable::Skip, ..settings(0) };
    let error = open(&empty, skip).err().unwrap().to_string();
    assert!(error.contains("1 files, none of them a picture"), "{error}");
    assert!(matches!(ImageFolder::open("nowhere", settings(0), |_, _| ()), Err(DataError::Io { .. })));
    let nothing = FolderSettings { shape: [4, 0, 3], ..settings(0) };
    assert!(matches!(open(&pets(), nothing), Err(DataError::Pixels { .. })));
    let two_channels = FolderSettings { shape: [4, 4, 2], ..settings(0) };
    let error = open(&pets(), two_channels).err().unwrap();
    assert!(matches!(error, DataError::Photo(PhotoError::Channels { expected: 2 })), "{error}");
}

/// Saves a picture of one colour.
fn picture(path: &Path, size: [u32; 2], grey: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    GrayImage::from_pixel(size[1], size[0], Luma([grey])).save(path).unwrap();
}

#[test]
fn a_divided_folder_says_its_parts() {
    let folder = tempfile::tempdir().unwrap();
    for (name, grey) in [
        ("train/cat/1.png", 10),
        ("train/cat/2.png", 20),
        ("train/dog/1.png", 30),
        ("valid/dog/1.png", 40),
        ("test/cat/1.png", 50),
        ("test/dog/1.png", 60),
    ] {
        picture(&folder.path().join(name), [4, 4], grey);
    }
    let pets = open(&folder, settings(1000)).unwrap();
    assert_eq!(pets.class_names(), ["cat", "dog"]);
    assert_eq!((0..6).map(|index| pets.label(index)).collect::<Vec<_>>(), [0, 0, 1, 0, 1, 1]);
    let parts = pets.parts().unwrap();
    assert_eq!((&parts.training[..], &parts.validation[..], &parts.test[..]), (&[0, 1, 2][..], &[5][..], &[3, 4][..]));
    assert!(images(&pets)[5].iter().all(|&value| value == 40));
    picture(&folder.path().join("test/cow/1.png"), [4, 4], 1);
    let error = open(&folder, settings(0)).err().unwrap().to_string();
    assert!(error.contains("test has the class \"cow\", the training pictures only \"cat\", \"dog\""), "{error}");
    // A class may be called "train".
    let trains = tempfile::tempdir().unwrap();
    picture(&trains.path().join("train/1.png"), [4, 4], 1);
    picture(&trains.path().join("test/1.png"), [4, 4], 1);
    let trains = open(&trains, settings(0)).unwrap();
    assert_eq!((trains.class_names(), trains.parts()), (&["test", "train"].map(String::from)[..], None));
}

#[test]
fn a_table_says_what_is_true_of_its_pictures() {
    let folder = tempfile::tempdir().unwrap();
    for (name, grey) in [("1.png", 10), ("in/2.png", 20), ("3.png", 30)] {
        picture(&folder.path().join(name), [4, 4], grey);
    }
    let path = folder.path().join("table.csv");
    fs::write(&path, "file,age [years],part\n3.png,7.5,test\nin/2.png,3,train\n1.png,4,val\n").unwrap();
    let table = LabelTable::open(&path, None).unwrap();
    let ages = ImageFolder::open_table(&table, settings(0), |_, _| ()).unwrap();
    assert_eq!((ages.task(), ages.units()), (Task::Values, &["years".to_string()][..]));
    assert_eq!(ages.truth(0).unwrap(), Truth::Values(&[7.5]));
    assert_eq!(ages.truth(1).unwrap(), Truth::Values(&[3.0]));
    assert!(images(&ages)[2].iter().all(|&value| value == 10));
    let parts = ages.parts().unwrap();
    assert_eq!((&parts.training[..], &parts.validation[..], &parts.test[..]), (&[1][..], &[2][..], &[0][..]));
    // A skipped picture takes its truth with it.
    fs::write(folder.path().join("in/2.png"), b"no picture").unwrap();
    assert!(ImageFolder::open_table(&table, settings(0), |_, _| ()).is_err());
    let skip = FolderSettings { unreadable: Unreadable::Skip, ..settings(0) };
    let ages = ImageFolder::open_table(&table, skip, |_, _| ()).unwrap();
    assert_eq!((ages.len(), ages.truth(1).unwrap()), (2, Truth::Values(&[4.0])));
}

/// Saves a mask with these values.
fn mask(path: &Path, size: [u32; 2], values: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    GrayImage::from_raw(size[1], size[0], values.to_vec()).unwrap().save(path).unwrap();
}

#[test]
fn masks_belong_to_the_pictures_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let (pictures, masks) = (folder.path().join("pictures"), folder.path().join("masks"));
    picture(&pictures.join("a.bmp"), [2, 6], 1);
    picture(&pictures.join("in/b.png"), [2, 2], 2);
    mask(&masks.join("a.png"), [2, 6], &[0, 0, 255, 0, 0, 0, 255, 0, 255, 255, 0, 0]);
    mask(&masks.join("in/b.png"), [2, 2], &[0, 255, 255, 255]);
    let settings = |memory| FolderSettings { shape: [2, 2, 1], ..settings(memory) };
    let open = |names: &[&str], memory| {
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        ImageFolder::open_masks(&pictures, &masks, &names, settings(memory), |_, _| ())
    };
    for memory in [0, 9, 1000] {
        let set = open(&[], memory).unwrap();
        assert!(set.is_map() && set.kept() == [0, 1, 2][[0, 9, 1000].iter().position(|&m| m == memory).unwrap()]);
        assert_eq!(set.class_names(), ["background", "object"]);
        assert_eq!(set.truth(0).unwrap(), Truth::Mask(Cow::Owned(vec![1, 0, 1, 1])));
        assert_eq!(set.truth(1).unwrap(), Truth::Mask(Cow::Owned(vec![0, 1, 1, 1])));
    }
    assert_eq!(open(&["street", "car"], 0).unwrap().class_names(), ["street", "car"]);
    let message = |names: &[&str]| open(names, 0).err().unwrap().to_string();

    mask(&masks.join("in/b.png"), [2, 2], &[0, 1, 2, 5]);
    mask(&masks.join("a.png"), [2, 6], &[0; 12]);
    let gap = message(&[]);
    assert!(gap.contains("b.png: found the value 5, but no mask has the value 3"), "{gap}");
    let value = message(&["x", "y", "z"]);
    assert!(value.ends_with("b.png: expected a class from 0 to 2 at each pixel, found the value 5"), "{value}");
    assert_eq!(open(&["a", "b", "c", "d", "e", "f"], 0).unwrap().class_names().len(), 6);
    mask(&masks.join("in/b.png"), [2, 2], &[0, 1, 2, 0]);
    assert_eq!(open(&[], 0).unwrap().class_names(), ["0", "1", "2"]);

    mask(&masks.join("in/b.png"), [2, 3], &[0, 1, 0, 1, 0, 1]);
    let size = message(&[]);
    assert!(size.contains("b.png: the mask is 2 × 3, its picture") && size.ends_with("is 2 × 2"), "{size}");
    fs::remove_file(masks.join("in/b.png")).unwrap();
    assert!(message(&[]).contains("b.png: there is no mask of this name in"), "{}", message(&[]));
    mask(&masks.join("in/b.png"), [2, 2], &[0, 1, 0, 1]);
    mask(&masks.join("c.png"), [2, 2], &[0, 1, 0, 1]);
    assert!(message(&[]).contains("c.png: there is no picture of this name in"), "{}", message(&[]));
}
