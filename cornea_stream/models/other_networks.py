"""What weights are that are not a PSPNet of segmentation-models-pytorch, by names in them."""

from __future__ import annotations

import re
from collections.abc import Iterable

# The first that matches a tensor's name; prefixes of wrappers may stand before it.
_NETWORKS = (
    (r"decoder\.blocks\.x_\d", "a UNet++ (smp.UnetPlusPlus)"),
    (r"decoder\.center\.top_conv\.", "a MAnet (smp.MAnet)"),
    (r"decoder\.blocks\.\d+\.conv1\.0\.", "a UNet (smp.Unet)"),
    (r"decoder\.blocks\.\d+\.block\.\d", "a Linknet (smp.Linknet)"),
    (r"decoder\.(p5|seg_blocks)\.", "an FPN (smp.FPN)"),
    (r"decoder\.aspp\.", "a DeepLabV3 (smp.DeepLabV3 or DeepLabV3Plus)"),
    (r"decoder\.fpa\.", "a PAN (smp.PAN)"),
    (r"decoder\.fpn_lateral_blocks\.", "a UPerNet (smp.UPerNet)"),
    (r"decoder\.mlp_stage\.", "a SegFormer (smp.Segformer)"),
    (r"decoder\.projection_blocks\.", "a DPT (smp.DPT)"),
    (r"ppm\.features\.", "a PSPNet of another implementation (semseg)"),
    (r"psp\.stages\.|psp\.bottleneck\.", "a PSPNet of another implementation"),
    (r"roi_heads\.", "a Mask R-CNN"),
    (r"image_encoder\.|mask_decoder\.", "a Segment Anything model"),
    (r"segformer\.encoder\.", "a SegFormer (transformers)"),
    (r"decode_head\.", "a network of MMSegmentation"),
    (r"encoder\.stages\.\d+\.\d+\.convs\.|seg_layers\.", "an nnU-Net"),
    (r"double_conv\.|(^|\.)(inc|down1|up1)\.", "a UNet of another implementation"),
    (r"(^|\.)model\.\d+\.(conv|cv1|cv2|cv3|m|dfl)\.", "a YOLO"),
    (r"backbone\..*", "a network with a backbone, as torchvision's DeepLabV3 or FCN"),
    (r"(^|\.)(patch_embed|cls_token|pos_embed)", "a vision transformer"),
    (r"(^|\.)(fc|classifier)\.weight$", "a classifier"),
)


def name_network(names: Iterable[str]) -> str | None:
    """Return what a state dict with these names is, with its article; None if unknown."""
    listed = list(names)
    for pattern, network in _NETWORKS:
        if any(map(re.compile(pattern).search, listed)):
            return network
    return None


def name_classes(classes: Iterable[str]) -> str | None:
    """Return what a pickle of these classes is, with its article; None if no known network."""
    listed = list(classes)
    if any(name.startswith(("ultralytics.", "models.yolo", "models.common")) for name in listed):
        return "a whole pickled YOLO"
    modules = ("torch.nn.modules.", "segmentation_models_pytorch.", "torchvision.models.", "timm.")
    if any(name.startswith(modules) for name in listed):
        return "a whole pickled model, not its state dict"
    return None
