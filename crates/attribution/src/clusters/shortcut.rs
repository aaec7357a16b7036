//! Clusters of maps that look like a shortcut.

use super::place::Outline;
use super::spectral::SpectralClusters;

/// The probability, among all clusters together, with which one is called a shortcut although the class has nothing to do with
/// the place.
const LEVEL: f64 = 1e-3;
/// A map lies in a place if it has at least this fraction there of what the cluster's mean has.
const FRACTION: f64 = 0.5;
/// Limit on the share of other classes' pictures that are explained by the place: what explains more of them isn't a class's own.
const ELSEWHERE: f64 = 0.1;

/// Pictures of one class that are explained by the same place, where few pictures of other classes have anything.
#[derive(Clone, Debug, PartialEq)]
pub struct Shortcut {
    /// The class.
    pub class: usize,
    /// The cluster among the class's.
    pub cluster: usize,
    /// The pictures of the class whose maps lie in the place, by index.
    pub pictures: Vec<usize>,
    /// The number of the class's pictures.
    pub of: usize,
    /// The number of other classes' pictures whose maps lie there too.
    pub elsewhere: usize,
    /// The number of other classes' pictures.
    pub others: usize,
    /// Where it is: `upper left corner`.
    pub place: &'static str,
    /// The probability of as many pictures of the class or more, had the place nothing to do with the class.
    pub p: f64,
}

/// The clusters that look like a shortcut: pictures of one class that are explained by the same place, off the object, where
/// few pictures of other classes have anything.
///
/// `outlines` and `labels` have an entry for each picture (`None` for a map that shows nothing), `clusters` for each class the
/// clusters of its pictures that have an outline, in their order. The place of a cluster is the fewest cells that hold half of
/// its mean map. Fisher's exact test compares how many pictures of the class and how many others have their maps there, at the
/// level 0.001 for all clusters together (Bonferroni); at most a tenth of the others may. `off_object` tells whether the
/// maps of the pictures with these indices lie off their objects. If it returns `None`, nothing is known of the objects, and the
/// place must lie at the border. Of a class's clusters that share at least half of their pictures, only the first is returned.
#[must_use]
pub fn shortcuts(
    outlines: &[Option<Outline>],
    labels: &[usize],
    clusters: &[SpectralClusters],
    off_object: impl Fn(&[usize]) -> Option<bool>,
) -> Vec<Shortcut> {
    let known: Vec<(usize, &Outline, usize)> = (outlines.iter().zip(labels).enumerate())
        .filter_map(|(index, (outline, &label))| Some((index, outline.as_ref()?, label)))
        .collect();
    let tests: usize = clusters.iter().map(|clusters| clusters.count).sum();
    let mut found = Vec::new();
    for (class, clusters) in clusters.iter().enumerate() {
        let own: Vec<(usize, &Outline)> =
            known.iter().filter(|known| known.2 == class).map(|&(index, outline, _)| (index, outline)).collect();
        for cluster in 0..clusters.count {
            let members = clusters.members(cluster);
            let Some(mean) = Outline::mean(members.iter().map(|&member| own[member].1)) else { continue };
            let place = mean.place();
            let least = FRACTION * place.share(&mean);
            let is_there = |outline: &Outline| place.share(outline) >= least;
            let pictures: Vec<usize> =
                own.iter().filter(|(_, outline)| is_there(outline)).map(|&(index, _)| index).collect();
            let elsewhere = known.iter().filter(|known| known.2 != class && is_there(known.1)).count();
            let others = known.len() - own.len();
            let p = tail(pictures.len(), own.len(), elsewhere, others);
            let is_known = |known: &Shortcut| known.class == class && shared(&known.pictures, &pictures);
            let is_off = off_object(&pictures).unwrap_or_else(|| place.is_at_the_border());
            let is_own = elsewhere as f64 <= ELSEWHERE * others as f64;
            if p * tests as f64 <= LEVEL && is_own && is_off && !found.iter().any(is_known) {
                let (of, place) = (own.len(), place.name());
                found.push(Shortcut { class, cluster, pictures, of, elsewhere, others, place, p });
            }
        }
    }
    found
}

/// Whether at least half of the smaller list is in the other.
fn shared(a: &[usize], b: &[usize]) -> bool {
    2 * a.iter().filter(|index| b.contains(index)).count() >= a.len().min(b.len())
}

/// Fisher's exact test: the probability that of `a + b` pictures drawn from `n + m`, `a` or more are among the `n`.
fn tail(a: usize, n: usize, b: usize, m: usize) -> f64 {
    let factorials: Vec<f64> = std::iter::once(0.0)
        .chain((1..=n + m).scan(0.0, |sum, i| {
            *sum += (i as f64).ln();
            Some(*sum)
        }))
        .collect();
    let choose = |n: usize, k: usize| factorials[n] - factorials[k] - factorials[n - k];
    let drawn = a + b;
    let probability = |k: usize| (choose(n, k) + choose(m, drawn - k) - choose(n + m, drawn)).exp();
    (a.max(drawn.saturating_sub(m))..=n.min(drawn)).map(probability).sum::<f64>().min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Fisher's tea: of eight cups, all four poured milk first are recognised by chance with 1/70.
    #[test]
    fn the_test_is_fishers() {
        assert!((tail(4, 4, 0, 4) - 1.0 / 70.0).abs() < 1e-15);
        assert!((tail(3, 4, 1, 4) - 17.0 / 70.0).abs() < 1e-14);
        assert!((tail(0, 4, 4, 4) - 1.0).abs() < 1e-14);
        assert!((tail(2, 5, 0, 0) - 1.0).abs() < 1e-14, "without other classes, nothing can be said");
    }

    /// Blobs at random places; with a mark, half of class 1 has them in a corner instead.
    fn maps(seed: u64, mark: bool) -> (Vec<Option<Outline>>, Vec<usize>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let labels: Vec<usize> = (0..120).map(|index| index % 4).collect();
        let outlines = labels.iter().enumerate().map(|(index, &label)| {
            let marked = mark && label == 1 && index % 8 == 1;
            let at: [f32; 2] = if marked { [4.0, 44.0] } else { [0, 1].map(|_| rng.random_range(6.0..42.0)) };
            let blob = |(y, x): (usize, usize)| {
                let square = (y as f32 - at[0]).powi(2) + (x as f32 - at[1]).powi(2);
                (-square / 32.0).exp() + 0.02 * rng.random::<f32>()
            };
            Outline::of(Array2::from_shape_fn((48, 48), blob).view())
        });
        (outlines.collect(), labels)
    }

    fn found(seed: u64, mark: bool, off: Option<bool>) -> Vec<Shortcut> {
        let (outlines, labels) = maps(seed, mark);
        let of = |class: usize| -> SpectralClusters {
            let own: Vec<f64> = (outlines.iter().zip(&labels))
                .filter(|(_, label)| **label == class)
                .flat_map(|(outline, _)| outline.as_ref().unwrap().cells().to_vec())
                .collect();
            SpectralClusters::of(Array2::from_shape_vec((own.len() / 144, 144), own).unwrap().view(), seed)
        };
        let clusters: Vec<SpectralClusters> = (0..4).map(of).collect();
        shortcuts(&outlines, &labels, &clusters, |_| off)
    }

    /// A place that explains all pictures of a class, but one in six of the others, too, isn't the class's own.
    #[test]
    fn a_place_that_other_classes_share_is_no_shortcut() {
        let spot = |corner: bool| {
            let at = |y: usize, x: usize| if corner { y < 2 && x >= 10 } else { y >= 4 && x < 4 };
            Outline::of(Array2::from_shape_fn((12, 12), |(y, x)| f32::from(u8::from(at(y, x)))).view())
        };
        let named = |shared: usize| {
            let outlines: Vec<_> = (0..30).map(|_| spot(true)).chain((0..60).map(|i| spot(i < shared))).collect();
            let labels: Vec<usize> = (0..90).map(|index| usize::from(index >= 30)).collect();
            let all = |class: usize| -> Vec<f64> {
                let own = outlines.iter().zip(&labels).filter(|(_, label)| **label == class);
                own.flat_map(|(outline, _)| outline.as_ref().unwrap().cells().to_vec()).collect()
            };
            let clusters = [all(0), all(1)].map(|rows| {
                SpectralClusters::of(Array2::from_shape_vec((rows.len() / 144, 144), rows).unwrap().view(), 0)
            });
            shortcuts(&outlines, &labels, &clusters, |_| None).iter().any(|found| found.class == 0)
        };
        assert_eq!([0, 6, 10].map(named), [true, true, false]);
        assert!(tail(30, 30, 10, 60) < 1e-6, "although chance doesn't explain it");
    }

    #[test]
    fn a_mark_is_found_and_without_one_nothing_is() {
        for seed in 0..10 {
            let shortcut = found(seed, true, None);
            assert!(shortcut.len() == 1, "seed {seed}: {shortcut:?}");
            let Shortcut { class, of, elsewhere, others, place, ref pictures, .. } = shortcut[0];
            assert_eq!((class, of, others, place), (1, 30, 90, "upper right corner"));
            let marked = (0..120).filter(|index| index % 8 == 1);
            assert!(marked.clone().all(|index| pictures.contains(&index)) && elsewhere < 10, "{shortcut:?}");
            assert_eq!(found(seed, false, Some(true)), [], "seed {seed}");
            assert_eq!(found(seed, true, Some(false)), [], "on the object");
        }
    }
}
