"""The default weights, as one loads a PSPNet with segmentation-models-pytorch."""

import cv2
import segmentation_models_pytorch as smp
import torch
from safetensors.torch import load_file


def load(path):
    """Return the network."""
    model = smp.PSPNet(
        "tu-tf_efficientnet_lite0", encoder_weights=None, encoder_depth=4, psp_out_channels=256
    )
    model.load_state_dict(load_file(path), strict=False)  # layers that are not used are not in it
    return model.eval()


@torch.inference_mode()
def segment(model, bgr):
    """Return where the cornea is, as (H, W) bool."""
    rgb = cv2.cvtColor(cv2.resize(bgr, (416, 256)), cv2.COLOR_BGR2RGB)
    inputs = (torch.from_numpy(rgb).permute(2, 0, 1)[None].float() - 127) / 128
    return cv2.resize(model(inputs)[0, 0].numpy(), bgr.shape[1::-1]) > 0
