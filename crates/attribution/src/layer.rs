//! References to layers.

/// The layer that a method explains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LayerRef<'a> {
    /// The last layer whose output has positions that a later layer mixes ([`Model::last_spatial_layer`](nn::Model::last_spatial_layer)).
    #[default]
    Last,
    /// The layer of this name.
    Name(&'a str),
    /// The layer with this index in [`Model::layers`](nn::Model::layers).
    Index(usize),
}

impl<'a> From<&'a str> for LayerRef<'a> {
    fn from(name: &'a str) -> Self {
        Self::Name(name)
    }
}

impl<'a> From<&'a String> for LayerRef<'a> {
    fn from(name: &'a String) -> Self {
        Self::Name(name)
    }
}

impl From<usize> for LayerRef<'_> {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}
