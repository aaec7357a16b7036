//! What each method can tell and what it can't, in a sentence each.

use crate::method::Method;

/// What a reader of the map may conclude, and what not.
pub(super) fn tells(method: Method) -> [&'static str; 2] {
    match method {
        Method::Cam => [
            "how much each cell of the last feature map adds to the score: their mean and the bias are the score",
            "what in a cell counts, or anything finer than a cell, which has seen far more of the picture than it covers",
        ],
        Method::GradCam => [
            "which cells of a layer hold the features that raise the score, each feature weighted by its mean gradient",
            "how much each cell adds, except where the head is global average pooling; the mean hides places that disagree",
        ],
        Method::GradCamPlusPlus => [
            "which cells hold features that raise the score, with small objects and several of a kind weighted up",
            "how much each cell adds; its weights rest on an exponential of the score, not on the score itself",
        ],
        Method::HiResCam => [
            "which cells raise the score, each by its own gradient: with one linear layer behind it, exactly by how much",
            "how cells act together, where more than one layer lies between them and the score",
        ],
        Method::LayerCam => [
            "which cells raise the score, in early and finer layers too",
            "what speaks against the class: negative gradients are left out",
        ],
        Method::XGradCam => [
            "which cells raise the score, features weighted so that they come as near as they can to adding up to it",
            "more than Grad-CAM does where the network is of ReLUs and has no biases: there the two agree",
        ],
        Method::EigenCam => [
            "where the layer's features are strongest together",
            "anything about a class: it looks neither at the score nor at a gradient",
        ],
        Method::ScoreCam => [
            "which cells hold features whose places, left visible by themselves, raise the score",
            "how the network reacts to the picture as it is: masked pictures are unlike those that it was trained on",
        ],
        Method::AblationCam => [
            "which cells hold features whose loss lowers the score",
            "what features do together: each is taken away by itself",
        ],
        Method::GuidedBackprop => [
            "which fine structures of the picture set off the network's features",
            "why it is this class rather than another: the map depends little on the class and on the upper layers' weights",
        ],
        Method::GuidedGradCam => [
            "which fine structures lie where Grad-CAM finds evidence for the class",
            "more about the class than Grad-CAM does: the detail comes from guided backpropagation, which hardly knows it",
        ],
        Method::Deconvnet => [
            "which fine structures could have set off the network's features",
            "why it is this class; it doesn't ask which units were on, so it shows much that isn't in this picture",
        ],
        Method::Gradient => [
            "to which pixel values the score is most sensitive, for very small changes",
            "which pixels made the score what it is; the map is noisy, for the gradient changes from pixel to pixel",
        ],
        Method::InputXGradient => [
            "what each pixel value adds to the score, in a linear picture of the network",
            "anything about pixels of value zero; and what biases add is left out",
        ],
        Method::SmoothGrad => [
            "to which pixel values the score is sensitive over a neighbourhood of noisy pictures",
            "which pixels made the score what it is",
        ],
        Method::VarGrad => [
            "where the gradient changes most over a neighbourhood of noisy pictures",
            "whether a pixel speaks for the class or against it: a variance has no sign",
        ],
        Method::IntegratedGradients => [
            "how the difference between this score and a black picture's is shared out among the pixels: it adds up exactly",
            "anything without that comparison; black pixels get nothing, and another baseline gives another map",
        ],
        Method::Lrp => [
            "how the score is shared out among the pixels, layer by layer: with what biases keep, it adds up exactly",
            "more than its rules: with z⁺ in the convolutions little of the map depends on the class",
        ],
        Method::FullGrad => [
            "where the picture's own gradients and those of every layer's biases are strong",
            "what speaks against the class: it sums magnitudes; and the map, unlike its parts, doesn't add up to the score",
        ],
        Method::Occlusion => [
            "by how much the score falls when a square of the picture is covered",
            "what two places do together; and a covered picture is unlike those that it was trained on",
        ],
        Method::Rise => [
            "where pixels that are left visible raise the score, on average over random masks",
            "fine detail; the masks are coarse and random, so that weak evidence is noise",
        ],
    }
}
