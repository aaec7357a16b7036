"""A vision transformer's patches as a map; a module of its own, so that files of it can be read by any program."""

from torch import nn


class Tokens(nn.Module):
    """The patches of a vision transformer, `[N, C, H, W]`, without its class token."""

    def __init__(self, net):
        super().__init__()
        self.patches, self.layers, self.norm = net.conv_proj, net.encoder.layers, net.encoder.ln
        self.places = nn.Parameter(net.encoder.pos_embedding[:, 1:].detach())

    def forward(self, images):
        patches = self.patches(images)
        tokens = self.norm(self.layers(patches.flatten(2).transpose(1, 2) + self.places))
        return tokens.transpose(1, 2).unflatten(2, patches.shape[2:])
