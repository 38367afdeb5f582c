"""Networks whose weights the user brings, as PyTorch's in safetensors.

A network is a line of :data:`NETWORKS`: its size, how it sees images, its features, and its layers,
which are named as PyTorch's are, so that they say what tensors a file has to hold. The next one is
a file beside :mod:`jaxdedup.networks.sscd`, and its line here. Importing this imports flax.

A file of PyTorch's becomes one of safetensors by::

    from safetensors.torch import save_file
    save_file(torch.load("weights.pt", weights_only=True), "weights.safetensors")
"""

from ._network import Network as Network
from .mobilenet_v3 import MOBILENET_V3_SMALL
from .sscd import SSCD

NETWORKS: dict[str, Network] = {network.name: network for network in (MOBILENET_V3_SMALL, SSCD)}
