//! The confusion matrix.

use std::fmt;

use super::label_scores::mean;

/// A confusion matrix: numbers of images by true class (rows) and predicted class (columns).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    names: Vec<String>,
    counts: Vec<usize>,
}

impl Confusion {
    /// An empty matrix for classes with these names.
    #[must_use]
    pub fn new(names: Vec<String>) -> Self {
        let counts = vec![0; names.len() * names.len()];
        Self { names, counts }
    }

    /// Counts an image.
    ///
    /// # Panics
    /// If a class is out of range.
    pub fn add(&mut self, truth: usize, predicted: usize) {
        assert!(truth.max(predicted) < self.names.len(), "class {} of {}", truth.max(predicted), self.names.len());
        self.counts[truth * self.names.len() + predicted] += 1;
    }

    pub(super) fn counts(&self) -> &[usize] {
        &self.counts
    }

    pub(super) fn counts_mut(&mut self) -> &mut [usize] {
        &mut self.counts
    }

    /// The classes' names.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of images of class `truth` that were predicted to be of class `predicted`.
    ///
    /// # Panics
    /// If a class is out of range.
    #[must_use]
    pub fn count(&self, truth: usize, predicted: usize) -> usize {
        assert!(predicted < self.names.len(), "class {predicted} of {}", self.names.len());
        self.counts[truth * self.names.len() + predicted]
    }

    /// The number of images of a class.
    #[must_use]
    pub fn support(&self, class: usize) -> usize {
        (0..self.names.len()).map(|predicted| self.count(class, predicted)).sum()
    }

    /// The share of the images predicted to be of a class that are of it; `None` if there are none.
    #[must_use]
    pub fn precision(&self, class: usize) -> Option<f64> {
        share(self.count(class, class), (0..self.names.len()).map(|truth| self.count(truth, class)).sum())
    }

    /// The share of the images of a class that were predicted to be of it; `None` if there are none.
    #[must_use]
    pub fn recall(&self, class: usize) -> Option<f64> {
        share(self.count(class, class), self.support(class))
    }

    /// Intersection over union of a class: of the images or pixels that are of it or predicted to be, the share that are both;
    /// `None` if there are none.
    #[must_use]
    pub fn iou(&self, class: usize) -> Option<f64> {
        let found: usize = (0..self.names.len()).map(|truth| self.count(truth, class)).sum();
        let both = self.count(class, class);
        share(both, self.support(class) + found - both)
    }

    /// The mean of the [intersection over union](Self::iou) of the classes that have one (Everingham et al., *The Pascal Visual
    /// Object Classes challenge*, 2015, §3.1.3); `None` if nothing was counted.
    #[must_use]
    pub fn mean_iou(&self) -> Option<f64> {
        mean((0..self.names.len()).map(|class| self.iou(class)))
    }

    /// The share of what was counted that is classified correctly; `None` if nothing was counted.
    #[must_use]
    pub fn accuracy(&self) -> Option<f64> {
        let right = (0..self.names.len()).map(|class| self.count(class, class)).sum();
        share(right, self.counts.iter().sum())
    }

    /// The most frequent wrong prediction for the images of a class, and its count; `None` if there is no wrong prediction.
    #[must_use]
    pub fn rival(&self, class: usize) -> Option<(usize, usize)> {
        let others =
            (0..self.names.len()).filter(|&other| other != class).map(|other| (other, self.count(class, other)));
        others.max_by_key(|&(other, count)| (count, std::cmp::Reverse(other))).filter(|&(_, count)| count > 0)
    }

    /// As comma-separated values: a line of class names, then a line for each true class.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let quoted = |name: &String| {
            if name.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", name.replace('"', "\"\""))
            } else {
                name.clone()
            }
        };
        let names: Vec<String> = self.names.iter().map(quoted).collect();
        let mut csv = format!("true \\ predicted,{}\n", names.join(","));
        for (truth, name) in names.iter().enumerate() {
            let counts = (0..names.len()).map(|predicted| self.count(truth, predicted).to_string());
            csv += &format!("{name},{}\n", counts.collect::<Vec<_>>().join(","));
        }
        csv
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// A table with the precision, recall and number of images of each class, and its most frequent wrong prediction.
impl fmt::Display for Confusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(5);
        write!(f, "{:width$}  precision  recall  images  most often taken for", "class")?;
        let shown = |share: Option<f64>| share.map_or("-".into(), |share| format!("{share:.3}"));
        for (class, name) in self.names.iter().enumerate() {
            let (precision, recall) = (shown(self.precision(class)), shown(self.recall(class)));
            write!(f, "\n{name:width$}  {precision:>9}  {recall:>6}  {:>6}", self.support(class))?;
            if let Some((rival, count)) = self.rival(class) {
                write!(f, "  {} ({count})", self.names[rival])?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confusion() -> Confusion {
        let mut confusion = Confusion::new(["cat", "dog, large", "cow"].map(String::from).to_vec());
        for (truth, predicted) in [(0, 0), (0, 0), (0, 1), (1, 1), (1, 0), (1, 0), (1, 0)] {
            confusion.add(truth, predicted);
        }
        confusion
    }

    #[test]
    fn shares_are_those_of_the_counts() {
        let confusion = confusion();
        assert_eq!([0, 1, 2].map(|class| confusion.precision(class)), [Some(0.4), Some(0.5), None]);
        assert_eq!([0, 1, 2].map(|class| confusion.recall(class)), [Some(2.0 / 3.0), Some(0.25), None]);
        assert_eq!([0, 1, 2].map(|class| confusion.support(class)), [3, 4, 0]);
    }

    /// Per class, the pixels that are of it or taken for it: 6, 5 and none. `sklearn.metrics.jaccard_score` gives the same.
    #[test]
    fn intersections_over_unions() {
        let confusion = confusion();
        assert_eq!([0, 1, 2].map(|class| confusion.iou(class)), [Some(2.0 / 6.0), Some(1.0 / 5.0), None]);
        approx::assert_abs_diff_eq!(confusion.mean_iou().unwrap(), 4.0 / 15.0, epsilon = 1e-15);
        assert_eq!(confusion.accuracy(), Some(3.0 / 7.0));
        assert_eq!(Confusion::new(vec!["a".into()]).mean_iou(), None);
    }

    #[test]
    fn it_is_written_as_a_table_and_as_csv() {
        let confusion = confusion();
        let csv = "true \\ predicted,cat,\"dog, large\",cow\ncat,2,1,0\n\"dog, large\",3,1,0\ncow,0,0,0\n";
        assert_eq!(confusion.to_csv(), csv);
        let table = confusion.to_string();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[1], "cat             0.400   0.667       3  dog, large (1)");
        assert_eq!(lines[3], "cow                 -       -       0");
    }
}
