"""The networks of the zoo: for each group, names with the side of the picture and what is changed of the constructor.

Every network gets five classes, as many as the program prints.
"""

from dataclasses import dataclass, field

from torch import nn

from keras_networks import CLASSES, KERAS


@dataclass(frozen=True)
class Network:
    group: str
    name: str
    # Of the picture, in pixels; None is the one that the library names.
    side: int | None = None
    # Arguments of the constructor that make a large network narrower or shallower, without changing its operations.
    changed: dict = field(default_factory=dict, hash=False)


SMALL = dict(embed_dim=192, num_heads=3, depth=6)

# The transformers are the smallest of their families, or made smaller.
TORCHVISION = [
    ("alexnet", 224), ("vgg11", 224), ("vgg11_bn", 224), ("squeezenet1_0", 96), ("squeezenet1_1", 96), ("resnet18", 96),
    ("resnet50", 96), ("resnext50_32x4d", 96), ("wide_resnet50_2", 96), ("densenet121", 96), ("googlenet", 96),
    ("inception_v3", 160), ("mobilenet_v2", 96), ("mobilenet_v3_small", 96), ("mobilenet_v3_large", 96), ("mnasnet0_5", 96),
    ("shufflenet_v2_x0_5", 96), ("regnet_x_400mf", 96), ("regnet_y_400mf", 96), ("efficientnet_b0", 96),
    ("efficientnet_v2_s", 96), ("convnext_tiny", 96), ("vit_b_16", 96, dict(image_size=96)), ("swin_t", 224),
    ("swin_v2_t", 224), ("maxvit_t", 224),
]

TIMM_ATTENTION = [
    ("vit_tiny_patch16_224",), ("vit_small_patch32_224",), ("vit_wee_patch16_reg1_gap_256",), ("flexivit_small",),
    ("vit_base_patch16_siglip_224", None, SMALL), ("vit_small_patch14_dinov2", 98, dict(img_size=98)),
    ("vit_tiny_r_s16_p8_224",), ("vit_small_resnet26d_224",), ("vit_relpos_small_patch16_224",),
    ("vit_srelpos_small_patch16_224",), ("samvit_base_patch16_224", None, SMALL), ("vitamin_small_224",),
    ("vit_tiny_patch16_dinov3_qkvb",), ("eva02_tiny_patch14_224",), ("vit_small_patch16_rope_224",),
    ("naflexvit_base_patch16_gap", None, SMALL), ("deit_tiny_patch16_224",), ("deit_tiny_distilled_patch16_224",),
    ("deit3_small_patch16_224",), ("beit_base_patch16_224", None, SMALL), ("cait_xxs24_224",), ("xcit_nano_12_p16_224",),
    ("convit_tiny",), ("crossvit_tiny_240",), ("tnt_s_patch16_224",), ("pit_ti_224",), ("pit_ti_distilled_224",),
    ("volo_d1_224",), ("swin_tiny_patch4_window7_224",), ("swin_s3_tiny_224",), ("swinv2_tiny_window8_256",),
    ("swinv2_cr_tiny_ns_224",), ("twins_pcpvt_small",), ("twins_svt_small",), ("pvt_v2_b0",), ("nest_tiny",),
    ("mvitv2_tiny",), ("hiera_tiny_224",), ("davit_tiny",), ("gcvit_xxtiny",), ("focalnet_tiny_srf",), ("coat_tiny",),
    ("coat_lite_tiny",), ("coatnet_pico_rw_224",), ("coatnet_rmlp_nano_rw_224",), ("maxvit_pico_rw_256",),
    ("maxxvit_rmlp_nano_rw_256",), ("mobilevit_xxs",), ("mobilevitv2_050",), ("edgenext_xx_small",), ("efficientformer_l1",),
    ("efficientformerv2_s0",), ("efficientvit_b0",), ("efficientvit_m0",), ("levit_128s",), ("levit_conv_128s",),
    ("nextvit_small",), ("tiny_vit_5m_224",), ("shvit_s1",), ("swiftformer_xs",), ("visformer_tiny",), ("caformer_s18",),
    ("fastvit_sa12",), ("mixer_s32_224",), ("gmlp_ti16_224",), ("resmlp_12_224",), ("sequencer2d_s",),
]

TIMM_CONVOLUTIONAL = [
    ("resnet10t",), ("resnet18",), ("resnet26d",), ("resnet50_gn",), ("resnetaa34d",), ("resnetblur18",), ("resnetrs50",),
    ("seresnet18",), ("seresnext26d_32x4d",), ("ecaresnet26t",), ("legacy_seresnet18",), ("skresnet18",), ("resnest14d",),
    ("res2net50_14w_8s",), ("res2next50",), ("resnetv2_18",), ("resnetv2_50x1_bit",), ("resnetv2_50d_gn",),
    ("resnetv2_50d_evos",), ("nf_resnet26",), ("nf_regnet_b0",), ("eca_nfnet_l0",), ("bat_resnext26ts", 256),
    ("eca_resnext26ts",), ("gcresnext26ts",), ("seresnext26ts",), ("resnet32ts",), ("gernet_s",), ("mobileone_s0",),
    ("regnetz_b16",), ("repvgg_a0",), ("convmixer_768_32", 112), ("convnext_atto",), ("convnext_atto_ols",),
    ("convnext_atto_rms",), ("convnextv2_atto",), ("cpubone_nano",), ("cs3darknet_focus_s",), ("cs3darknet_s",),
    ("cspresnext50",), ("darknet17",), ("cspnext_tiny",), ("densenet121",), ("densenetblur121d",), ("dla34",),
    ("dla46x_c",), ("dla60_res2next",), ("dpn48b",), ("dpn68",), ("efficientnet_b0",), ("efficientnet_b0_gn",),
    ("efficientnet_blur_b0",), ("efficientnet_lite0",), ("efficientnet_es",), ("efficientnetv2_rw_t",),
    ("gc_efficientnetv2_rw_t",), ("tf_efficientnet_b0",), ("tf_efficientnetv2_b0",), ("fbnetc_100",), ("mixnet_s",),
    ("tf_mixnet_s",), ("mnasnet_small",), ("mobilenetv1_100",), ("mobilenetv2_050",), ("tinynet_e",), ("hardcorenas_a",),
    ("fbnetv3_b",), ("lcnet_035",), ("mobilenetv3_small_050",), ("tf_mobilenetv3_small_minimal_100",),
    ("mobilenetv4_conv_small_035",), ("fasternet_t0",), ("fastvit_t8",), ("ghostnet_050",), ("ghostnetv2_100",),
    ("hgnetv2_b0",), ("hrnet_w18_small",), ("inception_next_atto",), ("inception_resnet_v2",), ("inception_v4",),
    ("lcnetv2_small",), ("mambaout_femto",), ("poolformer_s12",), ("convformer_s18",),
    ("nasnetalarge", 128), ("pnasnet5large",), ("rdnet_tiny",), ("regnetx_002",),
    ("regnety_002",), ("repvit_m0_9",), ("rexnet_100",), ("selecsls42",), ("starnet_s050",), ("tresnet_m",),
    ("vgg11_bn", 224), ("xception41",),
]

WIDTH = dict(hidden_size=192, num_hidden_layers=4, num_attention_heads=3, intermediate_size=384, image_size=96)
DINO = {name: value for name, value in WIDTH.items() if name != "intermediate_size"} | dict(image_size=98, patch_size=14)
STAGES = dict(embed_dim=48, depths=[2, 2, 2, 2])
MAPS = dict(hidden_sizes=[32, 64, 96, 128], depths=[1, 2, 2, 1])
DEEP = dict(hidden_sizes=[64, 128, 192, 256], depths=[1, 2, 2, 1])
PYRAMID = dict(hidden_sizes=[32, 64, 96, 128], num_attention_heads=[1, 2, 3, 4])

# The classes …Config and …ForImageClassification.
TRANSFORMERS = [
    ("ViT", 96, WIDTH), ("DeiT", 96, WIDTH),
    ("Beit", 96, WIDTH | dict(use_relative_position_bias=True, use_absolute_position_embeddings=True)),
    ("Dinov2WithRegisters", 98, DINO), ("Siglip", 96, dict(vision_config=WIDTH)),
    ("Swin", 224, STAGES), ("Swinv2", 256, STAGES | dict(image_size=256, window_size=8)),
    ("Hiera", 224, STAGES), ("FocalNet", 224, STAGES), ("Cvt", 96, dict(depth=[1, 2, 3])),
    ("Pvt", 96, PYRAMID | dict(image_size=96)), ("PvtV2", 96, PYRAMID | dict(image_size=96)), ("Segformer", 96, PYRAMID),
    ("Levit", 224, dict(depths=[2, 2, 2])), ("MobileViT", 128, dict(image_size=128)), ("MobileViTV2", 128, dict(image_size=128)),
    ("SwiftFormer", 224, {}), ("PoolFormer", 96, MAPS), ("ConvNext", 96, MAPS), ("ConvNextV2", 96, MAPS),
    ("ResNet", 96, DEEP), ("RegNet", 96, DEEP | dict(groups_width=16)), ("Bit", 96, DEEP | dict(num_groups=8)),
    ("EfficientNet", 96, dict(width_coefficient=1.0, depth_coefficient=1.0, hidden_dim=1280, image_size=96)),
    ("MobileNetV2", 96, dict(image_size=96)),
]

ULTRALYTICS = [("yolov8n-cls", 128), ("yolo11n-cls", 128), ("yolo12n-cls", 128), ("yolo26n-cls", 128)]

GROUPS = {
    group: [Network(group, *each) for each in listed]
    for group, listed in {
        "torchvision": TORCHVISION,
        "timm-convolutional": TIMM_CONVOLUTIONAL,
        "timm-attention": TIMM_ATTENTION,
        "transformers": TRANSFORMERS,
        "ultralytics": ULTRALYTICS,
        "keras": KERAS,
    }.items()
}


# Where a network of the group doesn't say; transformers of timm allow only that of their configuration.
SIDES = {"timm-convolutional": 128}


class Logits(nn.Module):
    """Classifiers of transformers give an object of several values."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(pixel_values=x, return_dict=True).logits


class First(nn.Module):
    """Classifiers of ultralytics give probabilities and logits."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x)[1]


def build(network):
    """The network in evaluation mode, and the side of its picture. The caller has seeded PyTorch."""
    made = BUILDERS[network.group](network)
    return made.eval(), network.side or SIDES.get(network.group) or made.pretrained_cfg["input_size"][-1]


def torchvision_network(network):
    import torchvision

    # Without the second heads, which only training uses.
    extra = dict(init_weights=True, aux_logits=False) if network.name in ("googlenet", "inception_v3") else {}
    made = torchvision.models.get_model(network.name, weights=None, num_classes=CLASSES, **extra, **network.changed)
    if network.name.startswith(("alexnet", "vgg")):
        # Nine tenths of the weights are those of two fully connected layers.
        linear = [index for index, layer in enumerate(made.classifier) if isinstance(layer, nn.Linear)]
        widths = [made.classifier[linear[0]].in_features, 256, 256, CLASSES]
        for index, inputs, outputs in zip(linear, widths, widths[1:]):
            made.classifier[index] = nn.Linear(inputs, outputs)
    return made


def timm_network(network):
    import timm

    return timm.create_model(network.name, num_classes=CLASSES, **network.changed)


def transformers_network(network):
    import transformers

    config = getattr(transformers, network.name + "Config")(**network.changed)
    config.num_labels = CLASSES
    return Logits(getattr(transformers, network.name + "ForImageClassification")(config))


def ultralytics_network(network):
    from ultralytics.nn.tasks import ClassificationModel

    return First(ClassificationModel(f"{network.name}.yaml", nc=CLASSES, verbose=False))


BUILDERS = {
    "torchvision": torchvision_network,
    "timm-convolutional": timm_network,
    "timm-attention": timm_network,
    "transformers": transformers_network,
    "ultralytics": ultralytics_network,
}
