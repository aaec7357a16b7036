//! The measures by their names on the command line.

use clap::ValueEnum;

/// A measure of a method's maps: a figure for each image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measure {
    /// Does the strongest pixel lie in the object's box?
    Pointing,
    /// The share of the map that lies in the box
    Energy,
    /// Overlap of the box round what is above 20 % of the maximum with the true one
    #[value(name = "iou-20")]
    Iou20,
    /// The same at 15 %
    #[value(name = "iou-15")]
    Iou15,
    /// Wrong class, or a box that overlaps by no more than half
    #[value(name = "top-1-error")]
    Top1Error,
    /// The same, with the five likeliest classes as guesses
    #[value(name = "top-5-error")]
    Top5Error,
    /// Area under the class's probability while the strongest pixels are blackened first
    Deletion,
    /// Area under it while the strongest pixels appear first
    Insertion,
    /// Fall of the probability when only what the map keeps is seen
    Drop,
    /// Does the probability rise instead?
    Increase,
    /// Rank correlation with the map of the likeliest wrong class
    WrongClass,
    /// Rank correlation with the map after the last layer's weights are drawn anew
    RandomHead,
    /// Rank correlation with the map after the weights of the upper half of the layers are drawn anew
    RandomHalf,
    /// Structural similarity with that map
    RandomSsim,
    /// Rank correlation with the map after all weights are drawn anew
    Random,
}

/// What a group of measures asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Localization,
    Faithfulness,
    Sanity,
}

impl Group {
    pub(crate) const ALL: [Self; 3] = [Self::Localization, Self::Faithfulness, Self::Sanity];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Localization => "Does it say where the object is? Against the true boxes, %",
            Self::Faithfulness => "Does the network agree? Probability of the class, %",
            Self::Sanity => "Does it depend on the class and on the weights? Likeness to the map without, 1 the same",
        }
    }
}

impl Measure {
    pub(crate) fn group(self) -> Group {
        match self {
            Self::Pointing | Self::Energy | Self::Iou20 | Self::Iou15 | Self::Top1Error | Self::Top5Error => {
                Group::Localization
            }
            Self::Deletion | Self::Insertion | Self::Drop | Self::Increase => Group::Faithfulness,
            Self::WrongClass | Self::RandomHead | Self::RandomHalf | Self::RandomSsim | Self::Random => Group::Sanity,
        }
    }

    /// As it is called above a column; an arrow says which way is better.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Pointing => "pointing ↑",
            Self::Energy => "energy ↑",
            Self::Iou20 => "IoU at 20 % ↑",
            Self::Iou15 => "IoU at 15 % ↑",
            Self::Top1Error => "top-1 error ↓",
            Self::Top5Error => "top-5 error ↓",
            Self::Deletion => "deletion ↓",
            Self::Insertion => "insertion ↑",
            Self::Drop => "drop ↓",
            Self::Increase => "increase ↑",
            Self::WrongClass => "wrong class ↓",
            Self::RandomHead => "random head ↓",
            Self::RandomHalf => "half random ↓",
            Self::RandomSsim => "SSIM of it ↓",
            Self::Random => "all random ↓",
        }
    }

    /// As it is called on the command line and in files.
    pub(crate) fn id(self) -> String {
        self.to_possible_value().expect("every measure can be asked for").get_name().to_string()
    }
}
