"""How pictures become the image encoder's square in training: stretched, as the maps beside them are."""

from __future__ import annotations

from instructseq_model.errors import ConfigError
from instructseq_model.model_config import ModelConfig

TRAINING_FIT = "stretch"
"""A name in `geometry.FITS`."""


def require_training_fit(config: ModelConfig) -> None:
    """Check that the model will see pictures as training shows them.

    Raises:
        ConfigError: it is configured for another way.
    """
    if config.fit != TRAINING_FIT:
        raise ConfigError(
            f"the model's fit is {config.fit!r}, and training stretches pictures; set fit: {TRAINING_FIT}"
        )
