"""The networks of keras.applications, with the side of the picture. Their input is [N, H, W, 3], of bytes unless the network
takes the preprocessing along."""

CLASSES = 5
KERAS = [
    ("MobileNet", 96), ("MobileNetV2", 96), ("MobileNetV3Small", 96), ("MobileNetV3Large", 96), ("DenseNet121", 96),
    ("EfficientNetB0", 96), ("EfficientNetV2B0", 96), ("ConvNeXtTiny", 96), ("ResNet50", 96), ("ResNet50V2", 96),
    ("InceptionV3", 128), ("InceptionResNetV2", 128), ("Xception", 96), ("VGG16", 64), ("VGG19", 64), ("NASNetMobile", 96),
]
