"""Sparse autoencoders on the hidden activations of toy models, whose features are known.

``activations`` has what they see, ``families`` features that are correlated or form a hierarchy,
``variants`` the autoencoders (L1, TopK, JumpReLU, Matryoshka), ``descent`` how they are trained,
and ``recovery`` what they found. Dead latents and ways to bring them back are studied on random
directions, in `superpos.learning.sae` and `superpos.learning.resampling`; the `State` is theirs.
"""

from superpos.sae.activations import Activations
from superpos.sae.descent import start, train
from superpos.sae.families import Families
from superpos.sae.variants import Variant, decode, encode

__all__ = ["Activations", "Families", "Variant", "decode", "encode", "start", "train"]
