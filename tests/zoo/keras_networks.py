"""The networks of keras.applications, with the side of the picture. Their input is [N, H, W, 3], of bytes unless the network
takes the preprocessing along."""

CLASSES = 5
# The layer Normalization becomes inputs without values in files of both exporters, which nothing can run then: where the
# constructor allows it, the network is exported without. EfficientNetB0 always has it; ConvNeXt's GELU becomes Erfc, which ONNX
# doesn't have.
PLAIN = dict(include_preprocessing=False)
KERAS = [
    ("MobileNet", 96), ("MobileNetV2", 96), ("MobileNetV3Small", 96), ("MobileNetV3Large", 96), ("DenseNet121", 96),
    ("EfficientNetB0", 96), ("EfficientNetV2B0", 96, PLAIN), ("ConvNeXtTiny", 96, PLAIN), ("ResNet50", 96), ("ResNet50V2", 96),
    ("InceptionV3", 128), ("InceptionResNetV2", 128), ("Xception", 96), ("VGG16", 64), ("VGG19", 64), ("NASNetMobile", 96),
]
