//! Measures against captum (`tests/reference/measures`), in double precision.

use attribution::measures::max_sensitivity;
use ndarray::{Array2, Axis};

use crate::methods::{CLASSES, DIGITS, each};
use crate::support::Stored;

/// The maps `[N, H, W]` of an array, or what more axes before them hold.
fn maps(stored: &Stored, what: &str) -> Vec<Array2<f64>> {
    let array = stored.array(what);
    let [.., height, width] = array.shape()[..] else { panic!("{what} has no maps") };
    let maps = array.as_slice().chunks_exact(height * width);
    maps.map(|values| Array2::from_shape_vec((height, width), values.to_vec()).unwrap()).collect()
}

/// captum's infidelity is the mean square of what the map doesn't predict; ours is its share of the changes' mean square.
#[test]
fn infidelity_is_captum_s_share_of_the_changes() {
    each(|name, pass, methods| {
        let stored = Stored::open(&format!("measures/{name}.safetensors"));
        let values = methods.array("deep_lift").to_array().into_dimensionality::<ndarray::Ix4>().unwrap();
        let maps: Vec<Array2<f64>> =
            values.axis_iter(Axis(0)).map(|values| values.sum_axis(Axis(2)).mapv(f64::abs)).collect();
        let found = pass.infidelity(&maps, &CLASSES, 0, None).unwrap();
        let (left, whole) = (stored.array("infidelity"), stored.array("infidelity.of_nothing"));
        for (image, found) in found.into_iter().enumerate() {
            let expected = left.as_slice()[image] / whole.as_slice()[image];
            println!("{name:8} infidelity {found:.6} {:8.1e}", (found - expected).abs());
            assert!((found - expected).abs() <= DIGITS && (0.01..0.999).contains(&found), "{name}: {found} {expected}");
        }
    });
}

#[test]
fn max_sensitivity_is_captum_s() {
    for name in ["gapnet", "flatnet", "resnet"] {
        let stored = Stored::open(&format!("measures/{name}.safetensors"));
        let single = |what: &str| -> Vec<Array2<f32>> {
            maps(&stored, what).iter().map(|map| map.mapv(|value| value as f32)).collect()
        };
        let (own, copies, expected) = (single("maps"), single("maps.of_copies"), stored.array("max_sensitivity"));
        for (image, map) in own.iter().enumerate() {
            let found = max_sensitivity(map, copies.chunks(copies.len() / own.len()).nth(image).unwrap());
            let expected = expected.as_slice()[image];
            println!("{name:8} max-sensitivity {found:.6} {:8.1e}", (found - expected).abs());
            assert!((found - expected).abs() <= DIGITS && found > 0.01, "{name}: {found} {expected}");
        }
    }
}
